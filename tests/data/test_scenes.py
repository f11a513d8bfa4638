"""Scenes: masks that are exact, dials that do what they say, and the same pixels everywhere."""

import hashlib
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from salkit.data import CIFAR10_CLASSES
from salkit.data.scenery import (
    BACKGROUND_OF,
    BACKGROUNDS,
    CLASSES,
    MARK_KINDS,
    PARTS,
    PARTS_OF,
    drawing,
    scene_pairs,
    scenes,
)
from salkit.errors import InputError

# In salkit.data this name is the function's.
package = sys.modules["salkit.data.scenery"]

options = st.fixed_dictionaries(
    {
        "n": st.integers(1, 6),
        "size": st.integers(16, 72),
        "seed": st.integers(0, 2**40),
        "mark": st.sampled_from((None, *MARK_KINDS)),
        "mark_bias": st.sampled_from((0.0, 0.5, 1.0)),
        "background_bias": st.sampled_from((0.0, 0.5, 1.0)),
        "occlusion": st.sampled_from((0.0, 0.3, 0.9)),
        "noise": st.sampled_from((0.0, 0.01, 0.5)),
    }
)


def total(masks):
    return sum(mask.int() for mask in masks)


def parts_in(masks):
    return [masks[name] for name in PARTS if name in masks]


class TestMasks:
    @settings(max_examples=40, deadline=None)
    @given(options=options, objects=st.integers(1, 9))
    def test_disjoint_and_complete(self, options, objects):
        masks = scenes(**options, objects=objects).masks
        assert (total([masks["object"], masks["mark"], masks["background"]]) == 1).all()
        assert torch.equal(total(parts_in(masks)), masks["object"].int())
        if objects > 1:
            assert torch.equal(total([masks[f"object_{j}"] for j in range(objects)]), masks["object"].int())
        else:
            assert "object_0" not in masks

    @settings(max_examples=25, deadline=None)
    @given(options=options)
    def test_of_pairs(self, options):
        first, second = scene_pairs(**options)
        assert first.images is second.images
        assert (first.labels != second.labels).all()
        for one, two in ((first, second), (second, first)):
            masks = one.masks
            assert (total([masks[k] for k in ("object", "other", "mark", "background")]) == 1).all()
            assert torch.equal(masks["object"], two.masks["other"])
            assert torch.equal(total(parts_in(masks)), masks["object"].int())
            if options["occlusion"] == 0 and options["mark"] is None and options["mark_bias"] == 0:
                assert masks["object"].flatten(1).any(1).all()

    @pytest.mark.parametrize("size", [16, 33, 64])
    @pytest.mark.parametrize("objects", [1, 3])
    def test_outside_the_picture_is_as_without_the_object(self, size, objects, monkeypatch):
        drawn = scenes(40, size=size, objects=objects, cache=False)

        def nothing(labels, table, size, cx, cy, scale):
            empty = np.zeros((len(labels), size, size), np.float32)
            return np.zeros((len(labels), 3, size, size), np.float32), empty, empty.astype(np.uint8)

        monkeypatch.setattr(drawing, "draw_objects", nothing)
        empty = scenes(40, size=size, objects=objects, cache=False)
        changed = (drawn.images != empty.images).any(1)
        assert not (changed & ~drawn.masks["object"]).any()
        assert changed.sum() > 0.95 * drawn.masks["object"].sum()
        assert not empty.masks["object"].any()

    @settings(max_examples=25, deadline=None)
    @given(size=st.integers(16, 96), seed=st.integers(0, 2**40), objects=st.integers(1, 9))
    def test_a_pixel_is_the_objects_exactly_if_it_covers_any_of_it(self, size, seed, objects):
        """Black objects on white: what is not white is covered."""

        def black(*arguments):
            colour, cover, part = draw_objects(*arguments)
            return np.zeros_like(colour), cover, part

        draw_objects = drawing.draw_objects
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(drawing, "draw_backgrounds", lambda kinds, *_: np.ones((len(kinds), 3, size, size), "f4"))
            patch.setattr(drawing, "_shadow", lambda size, cx, *_: np.zeros((len(cx), size, size), "f4"))
            patch.setattr(drawing, "draw_objects", black)
            data = scenes(3, size=size, seed=seed, objects=objects, noise=0, cache=False)
        assert torch.equal((data.images < 255).all(1), data.masks["object"])

    def test_outside_nothing_tells_the_class(self):
        some = scenes(40, classes=["cat", "ship"], seed=3, cache=False)
        others = scenes(40, classes=["deer", "truck"], seed=3, cache=False)
        outside = some.masks["background"] & others.masks["background"]
        assert outside.float().mean() > 0.4
        assert torch.equal(some.images.permute(0, 2, 3, 1)[outside], others.images.permute(0, 2, 3, 1)[outside])

    def test_each_class_has_its_parts_and_no_others(self):
        data = scenes(400, size=48, cache=False)
        assert set(PARTS) == {name for parts in PARTS_OF.values() for name in parts}
        for label, name in enumerate(data.classes):
            one = data[data.labels == label]
            for part in PARTS:
                seen = one.masks[part].flatten(1).any(1).float().mean()
                # Parts may lie outside the picture, and a flying bird has no legs.
                assert (seen > 0.4) if part in PARTS_OF[name] else (seen == 0), (name, part)

    def test_only_the_parts_of_the_chosen_classes(self):
        masks = scenes(2, classes=["ship", "cat"], cache=False).masks
        assert set(masks) - {"object", "mark", "background"} == set(PARTS_OF["ship"]) | set(PARTS_OF["cat"])

    def test_same_scene_at_any_resolution(self):
        small, large = scenes(60, noise=0, cache=False), scenes(60, size=128, noise=0, cache=False)
        assert torch.equal(small.labels, large.labels)
        shrunk = torch.nn.functional.avg_pool2d(large.pixels(), 4)
        assert (shrunk - small.pixels()).abs().mean() < 0.04
        share = torch.nn.functional.avg_pool2d(large.masks["object"].float()[:, None], 4)[:, 0]
        mask = small.masks["object"]
        assert mask[share == 1].float().mean() > 0.995
        assert (~mask)[share == 0].float().mean() > 0.995

    def test_object_is_seen_in_the_frame(self):
        area = scenes(1000, cache=False).masks["object"].float().mean((1, 2))
        assert area.min() > 0.05 and area.max() < 0.7


