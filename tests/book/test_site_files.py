"""What stands at the root of the site, and what every page says to those who share it."""

import importlib.util
import re
import xml.etree.ElementTree as ET
from urllib.parse import urljoin, urlsplit

import pytest
import yaml
from built_pages import read
from sphinx.errors import ExtensionError

from tools import address, build, chapters

BASE = address.current().pages
MAPS = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


def extension(name):
    spec = importlib.util.spec_from_file_location(name, build.ROOT / f"tools/extensions/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


site = extension("site_files")


def test_the_root_leads_to_the_first_page_without_scripts(html):
    text = (html / "index.html").read_text(encoding="utf-8")
    assert "<title>What does the network look at?</title>" in text
    assert 'http-equiv="refresh" content="0; url=book/index.html"' in text and '<a href="book/index.html">' in text
    assert f'<link rel="canonical" href="{BASE}book/index.html">' in text


def test_the_sitemap_has_every_page(html):
    found = [loc.text for loc in ET.parse(html / "sitemap.xml").iter(f"{MAPS}loc")]
    assert sorted(found) == sorted(f"{BASE}{name}.html" for name in build.pages())
    assert f"Sitemap: {BASE}sitemap.xml" in (html / "robots.txt").read_text()


def test_an_unknown_address_is_answered_with_ways_on(html):
    """The page is sent for any address, so its links are complete; and they lead to pages that there are."""
    page = read(html / "404.html")
    text = (html / "404.html").read_text(encoding="utf-8")
    places = [*page.links, *re.findall(r'action="([^"]+)"', text)]
    assert len(places) >= 4
    for link in places:
        assert link.startswith(BASE) and (html / urlsplit(link.removeprefix(BASE)).path).is_file(), link


def test_a_page_that_has_moved_leads_on():
    pages = site.redirects({"book/old/speed": "book/performance#pages"}, {"book/performance": "Speed"}, BASE)
    text = pages["book/old/speed.html"]
    assert 'url=../performance.html#pages"' in text and '<a href="../performance.html#pages">Speed</a>' in text
    assert f'href="{urljoin(BASE, "book/performance.html#pages")}"' in text


@pytest.mark.parametrize("moved", [{"book/a": "book/gone"}, {"book/here": "book/here"}])
def test_a_wrong_redirect_stops_the_build(moved):
    with pytest.raises(ExtensionError, match="redirects.yml"):
        site.redirects(moved, {"book/here": "Here"}, BASE)


def test_the_list_of_what_moved_is_carried_out(html):
    moved = yaml.safe_load((build.ROOT / site.MOVED).read_text()) or {}
    assert all((html / f"{old}.html").is_file() for old in moved)


def test_the_first_page_says_what_people_search_for(html):
    page, text = read(html / "book/index.html"), (html / "book/index.html").read_text(encoding="utf-8")
    for said in (re.search("<title>(.*?)</title>", text, re.S)[1], page.properties["description"]):
        assert "saliency maps" in said
    assert page.properties["twitter:card"] == "summary_large_image"
    assert "Six pictures" not in page.properties["description"]


@pytest.mark.parametrize("name", ["book/index", "book/api/index", "book/credits"])
def test_the_footer_says_what_is_free_and_leads_to_the_exceptions(html, name):
    text = (html / f"{name}.html").read_text(encoding="utf-8")
    footer = text[text.index('class="bd-footer-content') :]
    link = re.search(r'<a href="([^"]*)">except where noted</a>', footer)[1]
    target = (html / name).parent / link if link != "#" else html / f"{name}.html"
    assert target.resolve() == (html / "book/credits.html").resolve()
    assert "Copyright" not in footer and "component-author" not in footer


def test_every_photograph_of_the_chapters_is_credited():
    credits = (chapters.BOOK / "credits.md").read_text(encoding="utf-8")
    shown = {"chelsea": "Chelsea", "coffee": "coffee", "rocket": "rocket", "astronaut": "astronaut", "moon": "moon"}
    shown |= {"camera": "cameraman", "retina": "retina", "brick": "brick", "coins": "coins"}
    shown |= {"stereo_motorcycle": "motorcycle"}
    for name, said in shown.items():
        row = re.search(rf"^\| {said}.*?\| (.*?) \|", credits, re.M)
        sources = [path for path in chapters.chapters() if re.search(rf'["\'.]{name}\b', path.read_text())]
        numbers = {int(path.stem[:2]) for path in sources}
        assert row and numbers <= set(map(int, re.findall(r"\d+", row[1]))), name


def test_the_licence_and_the_credits_say_that_there_are_exceptions():
    assert "credits.md" in (build.ROOT / "LICENSE-book").read_text().split("====")[0]
