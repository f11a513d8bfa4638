"""The book's fonts, cut out of installed packages while the book is built; none is committed.

The text is set in Source Serif 4 (``fontpkg-source-serif-4``, SIL Open Font License): the letters of European
languages and the signs that prose needs, drawn for the size of text, in the weights from regular to bold. Of the icons'
font of brands, which the theme brings, the pages show GitHub's mark alone.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

PACKAGE = "fontpkg_source_serif_4"
FACES = {"serif.woff2": "SourceSerif4[opsz,wght].ttf", "serif-italic.woff2": "SourceSerif4-Italic[opsz,wght].ttf"}
FOLDER = "_static/fonts"
AXES = {"opsz": 16, "wght": (400, 700)}
LETTERS = [*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x391, 0x3CA), *range(0x2010, 0x2028)]
LETTERS += map(ord, "\u202f‰′″€←↑→↓−√≈≠≤≥✓Šš")
FEATURES = ["kern", "liga", "mark", "ccmp", "locl", "tnum"]
BRANDS = "_static/vendor/fontawesome/webfonts/fa-brands-400"
GITHUB = 0xF09B


def face(name: str = "serif.woff2") -> Path:
    """The package's file from which a face is cut."""
    return Path(str(files(PACKAGE) / "files" / FACES[name]))


def cut(font: TTFont, letters: list[int]) -> TTFont:
    """The font with these letters only."""
    cutter = subset.Subsetter(subset.Options(layout_features=FEATURES, name_IDs=[0, 1, 2, 3, 4, 6, 13, 14]))
    cutter.populate(unicodes=letters)
    cutter.subset(font)
    return font


def save(font: TTFont, path: Path, name: str) -> None:
    """Write a web font, under a name of its own: the licence keeps the old one for the whole font."""
    for record in font["name"].names:
        if record.nameID in (1, 3, 4, 6):
            record.string = name.replace(" ", "") if record.nameID == 6 else name
    font.flavor = "woff2"
    path.parent.mkdir(parents=True, exist_ok=True)
    font.save(path)


def write(html: Path) -> None:
    """Put the fonts into the built pages."""
    for name in FACES:
        letters = cut(TTFont(face(name)), LETTERS)
        save(instancer.instantiateVariableFont(letters, AXES), html / FOLDER / name, "Course Serif")
    brands = html / f"{BRANDS}.ttf"
    if brands.exists():
        save(cut(TTFont(brands), [GITHUB]), brands.with_suffix(".woff2"), "Course Brands")
        brands.unlink()  # for browsers of before 2016
