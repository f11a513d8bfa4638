"""The page of Scenes: its pictures are what the tool draws, and its calls do what stands beside them."""

import inspect
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from salkit.data import scenes
from salkit.data.scenery import CLASSES, MARK_KINDS
from tools import scenes_page

PAGE = scenes_page.FOLDER.with_name("scenes.md").read_text(encoding="utf-8")
each_picture = pytest.mark.parametrize("name", scenes_page.PICTURES)


def on_disk(name):
    return (scenes_page.FOLDER / name).read_bytes()


def coarse(file):
    """In 40 x 40 pixels: letters drawn by another matplotlib vanish, another picture does not."""
    with Image.open(io.BytesIO(file)) as image:
        small = image.convert("RGB").resize((40, 40), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


@each_picture
def test_a_picture_is_drawn_from_what_scenes_are_now(name):
    with Image.open(scenes_page.FOLDER / name) as image:
        stored = image.text[scenes_page.KEY]
    assert stored == scenes_page.PICTURES[name]().digest(), "out of date: run python -m tools.scenes_page"


@each_picture
def test_a_picture_shows_what_the_tool_draws(name):
    stored, fresh = (coarse(file) for file in (on_disk(name), scenes_page.png(scenes_page.PICTURES[name]())))
    assert np.abs(stored - fresh).mean() < 0.02


def test_another_scene_would_be_seen(monkeypatch):
    before = {name: make() for name, make in scenes_page.PICTURES.items() if name != "scenes-events.png"}
    digests = {name: sheet.digest() for name, sheet in before.items()}
    drawn = coarse(scenes_page.png(before["scenes-masks.png"]))
    monkeypatch.setattr(scenes_page, "scenes", lambda n, seed, **options: scenes(n, seed=seed + 1, **options))
    pairs = scenes_page.scene_pairs
    monkeypatch.setattr(scenes_page, "scene_pairs", lambda n, seed, **options: pairs(n, seed=seed + 1, **options))
    assert all(scenes_page.PICTURES[name]().digest() != digest for name, digest in digests.items())
    assert np.abs(drawn - coarse(scenes_page.png(scenes_page.masks()))).mean() > 0.04


def test_labels_and_series_count_as_well():
    sheet = scenes_page.pairs()
    relabelled = scenes_page.Sheet(sheet.rows, ["a", "b", "c"], titles=sheet.titles)
    series = scenes_page.series()
    moved = series.data[torch.tensor([1, 0, 2])]
    assert relabelled.digest() != sheet.digest()
    assert scenes_page.Series(moved).digest() != series.digest()


def test_all_pictures_together_are_small():
    assert sum(len(on_disk(name)) for name in scenes_page.PICTURES) < 400_000
    found = {path.name for path in scenes_page.FOLDER.glob("scenes-*")}
    assert found == set(scenes_page.PICTURES), "a picture that nothing draws, or one that is missing"


@each_picture
def test_the_page_shows_every_picture_and_says_what_it_shows(name):
    (alt,) = re.findall(rf"!\[([^\]]*)\]\(_static/{re.escape(name)}\)", PAGE)
    assert len(alt.split()) >= 20


def test_every_class_and_every_dial_has_its_place():
    shown = [title for row in scenes_page.each_class().titles for title in row]
    assert sorted(shown) == sorted(CLASSES)
    dials = set(inspect.signature(scenes).parameters) - {"n", "seed", "classes", "cache"}
    calls = " ".join(re.findall(r"```python\n(.*?)```", PAGE, re.S))
    assert {dial for dial in dials if f"{dial}=" in calls} == dials
    assert all(f'mark="{kind}"' in calls for kind in MARK_KINDS)


def test_the_calls_on_the_page_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names = {}
    for block in blocks:
        exec(compile(re.sub(r"\((1000|600)\b", "(20", block), "scenes.md", "exec"), names)
    assert len(blocks) >= 7
    first, second = names["first"], names["second"]
    assert first.images is second.images and (first.labels != second.labels).all()
    table = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split()[0] for line in table] == ["gradient", "edge_map", "random_map"]
