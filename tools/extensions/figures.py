"""Sphinx extension: a figure is a link to its file, and the figures of cells are stored without loss as WebP.

The link enlarges: `course.js` opens the file over the page, and without scripts the browser opens it. WebP keeps every
pixel of a PNG in about half of the bytes; the notebooks keep their PNGs. The frames of sliders, which lie in a notebook
as text, become files as well.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

# The folder in which MyST-NB puts the images that cells have made.
OUTPUTS = "jupyter_execute"
# The folder of the built book in which the frames of sliders lie.
FRAMES = "_frames"
_FRAME = re.compile(r'<img ([^>]*src=")data:image/(\w+);base64,([A-Za-z0-9+/=]+)("[^>]*>)')


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


def frames_to_files(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """A frame as text takes a third more to load than its file; and those that are hidden can wait: see `course.js`."""

    def with_file(frame: re.Match) -> str:
        before, kind, text, after = frame.groups()
        data = base64.b64decode(text)
        file = Path(app.outdir, FRAMES, f"{hashlib.sha256(data).hexdigest()[:16]}.{kind}")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        address = relative_uri(app.builder.get_target_uri(pagename), f"{FRAMES}/{file.name}")
        lazy = 'loading="lazy" ' if after.endswith(" hidden>") else ""
        return f"<img {lazy}{before}{address}{after}"

    if "body" in context:
        context["body"] = _FRAME.sub(with_file, context["body"])


def setup(app: Sphinx) -> dict:
    # Before Sphinx collects the images of a page, which it does with the priority 500.
    app.connect("doctree-read", shrink_outputs, priority=400)
    app.connect("doctree-resolved", link_to_files)
    app.connect("html-page-context", frames_to_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
