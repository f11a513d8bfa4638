"""Sphinx extension: what the site needs beside its pages.

The first page's title says what people search for; the footer leads to the credits; and when the pages are written,
the root of the site gets ``404.html``, ``sitemap.xml``, ``robots.txt``, and a page for every address that has moved:
``book/redirects.yml`` lists these, old name to new.
"""

from __future__ import annotations

import posixpath
from html import escape
from pathlib import Path
from urllib.parse import quote, urljoin

import yaml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.osutil import relative_uri

MOVED = "book/redirects.yml"
CREDITS = "book/credits"
# Behind the first page's own name, in the title that search engines and tabs show.
SUBJECT = "a course on saliency maps"

LEADS_ON = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={to}">
<title>{title}</title>
<link rel="canonical" href="{address}">
</head>
<body><p>This page is <a href="{to}">{title}</a>.</p></body>
</html>
"""

# Whatever address was asked for, this page is sent: so its links are complete, and its style is its own.
NOT_FOUND = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>No such page: {title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1.15rem/1.6 Georgia, serif; margin: 12vh auto; max-width: 36rem; padding: 0 1.2rem }}
input, button {{ font: inherit; padding: 0.3rem 0.7rem }}
</style>
</head>
<body>
<h1>There is no page here</h1>
<p>It may have moved, or the address has a slip in it. <a href="{first}">{title}</a> begins at its first page;
<a href="{listed}">How to run it</a> and the <a href="{words}">glossary</a> are there, too.</p>
<form action="{search}"><label>Search the book: <input type="search" name="q"></label> <button>Search</button></form>
</body>
</html>
"""


def leads_on(to: str, address: str, title: str) -> str:
    """A page that sends its reader on: ``to`` as seen from there, ``address`` in full for search engines."""
    return LEADS_ON.format(to=escape(to), address=escape(address), title=escape(title))


def redirects(moved: dict[str, str], titles: dict[str, str], base: str) -> dict[str, str]:
    """The pages for addresses that have moved.

    Args:
        moved: from a page's old name, such as ``book/speed``, to its new one, with ``#place`` if need be.
        titles: of the pages that there are.
        base: the site's address.

    Returns:
        the text of each page, by its file.

    Raises:
        ExtensionError: a new name is none, or the old one still has a page.
    """
    pages = {}
    for old, new in moved.items():
        name, hash_, place = new.partition("#")
        if name not in titles or old in titles:
            raise ExtensionError(f"{MOVED}: {old} -> {new}: the first must be gone, the second a page")
        here = relative_uri(f"{old}.html", f"{name}.html") + hash_ + place
        pages[f"{old}.html"] = leads_on(here, urljoin(base, f"{name}.html{hash_}{place}"), titles[name])
    return pages


def sitemap(names: list[str], base: str) -> str:
    """The list of pages that search engines read."""
    places = "".join(f"<url><loc>{escape(urljoin(base, quote(f'{name}.html')))}</loc></url>\n" for name in names)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    return f"{head}{places}</urlset>\n"


def name_the_subject(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    if pagename == app.config.root_doc:
        context["docstitle"] = SUBJECT


def link_the_credits(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """The footer is one text for all pages, and the way to the credits is another one from each folder."""
    if footer := context.get("theme_extra_footer"):
        context["theme_extra_footer"] = footer.replace(f'href="{CREDITS}"', f'href="{context["pathto"](CREDITS)}"')


def write_site(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    base, first = app.config.html_baseurl, f"{app.config.root_doc}.html"
    titles = {name: title.astext() for name, title in app.env.titles.items()}
    moved = yaml.safe_load(Path(app.srcdir, MOVED).read_text(encoding="utf-8")) or {}
    inside = posixpath.dirname(app.config.root_doc)
    files = {
        "index.html": leads_on(first, urljoin(base, first), app.config.html_title),
        "404.html": NOT_FOUND.format(
            title=escape(app.config.html_title),
            first=urljoin(base, first),
            listed=urljoin(base, f"{inside}/how-to-run.html"),
            words=urljoin(base, f"{inside}/glossary.html"),
            search=urljoin(base, "search.html"),
        ),
        "sitemap.xml": sitemap(sorted(app.env.found_docs), base),
        # It counts where the site has a host of its own; elsewhere it tells where the sitemap is.
        "robots.txt": f"User-agent: *\nAllow: /\nSitemap: {urljoin(base, 'sitemap.xml')}\n",
        **redirects(moved, titles, base),
    }
    for name, text in files.items():
        path = Path(app.outdir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", name_the_subject)
    app.connect("html-page-context", link_the_credits, priority=600)  # after the theme has put its options there
    app.connect("build-finished", write_site, priority=900)  # in place of the plain index.html written before
    return {"parallel_read_safe": True, "parallel_write_safe": True}
