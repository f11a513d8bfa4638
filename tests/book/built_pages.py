"""Reading a built page."""

from functools import cache
from html.parser import HTMLParser


class Page(HTMLParser):
    """A page's ids, the addresses it refers to, its images' alt texts, and what its head says to other programs."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.alts, self.rels, self.properties = set(), [], [], {}, {}
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
        if tag == "link" and "rel" in attributes:
            self.rels[attributes["rel"]] = attributes["href"]
        if tag == "meta":
            self.properties[attributes.get("property") or attributes.get("name")] = attributes.get("content")


@cache
def read(path):
    """A page by its file; each is read once."""
    return Page(path.read_text())
