"""Sphinx extension: the laboratory, in which a network runs in the reader's browser.

Its scripts are readable files in ``book/lab``, which the pages get as they are. They lie outside of ``book/_static``,
since every script there is loaded by every page. Beside them come, made while the book is built, each network's file as
a script that holds it as text, and one script with the pictures: a page that was opened from a folder may load scripts
and nothing else. ``{laboratory}`` is the place on a page where a laboratory opens; its content is what stands there
before, or instead where scripts are off.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
from html import escape
from pathlib import Path

import numpy as np
import skimage.data
import torch
from docutils import nodes
from docutils.parsers.rst import directives
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

from salkit import data, models
from salkit.data.scenery import backgrounds, draws
from salkit.models import zoo
from salkit.models.nets import CIFAR10_MEAN, CIFAR10_STD

SOURCE = Path(__file__).resolve().parents[2] / "book" / "lab"
FOLDER = "_lab"
SIZE = 128  # of all pictures: networks that take smaller ones get the mean of each square of pixels
UNTRAINED = "untrained"
# What the laboratory offers, with a title and a word on each. A network that learnt a short cut has its place here.
NETWORKS = {
    "small_cnn": ("Photographs", "learnt from 45,000 photographs of CIFAR-10"),
    "small_cnn_robust": ("Photographs, robust", "learnt from the same, changed to fool it all the while"),
    "scenes-small_cnn_128": ("Scenes", "learnt from 3,000 drawn scenes"),
}
SCENES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "horse", "ship")
PLACES = ("grass", "snow", "water", "city")
PHOTOGRAPHS = {
    # Name: title, columns and rows of the square, by whom.
    "chelsea": ("Chelsea", (75, 0, 300), "Stefan van der Walt, CC0"),
    "rocket": ("Rocket", (150, 0, 427), "SpaceX, public domain"),
    "coffee": ("Coffee", (100, 0, 400), "Rachel Michetti, CC0"),
    "astronaut": ("Astronaut", (70, 0, 300), "NASA, public domain"),
}


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def weights_script(name: str) -> str:
    """The script that brings a network's file into a page, byte by byte as it is stored."""
    content = zoo.find_trained(name).read_bytes()
    return f"Lab.weights({json.dumps(name)}, {json.dumps(text_of(content))});\n"


def networks() -> list[dict]:
    """What a page says of each network before it is loaded."""
    found = []
    for name, (title, words) in NETWORKS.items():
        record = models.trained_metadata(name)
        size = record.get("input", [3, 32, 32])[-1]
        right = f"right on {100 * record['test']['accuracy']:.0f} % of its test pictures"
        about = f"{words}; {right}; sees {size} × {size} pixels"
        file = f"{name}.js"
        one = dict(name=name, title=title, about=about, size=size, file=file, bytes=len(weights_script(name)))
        found.append(one | {"classes": record["classes"]})
    about = "has learnt nothing: its weights are drawn in your browser; sees 32 × 32 pixels"
    classes = list(data.CIFAR10_CLASSES)
    plan = dict(classes=classes, mean=CIFAR10_MEAN, std=CIFAR10_STD)
    found.append(dict(name=UNTRAINED, title="Untrained", about=about, size=32, bytes=0, classes=classes, plan=plan))
    return found


def webp(pixels: np.ndarray) -> str:
    """``(3, H, W)`` uint8 as a WebP of a few kB, in an address."""
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, "webp", quality=90, method=6)
    return "data:image/webp;base64," + text_of(file.getvalue())


def pictures() -> list[dict]:
    """Scenes with the masks of their objects, and photographs without."""
    found = []
    for kind in SCENES:
        scene = data.scenes(1, size=SIZE, seed=7, classes=[kind])
        mask = text_of(np.packbits(scene.masks["object"][0].numpy()).tobytes())
        found.append(dict(name=f"scene-{kind}", title=f"Scene: {kind}", data=webp(scene.images[0].numpy()), mask=mask))
    for name, (title, (left, top, side), by) in PHOTOGRAPHS.items():
        whole = torch.from_numpy(getattr(skimage.data, name)().copy()).permute(2, 0, 1)
        square = data.middle_square(whole[:, top : top + side, left : left + side], SIZE)
        pixels = (square[0] * 255).round().byte().numpy()
        found.append(dict(name=name, title=title, by=by, data=webp(pixels)))
    return found


def places() -> list[dict]:
    """Backgrounds of Scenes without an object, to cover parts of a picture with."""
    kinds = np.array([backgrounds.BACKGROUNDS.index(name) for name in PLACES])
    widths = backgrounds.PLACE_WIDTH, backgrounds.THINGS_WIDTH
    tables = (draws.uniforms(7, stream, 0, len(kinds), width) for stream, width in enumerate(widths))
    drawn = (backgrounds.draw_backgrounds(kinds, *tables, SIZE) * 255).round().astype(np.uint8)
    return [dict(name=name, data=webp(pixels)) for name, pixels in zip(PLACES, drawn)]


def pictures_script() -> str:
    """What can be chosen: networks, pictures, and backgrounds."""
    lists = dict(networks=networks(), pictures=pictures(), backgrounds=places())
    return "".join(f"Lab.{name} = {json.dumps(entries)};\n" for name, entries in lists.items())


class Laboratory(SphinxDirective):
    """The argument says which of the scripts in ``book/lab`` opens there; ``button`` starts it, and says how large its
    first network is."""

    required_arguments = 1
    option_spec = {"button": directives.unchanged_required, "network": directives.unchanged_required}
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["laboratory"] = True
        words = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, words)
        size = len(weights_script(self.options["network"])) / 1e6
        text = f"{escape(self.options['button'])} <small>{size:.1f} MB</small>"
        button = f'<button type="button" class="lab-start">{text}</button>'
        begin = f'<div class="lab" data-lab="{self.arguments[0]}">\n'
        end = f'{button}\n<p class="lab-said" role="status"></p>\n</div>\n'
        return [nodes.raw("", begin, format="html"), *words.children, nodes.raw("", end, format="html")]


def add_start(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    if app.env.metadata.get(pagename, {}).get("laboratory"):
        uri = relative_uri(app.builder.get_target_uri(pagename), f"{FOLDER}/start.js")
        context["body"] += f'<script src="{uri}"></script>\n'


def write(folder: Path) -> None:
    """Put all that the laboratory loads into a folder."""
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    for name in NETWORKS:
        (folder / f"{name}.js").write_text(weights_script(name))
    (folder / "pictures.js").write_text(pictures_script())


def write_laboratory(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        write(Path(app.outdir, FOLDER))


def setup(app: Sphinx) -> dict:
    app.add_directive("laboratory", Laboratory)
    app.connect("html-page-context", add_start)
    app.connect("build-finished", write_laboratory)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
