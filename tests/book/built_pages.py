"""Reading a built page."""

from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """A page's ids, the addresses it refers to, its images' alt texts, and what its head says to other programs."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.alts, self.rels, self.properties = set(), [], [], {}, {}
        self._said: str | None = None  # the name of the drawing whose title or description comes next
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        # Buttons of the theme are addressed by "#"; the top of the page is always there.
        self.links += [attributes[key] for key in ("href", "src") if attributes.get(key) not in (None, "#")]
        # The course's mark is decoration: its name stands beside it. So is the one on the button that leads to Colab.
        mark = "logo" in attributes.get("class", "") + attributes.get("src", "")[:80]
        if tag == "img" and not mark:
            self.alts.append((attributes.get("alt") or "", attributes.get("src")))
        # Of the two arrangements of a drawing, the wide one; both say the same.
        if tag == "svg" and attributes.get("class") == "salkit-wide":
            name = attributes.get("aria-labelledby", "").split(" ")[0]
            self.alts.append((attributes.get("aria-label") or "", name))
        if tag in ("title", "desc") and self.alts and attributes.get("id", "").startswith("salkit-"):
            self._said = attributes["id"] if "-wide-" in attributes["id"] else None
        if tag == "link" and "rel" in attributes:
            self.rels[attributes["rel"]] = attributes["href"]
        if tag == "meta":
            self.properties[attributes.get("property") or attributes.get("name")] = attributes.get("content")

    def handle_data(self, data):
        if self._said:
            alt, name = self.alts[-1]
            self.alts[-1] = (f"{alt} {data}".strip(), name)

    def handle_endtag(self, tag):
        if tag in ("title", "desc"):
            self._said = None


@cache
def read(path):
    """A page by its file; each is read once."""
    return Page(path.read_text())


def dead_links(html, name):
    """The links of a page that lead nowhere."""
    page, dead = html / f"{name}.html", []
    for link in read(page).links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.is_file():
            dead.append(f"{link}: no such file")
        elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(target).ids:
            dead.append(f"{link}: no such place")
    return dead
