"""Sphinx extension: the figures of cells, as drawings or as pictures, numbered, and each a link to its file.

A figure of ``salkit.display`` is stored in a notebook as a picture, for GitHub and Colab, and as a drawing: HTML with
SVG, which the page shows inline, so that its letters and lines have the page's font and colours. Other images become
WebP without loss. The link enlarges: `course.js` opens the figure over the page, and without scripts the browser opens
the file. Images in drawings and the frames of sliders, which lie in a notebook as text, become files as well.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
import shutil
from html import escape
from pathlib import Path

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer, load_mime_renders
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

from salkit.course.records import MIME as RECORD
from salkit.display.drawing import MIME

# The folder in which MyST-NB puts the images that cells have made.
OUTPUTS = "jupyter_execute"
# The folder of the built book in which lie the frames of sliders, the images in drawings, and the pictures of those.
FRAMES = "_frames"
SMALL = 3000  # Images of fewer characters stay in the page: a file for each would be slower.

_FRAME = re.compile(r'<(img|image) ([^>]*(?:src|href)=")data:image/(\w+);base64,([A-Za-z0-9+/=]+)("[^>]*>)')
_FALLBACK = re.compile(r'<img class="salkit-fallback"[^>]*>\s*')
_DRAWING = re.compile(r'<div class="salkit-figure" data-figure="(\w+)"(?: data-alt="([^"]*)")?>(.*?)</div>', re.S)
_LINKED = re.compile(r"^figure$", re.I)


class Drawings:
    """How MyST-NB shows a drawing."""

    mime_priority_overrides = [("*", MIME, 1)]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        if data.mime_type != MIME:
            return None
        alt = data.cell_metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        html = data.string.replace('">', f'" data-alt="{escape(alt)}">', 1)
        return [nodes.raw("", html, format="html", classes=["drawing"])]


def drop_records(app: Sphinx, docname: str, source: list[str]) -> None:
    """A caption makes a figure of everything that its cell shows: of records, which show nothing, as well."""
    if app.env.doc2path(docname).endswith(".ipynb") and RECORD in source[0]:
        notebook = json.loads(source[0])
        for cell in notebook["cells"]:
            if "figure" in cell["metadata"].get("mystnb", {}):
                cell["outputs"] = [one for one in cell.get("outputs", []) if RECORD not in one.get("data", {})]
        source[0] = json.dumps(notebook)


def shrink(png: Path) -> Path:
    """Write the image as lossless WebP beside itself.

    Returns:
        the smaller of the two files.
    """
    with Image.open(png) as image:
        opaque = image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255)
        webp = png.with_suffix(".webp")
        (image.convert("RGB") if opaque else image).save(webp, lossless=True, exact=True, method=4)
    return min(webp, png, key=lambda path: path.stat().st_size)


def shrink_outputs(app: Sphinx, doctree: nodes.document) -> None:
    for image in doctree.findall(nodes.image):
        uri = image["uri"]
        if "://" in uri or uri.startswith("data:"):
            continue
        path = Path(app.env.relfn2path(uri)[1])
        if OUTPUTS in path.parts and path.suffix == ".png" and path.is_file():
            image["uri"] = uri.removesuffix(".png") + shrink(path).suffix


def link_drawings(app: Sphinx, doctree: nodes.document) -> None:
    """A drawing is a link to the picture that its cell has stored beside it."""
    for drawing in doctree.findall(lambda node: isinstance(node, nodes.raw) and "drawing" in node["classes"]):
        bundle = drawing.parent.parent
        for image in bundle.findall(nodes.image):
            picture = Path(app.env.relfn2path(image["uri"])[1])
            stored = Path(app.outdir, FRAMES, picture.name[:16] + picture.suffix)
            stored.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, stored)
            address = relative_uri(app.builder.get_target_uri(app.env.docname), f"{FRAMES}/{stored.name}")
            text = f'<a class="enlarge reference internal" href="{address}">{drawing.astext()}</a>'
            drawing.replace_self(nodes.raw("", text, format="html", classes=drawing["classes"]))
            break


def link_to_files(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if app.builder.format != "html":
        return
    for image in list(doctree.findall(nodes.image)):
        if image["uri"] in app.env.images and not isinstance(image.parent, nodes.reference):
            name = app.env.images[image["uri"]][1]
            uri = relative_uri(app.builder.get_target_uri(docname), f"{app.builder.imagedir}/{name}")
            link = nodes.reference("", "", internal=True, refuri=uri, classes=["enlarge"])
            image.replace_self(link)
            link.append(image)


def number_links(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """``[figure](#votes)`` reads well in a notebook; in the book it says which one: Figure 4.3."""
    for link in doctree.findall(nodes.reference):
        page, _, anchor = link.get("refuri", f"#{link.get('refid', '')}").partition("#")
        target = posixpath.normpath(posixpath.join(docname, "..", page)).removesuffix(".html") if page else docname
        number = app.env.toc_fignumbers.get(target, {}).get("figure", {}).get(anchor)
        if number and _LINKED.match(link.astext()):
            link.clear()
            link += nodes.Text(app.config.numfig_format["figure"] % ".".join(map(str, number)))


def label_drawings(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Each drawing of a page has names of its own inside, and says what it shows to those who don't see it."""
    number = 0

    def labelled(found: re.Match) -> str:
        nonlocal number
        number += 1
        digest, alt, html = found.groups()
        html = html.replace(f"salkit-{digest}-", f"salkit-{number}-")
        if alt:
            first, *rest = re.split(r"(?<=[.?!]) ", alt, maxsplit=1)
            for name in ("wide", "narrow"):
                tags = [("title", first), *(("desc", text) for text in rest)]
                ids = " ".join(f"salkit-{number}-{name}-{tag}" for tag, _ in tags)
                html = re.sub(
                    rf'<svg class="salkit-{name}"([^>]*)>',
                    lambda svg: (
                        f'<svg class="salkit-{name}" role="img" aria-labelledby="{ids}"{svg[1]}>'  # noqa: B023
                        + "".join(f'<{tag} id="salkit-{number}-{name}-{tag}">{text}</{tag}>' for tag, text in tags)  # noqa: B023
                    ),
                    html,
                )
        return f'<div class="salkit-figure">{html}</div>'

    if "body" in context:
        context["body"] = _DRAWING.sub(labelled, _FALLBACK.sub("", context["body"]))


def frames_to_files(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """A frame as text takes a third more to load than its file; and those that are hidden can wait: see `course.js`."""

    def with_file(frame: re.Match) -> str:
        tag, before, kind, text, after = frame.groups()
        if tag == "image" and len(text) < SMALL:
            return frame[0]
        data = base64.b64decode(text)
        file = Path(app.outdir, FRAMES, f"{hashlib.sha256(data).hexdigest()[:16]}.{kind}")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        address = relative_uri(app.builder.get_target_uri(pagename), f"{FRAMES}/{file.name}")
        lazy = 'loading="lazy" ' if after.endswith(" hidden>") else ""
        return f"<{tag} {lazy}{before}{address}{after}"

    if "body" in context:
        context["body"] = _FRAME.sub(with_file, context["body"])


def setup(app: Sphinx) -> dict:
    if Drawings not in load_mime_renders():  # MyST-NB finds them among installed packages only.
        load_mime_renders().append(Drawings)
    app.connect("source-read", drop_records)
    # Before Sphinx collects the images of a page, which it does with the priority 500.
    app.connect("doctree-read", shrink_outputs, priority=400)
    app.connect("doctree-read", link_drawings, priority=410)
    app.connect("doctree-resolved", link_to_files)
    app.connect("doctree-resolved", number_links)
    app.connect("html-page-context", label_drawings)
    app.connect("html-page-context", frames_to_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
