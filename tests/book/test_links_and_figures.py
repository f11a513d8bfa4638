"""In the built pages: every link and anchor, every citation, what every figure says, and the way from page to page."""

import posixpath
import re

import pytest
from built_pages import Page, dead_links, read

from tools import address, build, chapters

PAGES = build.pages()
every_page = pytest.mark.parametrize("name", PAGES)
CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
FILE_NAME = re.compile(r"\S+\.(png|jpe?g|svg|webp)|[0-9a-f_./-]{16,}")
MIN_WORDS = 6


@pytest.mark.parametrize("name", [*PAGES, "search", "genindex", "index"])
def test_every_internal_link_leads_somewhere(html, name):
    assert dead_links(html, name) == []


def test_every_link_between_the_package_and_its_source_leads_somewhere(html):
    sources = [str(path.relative_to(html).with_suffix("")) for path in (html / "_modules").rglob("*.html")]
    assert len(sources) > 30
    assert [dead for name in sources for dead in dead_links(html, name)] == []


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("book/api/")])
def test_a_docstring_is_read_as_it_was_meant(html, name):
    """A colon in the first sentence of "Returns" makes a type of what stands before it; marks may be left over."""
    text = (html / f"{name}.html").read_text(encoding="utf-8").split("<article")[1].split("</article>")[0]
    prose = re.sub(r"<[^>]+>", "", re.sub(r"<(pre|code|script|dt)\b.*?</\1>", "", text, flags=re.S))
    assert "Return type" not in text
    assert not re.search(r"`|::|\*\*|Args:|system-message", prose)


def test_a_dead_link_would_be_seen(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#here"></a><a href="#top"></a><img src="no.png"><h1 id="x"></h1>')
    (tmp_path / "b.html").write_text('<a href="a.html#x"></a><a href="https://example.org/#y"></a>')
    assert len(dead_links(tmp_path, "a")) == 3 and dead_links(tmp_path, "b") == []


def cited():
    """``{key: where}`` over all sources, chapters that are not yet in the book included."""
    found = {}
    for path in sorted(chapters.BOOK.rglob("*.md")):
        for keys in CITE.findall(path.read_text(encoding="utf-8")):
            found |= {key.strip(): path.name for key in keys.split(",")}
    return found


def test_every_citation_resolves_and_every_reference_is_cited():
    listed = re.findall(r"^@\w+\{([^,\s]+),", (chapters.BOOK / "references.bib").read_text(encoding="utf-8"), re.M)
    assert len(set(listed)) == len(listed)
    unknown = {key: where for key, where in cited().items() if key not in listed}
    assert not unknown, f"not in references.bib: {unknown}"
    assert set(listed) - set(cited()) == set(), "in references.bib, and no page cites it"


@every_page
def test_a_citation_leads_to_its_reference(html, name):
    source = (build.ROOT / f"{name}.md").read_text(encoding="utf-8")
    text = (html / f"{name}.html").read_text()
    led = re.findall(r'href="(?:[./]*references\.html)?#(cite-[^"]+)" title="([^"]+)"', text)
    assert bool(led) == bool(CITE.search(source))
    assert {anchor for anchor, _ in led} <= read(html / "book/references.html").ids
    assert len(led) >= sum(len(keys.split(",")) for keys in CITE.findall(source))


def mute(alts):
    """Alt texts, with the place of each image, that say too little: a file's name, or no finding."""
    return [
        (alt, where)
        for alt, where in alts
        if FILE_NAME.fullmatch(alt.strip()) or len(re.findall(r"[^\W\d_]+", alt)) < MIN_WORDS
    ]


@every_page
def test_every_figure_says_what_it_shows(html, name):
    assert mute(read(html / f"{name}.html").alts) == []


def test_a_mute_figure_would_be_seen():
    said = ("The map lies on the dog, not on the grass.", "a.png")
    alts = [said, ("figure-1.png", "b.png"), ("0a1b2c3d4e5f60718293", "c.png"), ("", "d.png"), ("A plot", "e.png")]
    assert mute(alts) == alts[1:]
    page = Page('<img src="x.png"><img alt="Two maps" src="y.png"><img class="logo__image" src="logo.svg">')
    assert page.alts == [("", "x.png"), ("Two maps", "y.png")]


def test_no_two_figures_say_the_same(html):
    seen = {}
    for name in PAGES:
        for alt, src in read(html / f"{name}.html").alts:
            if src.startswith("data:"):
                src = src[-80:]
            # One picture may stand on two pages and then says the same on both.
            assert seen.setdefault(alt, src.split("/")[-1]) == src.split("/")[-1], f"{name}: {alt!r} is said twice"


def test_every_image_of_a_notebook_has_an_alt_text_of_its_own():
    seen = set()
    for source in chapters.chapters():
        for cell in chapters.code_cells(chapters.read_twin(source)):
            kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
            if any(kind.startswith("image/") for kind in kinds):
                alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                assert mute([(alt, source.stem)]) == [] and alt not in seen
                seen.add(alt)


@every_page
def test_a_page_leads_to_the_one_before_and_the_one_after(html, name):
    page, at = read(html / f"{name}.html"), PAGES.index(name)
    for rel, neighbour in (("prev", PAGES[at - 1] if at else None), ("next", (*PAGES, None)[at + 1])):
        link = page.rels.get(rel)
        assert (link and posixpath.normpath(f"{name}/../{link}")) == (neighbour and f"{neighbour}.html")
        assert link is None or page.links.count(link) >= 2, "in the head, and where it can be pressed"


@every_page
def test_a_page_has_an_icon_and_a_card_for_those_who_share_it(html, name):
    page, site = read(html / f"{name}.html"), address.current().pages
    assert (html / name).parent.joinpath(page.rels["icon"]).is_file()
    assert page.rels["canonical"] == page.properties["og:url"] == f"{site}{name}.html"
    card = page.properties["og:image"]
    assert card.startswith(site) and (html / card.removeprefix(site)).is_file()
    for key in ("og:title", "og:description", "og:image:alt"):
        assert page.properties[key].strip(), key


@every_page
def test_a_page_says_which_edition_it_is(html, name):
    assert address.current().edition in (html / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("chapter", [name for name in PAGES if re.match(r"book/\d\d-", name)])
def test_a_chapter_opens_in_colab_at_the_books_version(html, chapter):
    assert f"{address.current().colab}/{chapter}.ipynb" in read(html / f"{chapter}.html").links


@pytest.mark.parametrize("chapter", [name for name in PAGES if re.match(r"book/\d\d-", name)])
def test_a_chapter_leads_to_the_glossary_once_for_each_word(html, chapter):
    text = (html / f"{chapter}.html").read_text()
    uses = re.findall(r'class="glossary-use[^"]*" href="glossary\.html#([^"]+)"', text)
    assert uses and len(set(uses)) == len(uses)
    assert set(uses) <= read(html / "book/glossary.html").ids