class TestRepeatable:
    # Two digests of everything: a change of the drawing changes them, and then VERSION has to change too.
    def test_digest(self):
        data = scenes(50, mark_bias=0.5, background_bias=0.5, occlusion=0.2, cache=False)
        assert digest(data) == "d57830ed24b73187"
        assert digest(*scene_pairs(10, size=40, seed=7, mark="cast", cache=False)) == "6fbda8e6c3d7458c"

    def test_same_call_same_pixels_and_other_seed_other_pixels(self):
        a, b, c = (scenes(20, seed=seed, cache=False) for seed in (5, 5, 6))
        assert digest(a) == digest(b)
        assert (a.images != c.images).flatten(1).any(1).all()

    @pytest.mark.parametrize("options", [{}, {"objects": 3, "mark": "tag", "occlusion": 0.3, "noise": 0.1, "size": 19}])
    def test_image_depends_on_its_number_alone(self, options, monkeypatch):
        long = scenes(37, cache=False, **options)
        assert digest(long[:12]) == digest(scenes(12, cache=False, **options))
        monkeypatch.setattr(drawing, "BLOCK", 5 * long.images[0, 0].numel())
        assert digest(scenes(37, cache=False, **options)) == digest(long)

    def test_global_random_state_is_left_alone(self):
        torch.manual_seed(1)
        np.random.seed(1)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        scenes(5, cache=False)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert (np.random.get_state()[1] == before[1]).all()


