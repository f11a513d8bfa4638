"""The quizzes as files that Moodle (GIFT) and other systems (QTI 2.1) import, with the explanation of every choice.

Run as ``python -m tools.quizzes``, or ``make quizzes``; it writes ``_build/quizzes/``, two files for each page.
"""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from html import escape
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from . import address, chapters

OUTPUT = chapters.ROOT / "_build" / "quizzes"
CHOICE = re.compile(
    r'<details class="choice( right)?" name="[\w-]+"><summary>(.+?)</summary>\n\n(.+?)\n\n</details>', re.S
)
MARKDOWN = MarkdownIt(options_update={"xhtmlOut": True}).enable("table")
MATHS = re.compile(r"(?<![\\$])\$([^$]+)\$")
BESIDE = re.compile(r"(?<=\]\()(?!https?:|#)([\w/-]+)\.(?:md|ipynb)")

ITEM = """\
<?xml version="1.0" encoding="UTF-8"?>
<assessmentItem xmlns="http://www.imsglobal.org/xsd/imsqti_v2p1" identifier="{name}" title="{title}"
    adaptive="false" timeDependent="false">
  <responseDeclaration identifier="RESPONSE" cardinality="single" baseType="identifier">
    <correctResponse><value>{right}</value></correctResponse>
  </responseDeclaration>
  <outcomeDeclaration identifier="SCORE" cardinality="single" baseType="float">
    <defaultValue><value>0</value></defaultValue>
  </outcomeDeclaration>
  <outcomeDeclaration identifier="FEEDBACK" cardinality="single" baseType="identifier"/>
  <itemBody>
    <div>{text}</div>
    <choiceInteraction responseIdentifier="RESPONSE" shuffle="true" maxChoices="1">
{choices}
    </choiceInteraction>
  </itemBody>
  <responseProcessing>
    <responseCondition>
      <responseIf>
        <match><variable identifier="RESPONSE"/><correct identifier="RESPONSE"/></match>
        <setOutcomeValue identifier="SCORE"><baseValue baseType="float">1</baseValue></setOutcomeValue>
      </responseIf>
    </responseCondition>
    <setOutcomeValue identifier="FEEDBACK"><variable identifier="RESPONSE"/></setOutcomeValue>
  </responseProcessing>
{explanations}
</assessmentItem>
"""
OFFERED = '      <simpleChoice identifier="{name}">{text}</simpleChoice>'
EXPLAINED = '  <modalFeedback outcomeIdentifier="FEEDBACK" identifier="{name}" showHide="show">{text}</modalFeedback>'
MANIFEST = """\
<?xml version="1.0" encoding="UTF-8"?>
<manifest xmlns="http://www.imsglobal.org/xsd/imscp_v1p1" identifier="{name}">
  <metadata><schema>QTIv2.1 Package</schema><schemaversion>1.0.0</schemaversion></metadata>
  <organizations/>
  <resources>
{resources}
  </resources>
</manifest>
"""
RESOURCE = """\
    <resource identifier="{name}" type="imsqti_item_xmlv2p1" href="{name}.xml">
      <file href="{name}.xml"/>
    </resource>"""


class Choice(NamedTuple):
    """An answer that is offered, in Markdown."""

    right: bool
    text: str
    explanation: str


class Question(NamedTuple):
    """A question of a page, in Markdown."""

    title: str
    text: str
    choices: list[Choice]


def pages(book: Path = chapters.BOOK) -> list[Path]:
    """The pages with quizzes."""
    return sorted(book.glob("quiz-*.md"))


def questions(text: str) -> list[Question]:
    """The questions of a page."""
    found = []
    for block in re.split(r"^## ", text, flags=re.M)[1:]:
        title, rest = block.split("\n", 1)
        choices = [Choice(bool(right), words, explained) for right, words, explained in CHOICE.findall(rest)]
        found.append(Question(re.sub(r"^\d+\. ", "", title), rest.split("<details")[0].strip(), choices))
    return found


def html(text: str) -> str:
    r"""Markdown as XHTML on one line; formulas between ``\(`` and ``\)``, which Moodle and MathJax know."""
    here = f"{address.current().pages}book/"
    formulas = MATHS.findall(text)
    # A formula is no Markdown: its place is kept by a letter that stands nowhere else.
    text = BESIDE.sub(rf"{here}\1.html", MATHS.sub("\ue000", text))
    shown = MARKDOWN.render(text).strip().replace("\n", " ")
    for formula in formulas:
        shown = shown.replace("\ue000", rf"\({escape(formula, quote=False)}\)", 1)
    return shown


def gift(name: str, asked: list[Question]) -> str:
    """A page in Moodle's GIFT format, as a category of its own."""
    lines = [f"$CATEGORY: saliency/{name}", ""]
    for question in asked:
        lines.append(f"::{_escaped(question.title)}::[html]{_escaped(html(question.text))}{{")
        for choice in question.choices:
            sign, text = "=" if choice.right else "~", _escaped(html(choice.text))
            lines.append(f"{sign}{text}#{_escaped(html(choice.explanation))}")
        lines += ["}", ""]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """With a backslash before what GIFT reads as its own; before a backslash too, or ``\\nabla`` begins a line."""
    return re.sub(r"([\\~=#{}:])", r"\\\1", text)


def items(name: str, asked: list[Question]) -> dict[str, str]:
    """A page in QTI 2.1: the files of a package, by their names."""
    files = {}
    for number, question in enumerate(asked, 1):
        letters = [chr(ord("A") + i) for i in range(len(question.choices))]
        named = [*zip(letters, question.choices)]
        item = f"{name}-{number:02}"
        files[f"{item}.xml"] = ITEM.format(
            name=item,
            title=escape(question.title),
            right=next(letter for letter, choice in named if choice.right),
            text=html(question.text),
            choices="\n".join(OFFERED.format(name=letter, text=html(choice.text)) for letter, choice in named),
            explanations="\n".join(
                EXPLAINED.format(name=letter, text=html(choice.explanation)) for letter, choice in named
            ),
        )
    resources = "\n".join(RESOURCE.format(name=file.removesuffix(".xml")) for file in files)
    return {"imsmanifest.xml": MANIFEST.format(name=name, resources=resources), **files}


def write(output: Path = OUTPUT, book: Path = chapters.BOOK) -> list[Path]:
    """Write all files anew."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    written = []
    for page in pages(book):
        asked = questions(page.read_text(encoding="utf-8"))
        (output / f"{page.stem}.gift").write_text(gift(page.stem, asked), encoding="utf-8")
        with zipfile.ZipFile(output / f"{page.stem}-qti.zip", "w", zipfile.ZIP_DEFLATED) as package:
            for name, text in items(page.stem, asked).items():
                package.writestr(name, text)
        written += [output / f"{page.stem}.gift", output / f"{page.stem}-qti.zip"]
    return written


def main() -> int:
    for path in write():
        print(f"wrote {path.relative_to(chapters.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
