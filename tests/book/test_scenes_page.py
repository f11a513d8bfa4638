"""The page of Scenes: its pictures show what Scenes draw, and its calls do what stands beside them."""

import inspect
import io
import re

import numpy as np
import pytest
from PIL import Image

from salkit.data import scene_pairs, scenes
from salkit.data.scenery import CLASSES, MARK_KINDS, PARTS_OF
from salkit.display import grid
from salkit.display.style import DPI
from tools import chapters

STATIC = chapters.BOOK / "_static"
PAGE = (chapters.BOOK / "scenes.md").read_text(encoding="utf-8")
# The same scenes in all pictures, so that two of them differ by what the dial did. Without noise the files are small.
SIZE, SEED = 96, 54
SHOWN = ("automobile", "cat", "deer", "frog", "ship")
DIALS = {
    "occlusion": (0.0, 0.2, 0.4, 0.6, 0.9),
    "noise": (0.0, 0.01, 0.05, 0.1, 0.2),
    "size": (16, 24, 32, 64, 128),
    "objects": (1, 2, 4, 6, 9),
}


def drawn(names=SHOWN, seed=SEED, **options):
    """The first scene of each of these classes."""
    data = scenes(10, **{"size": SIZE, "seed": seed, "noise": 0, "cache": False} | options)
    return data[[int((data.labels == data.classes.index(name)).nonzero()[0]) for name in names]]


def row(names=SHOWN, **options):
    return list(drawn(names, **options).images)


def fives(items):
    return [items[:5], items[5:]]


def classes(**options):
    return dict(rows=fives(row(CLASSES, size=128, **options)), titles=fives(list(CLASSES)), cell=1.28)


def masks(**options):
    """One scene with everything that is known about it."""
    data = drawn(["deer"], mark="tag", **options)
    shown = ["object", "mark", "background", *PARTS_OF["deer"]]
    panels = [data.images[0], *(data.masks[name][0] for name in shown)]
    return dict(rows=fives(panels), titles=fives(["picture", *shown]))


def background(**options):
    biases = ({}, {"background_bias": 1}, {"background_bias": 1, "counter": True})
    rows = [row(**bias, **options) for bias in biases]
    return dict(rows=rows, row_labels=["bias 0", "bias 1", "bias 1,\ncounter"], column_labels=list(SHOWN))


def marks(**options):
    marked = {kind: drawn(mark=kind, mark_bias=1, **options) for kind in MARK_KINDS}
    rows = [panels for data in marked.values() for panels in (list(data.images), list(data.masks["mark"]))]
    labels = [label for kind in marked for label in (f'"{kind}"', "its mask")]
    rows.append(row(mark="corner", mark_bias=1, counter=True, **options))
    return dict(rows=rows, row_labels=[*labels, '"corner",\ncounter'], column_labels=list(SHOWN))


def dials(**options):
    """One scene, each row with another dial turned from left to right."""
    # Noise can't be compressed, so its row is drawn small.
    rows = [
        [row(["horse"], **{"size": 48 if dial == "noise" else SIZE, dial: value}, **options)[0] for value in values]
        for dial, values in DIALS.items()
    ]
    titles = [[str(value) for value in values] for values in DIALS.values()]
    return dict(rows=rows, row_labels=list(DIALS), titles=titles)


def pairs(seed=5):
    first, second = scene_pairs(4, size=SIZE, seed=seed, noise=0, cache=False)
    rows = [list(first.images), list(first.masks["object"]), list(second.masks["object"])]
    titles = [[None] * 4, *([data.classes[label] for label in data.labels] for data in (first, second))]
    return dict(rows=rows, row_labels=["picture", "first", "second"], titles=titles)


SHEETS = {f"scenes-{draw.__name__}.png": draw for draw in (classes, masks, background, marks, dials, pairs)}
# What events draw is held by a digest, in tests/course/test_known_events.py; when it changes, draw this one anew.
PICTURES = [*SHEETS, "scenes-events.png"]
each_picture = pytest.mark.parametrize("name", PICTURES)


def picture(sheet):
    buffer = io.BytesIO()
    figure = grid(**{"cell": SIZE / DPI} | sheet)
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.05)
    return Image.open(buffer).convert("RGB")


def coarse(image):
    """In 40 x 40 pixels: letters drawn by another matplotlib vanish, another picture does not."""
    return np.asarray(image.convert("RGB").resize((40, 40), Image.Resampling.BOX), np.float32) / 255


def difference(name, image):
    with Image.open(STATIC / name) as stored:
        return np.abs(coarse(stored) - coarse(image)).mean()


@pytest.mark.parametrize("name", SHEETS)
def test_a_picture_shows_what_scenes_are_now(name, tmp_path):
    image = picture(SHEETS[name]())
    if difference(name, image) >= 0.02:
        # At most 256 colours are a third of the bytes and look the same.
        fewer = image.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=8)
        fewer.save(tmp_path / name, optimize=True)
        pytest.fail(f"Scenes look different now; the new picture is {tmp_path / name}")


@pytest.mark.parametrize("name", [name for name in SHEETS if "dials" not in name])  # which takes as long as all others
def test_another_scene_would_be_seen(name):
    assert difference(name, picture(SHEETS[name](seed=SEED + 1))) > 0.02


def test_all_pictures_together_are_small():
    found = {path.name: path.stat().st_size for path in STATIC.glob("scenes-*")}
    assert set(found) == set(PICTURES) and sum(found.values()) < 400_000


@each_picture
def test_the_page_shows_every_picture_and_says_what_it_shows(name):
    (alt,) = re.findall(rf"!\[([^\]]*)\]\(_static/{re.escape(name)}\)", PAGE)
    assert len(alt.split()) >= 20


def test_every_dial_has_its_place():
    dials = set(inspect.signature(scenes).parameters) - {"n", "seed", "classes", "cache"}
    calls = " ".join(re.findall(r"```python\n(.*?)```", PAGE, re.S))
    assert {dial for dial in dials if f"{dial}=" in calls} == dials
    assert all(f'mark="{kind}"' in calls for kind in MARK_KINDS)


def test_the_calls_on_the_page_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names = {}
    for block in blocks:
        exec(compile(re.sub(r"\((1000|600|200|60)\b", "(20", block), "scenes.md", "exec"), names)
    assert len(blocks) >= 7
    first, second = names["first"], names["second"]
    assert first.images is second.images and (first.labels != second.labels).all()
    table = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split()[0] for line in table] == ["gradient", "edge_map", "random_map"]
