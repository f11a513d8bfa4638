"""Recipes as files: all shipped ones are sound, and what is wrong in one is said in a sentence."""

import json

import pytest
import torch

from salkit.course.recipes import Options, images, read_recipe, recipe_names
from salkit.data import ImageSet
from salkit.errors import InputError

GOOD = {
    "architecture": "resnet18",
    "kwargs": {"strides": [1, 2]},
    "data": {"dataset": "cifar10", "n": 100},
    "stages": [{"fit": {"epochs": 2, "lr": 0.1, "attack": "pgd"}}, {"data": {"dataset": "mnist"}, "fit": {}}],
    "seed": 3,
}


def read(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_recipe(path)


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_is_sound(name):
    recipe = read_recipe(name)
    assert (recipe.name, recipe.file) == (name, f"salkit/course/recipes/{name}.json")
    assert all(stage.fit["epochs"] > 0 for stage in recipe.stages)


def test_a_recipe_is_what_its_file_says(tmp_path):
    recipe = read(tmp_path, GOOD)
    assert (recipe.name, recipe.file, recipe.architecture, recipe.seed) == ("mine", "mine.json", "resnet18", 3)
    assert recipe.kwargs == {"strides": [1, 2]}
    first, second = recipe.stages
    assert first.data == GOOD["data"] and second.data == {"dataset": "mnist"}
    assert first.options() == Options(epochs=2, lr=0.1, attack="pgd") and second.options() == Options()
    assert recipe.with_epochs(7).stages[1].fit == {"epochs": 7} and recipe.with_epochs(7).stages[0] == first


def with_fit(**options):
    return {**GOOD, "stages": [{"fit": options}]}


@pytest.mark.parametrize(
    "content, words",
    [
        ("{", "mine.json is no JSON"),
        ([], "a recipe must be an object, {...}, not []"),
        ({**GOOD, "sede": 1}, "no option of a recipe 'sede', did you mean seed?"),
        ({"architecture": "fc"}, "a recipe needs data and stages"),
        ({**GOOD, "seed": 1.5}, "seed of a recipe must be int, not 1.5"),
        ({**GOOD, "architecture": "resnet81"}, "no architecture 'resnet81', did you mean resnet18?"),
        ({**GOOD, "kwargs": {"stride": [1, 2]}}, "no option of resnet18 'stride', did you mean strides?"),
        ({**GOOD, "kwargs": {"strides": 2}}, "strides of resnet18 must be tuple[int, int], not 2"),
        ({**GOOD, "data": {"dataset": "cifar"}}, "no dataset 'cifar', did you mean cifar10?"),
        ({**GOOD, "data": {}}, "no dataset None; there are cifar10, mnist"),
        ({**GOOD, "data": {"dataset": "scenes"}}, "scenes needs n"),
        ({**GOOD, "data": {"dataset": "cifar10", "load": 1}}, "no option of cifar10 'load'"),
        ({**GOOD, "stages": []}, "there must be one stage at least"),
        ({**GOOD, "stages": [{}]}, "a stage needs fit"),
        ({**GOOD, "stages": [3]}, "a stage must be an object, {...}, not 3"),
        ({**GOOD, "stages": {}}, "stages of a recipe must be list, not {}"),
        ({**GOOD, "data": []}, "data of a recipe must be dict, not []"),
        (with_fit(epoch=3), "no option of fit 'epoch', did you mean epochs?"),
        (with_fit(epochs="3"), 'epochs of fit must be int, not "3"'),
        (with_fit(epochs=True), "epochs of fit must be int, not true"),
        (with_fit(lr=None), "lr of fit must be float, not null"),
        (with_fit(compile=1), "compile of fit must be bool, not 1"),
        (with_fit(device="cpu"), "no option of fit 'device'"),
        (with_fit(attack="fgms"), "attack must be 'pgd', not 'fgms'"),
        (with_fit(optimizer="adam"), "optimizer must be 'sgd' or 'adamw', not 'adam'"),
        (with_fit(schedule="cosine"), "schedule must be 'one_cycle' or 'constant', not 'cosine'"),
        (with_fit(epochs=0), "epochs must be at least 1, not 0"),
        (with_fit(batch_size=0), "batch_size must be at least 1, not 0"),
        (with_fit(lr=0), "lr must be positive, not 0"),
        (with_fit(optimizer="adamw", momentum=1.0), "momentum must be at least 0 and less than 1, not 1.0"),
        (with_fit(weight_decay=-0.1), "weight_decay must be 0 or more, not -0.1"),
        (with_fit(label_smoothing=-0.1), "label_smoothing must be at least 0 and less than 1, not -0.1"),
        (with_fit(clip=0), "the norm to clip at must be positive, not 0"),
        (with_fit(ema=1.0), "the average's decay must be at least 0 and less than 1, not 1.0"),
        (with_fit(shift=-1), "shift must be 0 or more, not -1"),
        (with_fit(cutout=0), "cutout must be at least 1, not 0"),
        (with_fit(shift=None, cutout=3), "cutout needs a shift"),
        (with_fit(patience=0), "patience must be at least 1, not 0"),
        (with_fit(loss_delta=-1), "the loss's delta must be 0 or more, not -1"),
        ({**GOOD, "stages": [{"fit": {}}, {"fit": {"epochs": -2}}]}, "epochs must be at least 1, not -2"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, words):
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert words in str(caught.value) and "mine.json" in str(caught.value)


def test_null_is_allowed_where_fit_takes_none(tmp_path):
    options = dict(shift=None, ema=0.5, clip=1, mixed_precision=None)
    assert read(tmp_path, with_fit(**options)).stages[0].options() == Options(**options)


def test_options_draw_no_random_numbers():
    state = torch.get_rng_state()
    Options(ema=0.9, clip=1.0)
    assert torch.equal(torch.get_rng_state(), state)


def test_unknown_names():
    with pytest.raises(InputError, match="no recipe 'small_cn', did you mean small_cnn"):
        read_recipe("small_cn")
    with pytest.raises(InputError, match="no recipe 'quux'; salkit train --list shows them all"):
        read_recipe("quux")


def numbered(n, *, seed=0):
    """Images that know their own number."""
    pixels = torch.arange(n, dtype=torch.int64)
    pictures = torch.stack([pixels % 256, pixels // 256, pixels * 0], 1).byte()[:, :, None, None].expand(n, 3, 8, 8)
    return ImageSet(pictures.contiguous(), pixels % 10, tuple("abcdefghij"))


def test_photographs_to_learn_to_choose_and_to_test():
    whole = {"train": numbered(600), "test": numbered(30)}
    parts = images.photographs(whole.__getitem__, n=50, validation=100)
    assert [len(part) for part in parts] == [50, 100, 30]
    learnt, chosen = ({tuple(pixel[:, 0, 0].tolist()) for pixel in part.images} for part in parts[:2])
    assert len(learnt) == 50 and len(chosen) == 100 and not learnt & chosen
    assert images.photographs(whole.__getitem__, size=4, validation=100).test.images.shape == (30, 3, 4, 4)

    heart = images.photographs(whole.__getitem__, n=50, validation=100, by_heart=True, permuted=True)
    assert heart.choose is heart.learn and heart.test is whole["test"]
    assert (heart.learn.images == parts.learn.images).all() and not (heart.learn.labels == parts.learn.labels).all()