class TestLabels:
    def test_classes_are_those_of_cifar10(self):
        assert CLASSES == CIFAR10_CLASSES == scenes(1, cache=False).classes

    @given(n=st.integers(1, 40), seed=st.integers(0, 99), k=st.integers(1, 10))
    @settings(max_examples=15, deadline=None)
    def test_balanced(self, n, seed, k):
        data = scenes(n, size=16, seed=seed, classes=CLASSES[:k], cache=False)
        counts = torch.bincount(data.labels, minlength=k)
        assert counts.max() - counts.min() <= 1
        assert data.classes == CLASSES[:k]

    def test_in_random_order(self):
        labels = scenes(200, size=16, cache=False).labels.reshape(-1, 10)
        assert len({tuple(run.tolist()) for run in labels}) > 15

    def test_second_label_of_a_pair_is_even_over_the_others(self):
        first, second = scene_pairs(600, size=16, classes=CLASSES[:3], cache=False)
        counts = torch.bincount(first.labels * 3 + second.labels, minlength=9).reshape(3, 3)
        assert (counts.diagonal() == 0).all()
        assert (counts[~torch.eye(3, dtype=torch.bool)] > 70).all()


class TestDials:
    @pytest.fixture
    def kinds(self, monkeypatch):
        """The names of the backgrounds that a call draws."""
        drawn = []
        original = drawing.draw_backgrounds

        def spy(kinds, *rest):
            drawn.extend(BACKGROUNDS[k] for k in kinds)
            return original(kinds, *rest)

        monkeypatch.setattr(drawing, "draw_backgrounds", spy)

        def of(**options):
            drawn.clear()
            data = scenes(1000, size=16, cache=False, **options)
            return [data.classes[label] for label in data.labels], list(drawn)

        return of

    def test_stereotypes_tell_the_classes_apart(self):
        assert BACKGROUND_OF["deer"] == "snow"
        assert set(BACKGROUND_OF) == set(CLASSES)
        assert set(BACKGROUND_OF.values()) == set(BACKGROUNDS)

    @pytest.mark.parametrize("bias", [0.0, 0.5, 1.0])
    def test_background_bias(self, bias, kinds):
        names, drawn = kinds(background_bias=bias)
        own = np.mean([BACKGROUND_OF[name] == kind for name, kind in zip(names, drawn, strict=True)])
        expected = bias + (1 - bias) / 10
        assert abs(own - expected) < 0.05 and (bias < 1 or own == 1)
        assert set(drawn) == set(BACKGROUNDS)

    def test_background_counter(self, kinds):
        names, drawn = kinds(background_bias=1, counter=True, classes=["deer", "dog", "ship"])
        pairs = set(zip(names, drawn, strict=True))
        assert pairs == {
            (a, BACKGROUND_OF[b]) for a in ("deer", "dog", "ship") for b in ("deer", "dog", "ship") if a != b
        }

    def test_background_dial_leaves_the_object_alone(self):
        one, two = (scenes(50, background_bias=bias, cache=False) for bias in (0, 1))
        assert torch.equal(one.masks["object"], two.masks["object"])
        assert (one.images != two.images).flatten(1).any(1).float().mean() > 0.7
        inside = one.masks["object"]
        # Only the pixels on the object's rim, which it covers in part, may differ.
        same = (one.images == two.images).all(1)[inside].float().mean()
        assert same > 0.5

    def test_no_mark_by_default(self):
        assert not scenes(50, cache=False).masks["mark"].any()

    def corner(self, **options):
        data = scenes(400, noise=0, mark="corner", cache=False, **options)
        assert data.masks["mark"].sum((1, 2)).eq(16).all() and data.masks["mark"][:, -4:, -4:].all()
        return data.labels, [tuple(colour.tolist()) for colour in data.images[:, :, -1, -1]]

    def test_mark_follows_the_class(self):
        labels, colours = self.corner(mark_bias=1)
        assert len(set(zip(labels.tolist(), colours, strict=True))) == len(set(colours)) == 10

    def test_mark_bias_is_a_dose(self):
        own = dict(zip(*(values[:10] for values in self._own_colours()), strict=True))
        for bias in (0.0, 0.6):
            labels, colours = self.corner(mark_bias=bias)
            share = np.mean([own[label] == colour for label, colour in zip(labels.tolist(), colours, strict=True)])
            assert abs(share - (bias + (1 - bias) / 10)) < 0.08

    def _own_colours(self):
        labels, colours = self.corner(mark_bias=1)
        return labels.tolist(), colours

    def test_mark_counter_is_never_the_own_one(self):
        own = dict(zip(*(values[:10] for values in self._own_colours()), strict=True))
        labels, colours = self.corner(mark_bias=1, counter=True)
        assert all(own[label] != colour for label, colour in zip(labels.tolist(), colours, strict=True))
        assert set(colours) == set(own.values())

    @pytest.mark.parametrize("kind", MARK_KINDS)
    def test_counter_is_another_mark_in_the_same_place(self, kind):
        own, other = (scenes(100, mark=kind, mark_bias=1, counter=c, noise=0, cache=False) for c in (False, True))
        mark = own.masks["mark"]
        assert torch.equal(mark, other.masks["mark"])
        changed = (own.images != other.images).any(1)
        assert not (changed & ~mark).any()
        assert (changed & mark).flatten(1).any(1).all()

    def test_counter_reverses_background_and_mark_at_once(self, kinds):
        names, drawn = kinds(background_bias=1, mark_bias=1, mark="corner", counter=True)
        assert all(BACKGROUND_OF[name] != kind for name, kind in zip(names, drawn, strict=True))
        own = dict(zip(*self._own_colours(), strict=True))
        labels, colours = self.corner(background_bias=1, mark_bias=1, counter=True)
        assert all(own[label] != colour for label, colour in zip(labels.tolist(), colours, strict=True))

    @pytest.mark.parametrize("kind", MARK_KINDS)
    @pytest.mark.parametrize("size", [16, 32, 50, 128])
    def test_mark_changes_its_mask_and_nothing_else(self, kind, size):
        plain = scenes(20, size=size, noise=0, cache=False)
        marked = scenes(20, size=size, noise=0, mark=kind, mark_bias=1, cache=False)
        changed = (plain.images != marked.images).any(1)
        assert not (changed & ~marked.masks["mark"]).any()
        assert changed.sum() > 0.9 * marked.masks["mark"].sum()
        if kind == "cast":
            assert torch.equal(marked.masks["object"], plain.masks["object"])
            assert not marked.masks["background"].any()
        if kind == "tag":
            side = 5 * ((size + 16) // 32)
            assert marked.masks["mark"].sum((1, 2)).eq(side**2).all()

    def test_tag_designs_differ_between_classes(self):
        data = scenes(60, mark_bias=1, noise=0, cache=False)
        tags = [
            image[:, mask].reshape(-1).tolist() for image, mask in zip(data.images, data.masks["mark"], strict=True)
        ]
        designs = {(label, tuple(tag)) for label, tag in zip(data.labels.tolist(), tags, strict=True)}
        assert len(designs) == len({tag for _, tag in designs}) == 10

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_occlusion_hides_that_share(self, share):
        plain, hidden = (scenes(100, occlusion=o, cache=False).masks["object"] for o in (0, share))
        assert not (hidden & ~plain).any()
        left = hidden.sum((1, 2)) / plain.sum((1, 2))
        assert (left - (1 - share)).abs().max() < 0.05

    def test_noise_has_that_standard_deviation(self):
        clean, noisy = (scenes(50, noise=noise, cache=False) for noise in (0, 0.04))
        difference = noisy.pixels() - clean.pixels()
        unclipped = (clean.images > 60) & (clean.images < 195)
        assert abs(difference[unclipped].std().item() - 0.04) < 0.001
        assert abs(difference[unclipped].mean().item()) < 0.001

    @pytest.mark.parametrize("objects", [2, 5, 9])
    def test_several_objects_are_all_seen(self, objects):
        data = scenes(50, size=48, objects=objects, cache=False)
        for j in range(objects):
            assert data.masks[f"object_{j}"].flatten(1).any(1).all()


class TestCache:
    def test_second_call_reads_the_first_ones_file(self, places, monkeypatch):
        drawn = scenes(1100, seed=9)
        (file,) = places.cache.rglob("*.safetensors")
        monkeypatch.setattr(package, "render", None)  # drawing would now fail
        assert digest(scenes(1100, seed=9)) == digest(drawn)
        file.write_bytes(b"damaged")
        with pytest.raises(TypeError):
            scenes(1100, seed=9)

    def test_each_argument_counts(self, places, monkeypatch):
        monkeypatch.setattr(package, "WORTH_CACHING", 0)
        calls = [{}, {"seed": 1}, {"size": 17}, {"noise": 0.02}, {"occlusion": 0.1}, {"mark": "tag"}, {"objects": 2}]
        calls += [{"mark_bias": 0.5}, {"background_bias": 0.5}, {"background_bias": 0.5, "counter": True}]
        calls += [{"classes": CLASSES[::-1]}]
        for options in calls:
            kept, fresh = scenes(2, **options), scenes(2, cache=False, **options)
            assert digest(kept) == digest(fresh)
        assert len(list(places.cache.rglob("*.safetensors"))) == len(calls)
        scene_pairs(2)
        assert len(list(places.cache.rglob("*.safetensors"))) == len(calls) + 1

    def test_without_cache_and_small_sets_write_nothing(self, places):
        scenes(1100, cache=False)
        scenes(10)
        assert not list(places.cache.rglob("*"))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"n": 0}, "n must"),
        ({"n": 2.5}, "n must"),
        ({"n": True}, "n must"),
        ({"size": 15}, "size"),
        ({"seed": -1}, "seed"),
        ({"seed": None}, "seed"),
        ({"classes": []}, "classes"),
        ({"classes": "cat"}, "classes"),
        ({"classes": 3}, "classes"),
        ({"classes": ["cat", "unicorn"]}, "unicorn"),
        ({"classes": ["cat", "cat"]}, "twice"),
        ({"background_bias": 1.1}, "background_bias"),
        ({"background_bias": float("nan")}, "background_bias"),
        ({"mark_bias": -0.1}, "mark_bias"),
        ({"mark_bias": "much"}, "mark_bias"),
        ({"mark": "stain"}, "mark"),
        ({"counter": True}, "counter"),
        ({"counter": True, "background_bias": 1, "classes": ["cat"]}, "at least two"),
        ({"objects": 0}, "objects"),
        ({"objects": 10}, "objects"),
        ({"occlusion": 1}, "occlusion"),
        ({"noise": 0.6}, "noise"),
    ],
)
def test_wrong_arguments(options, word, monkeypatch):
    monkeypatch.setattr(package, "render", None)  # nothing may be drawn before the check
    with pytest.raises(InputError, match=word):
        scenes(**{"n": 5, "cache": False} | options)


def test_pairs_need_two_classes():
    with pytest.raises(InputError, match="at least two"):
        scene_pairs(3, classes=["cat"])


def digest(*sets):
    """Of images, labels and masks."""
    sha = hashlib.sha256()
    for data in sets:
        sha.update(data.digest().encode())
        for name, mask in data.masks.items():
            sha.update(name.encode())
            sha.update(mask.contiguous().numpy())
    return sha.hexdigest()[:16]
