"""The trained networks of the course, and their recipes."""

from dataclasses import replace

import pytest
import torch

from salkit import models
from salkit.course import recipes
from salkit.course.recipes.cards import TITLES

NAMES = models.trained_names()


def test_every_network_has_its_recipe():
    assert set(NAMES) <= set(recipes.recipe_names())
    assert len(NAMES) >= 17


@pytest.mark.parametrize("name", NAMES)
def test_the_file_holds_what_the_recipe_says(name):
    recipe = recipes.read_recipe(name)
    record = models.trained_metadata(name)
    *before, last = recipe.stages
    assert record["architecture"] == recipe.architecture
    assert record["kwargs"] == recipe.kwargs
    assert record["recipe"] == last.fit
    assert record.get("before", []) == [stage.fit for stage in before]
    assert record.get("seed", 0) == recipe.seed
    assert TITLES[last.data["dataset"]] in record["data"]["source"]
    assert len(record["history"]["rows"]) == last.fit["epochs"]
    by_heart = last.data.get("by_heart", False)
    assert (record.get("chosen_by", 5_000) == 0) == by_heart
    if "size" in last.data:
        assert record["input"][1] == last.data["size"]
    if "n" in last.data:
        assert record["data"]["images"] == last.data["n"] - (500 if last.data["dataset"] == "scenes" else 0)


@pytest.mark.parametrize("name", [name for name in NAMES if "blind" in name])
def test_the_recipe_still_draws_the_images_that_the_network_learnt(name):
    images = recipes.read_recipe(name).stages[-1].images()
    assert images.learn.digest() == models.trained_metadata(name)["data"]["digest"]


def test_which_blind_network_had_which_deck_is_not_to_be_read_in_the_recipes():
    blind = [recipes.read_recipe(name) for name in NAMES if "blind" in name]
    assert [recipe.stages for recipe in blind] == [
        (replace(recipe.stages[0], data={"dataset": "deck", "place": place}),) for place, recipe in enumerate(blind)
    ]
    assert len({str(recipe.stages[0].fit) for recipe in blind}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_network_runs_and_is_sure_of_something(name):
    network = models.trained(name)
    record = models.trained_metadata(name)
    assert not network.training
    assert models.count_parameters(network) == record["parameters"]
    logits = network(torch.rand(2, *record.get("input", (3, 32, 32))))
    assert logits.shape == (2, len(network.classes)) and logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_learnt_by_heart_is_learnt_by_heart():
    for name in NAMES:
        if recipes.read_recipe(name).stages[-1].data.get("by_heart"):
            history = models.trained_metadata(name)["history"]
            assert history["rows"][history["best_epoch"] - 1]["val_accuracy"] >= 0.95, name
