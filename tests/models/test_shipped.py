"""The trained networks that come with the package, and their cards."""

import pytest
import torch

from salkit import models
from tools import checkpoints

NAMES = sorted(checkpoints.RECIPES)


def test_every_recipe_has_its_network():
    assert sorted(models.trained_names()) == NAMES


def test_the_package_stays_under_what_the_package_index_takes():
    assert sum(path.stat().st_size for path in checkpoints.FOLDER.glob("*.safetensors")) < 90e6


@pytest.mark.parametrize("name", NAMES)
def test_the_file_holds_what_the_recipe_says(name):
    recipe = checkpoints.RECIPES[name]
    record = models.trained_metadata(name)
    assert record["architecture"] == recipe.architecture
    assert {key: tuple(v) if isinstance(v, list) else v for key, v in record["kwargs"].items()} == recipe.kwargs
    assert record["recipe"] == recipe.fit
    assert record.get("before", []) == [options for _, options in recipe.before]
    assert checkpoints.TITLES[checkpoints.file_of(name).name.split("-")[0]] in record["data"]["source"]
    assert len(record["history"]["rows"]) == recipe.fit["epochs"]


@pytest.mark.parametrize("name", NAMES)
def test_the_network_runs_and_is_sure_of_something(name):
    network = models.trained(name)
    record = models.trained_metadata(name)
    assert not network.training
    assert models.count_parameters(network) == record["parameters"]
    logits = network(torch.rand(2, *record.get("input", (3, 32, 32))))
    assert logits.shape == (2, len(network.classes)) and logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_card_is_the_one_that_the_record_gives(name):
    card = checkpoints.file_of(name, "md")
    assert card.read_text(encoding="utf-8") == checkpoints.card(name), "run: python -m tools.checkpoints --cards"


def test_learnt_by_heart_is_learnt_by_heart():
    for name in NAMES:
        if checkpoints.RECIPES[name].images.func is checkpoints.by_heart:
            history = models.trained_metadata(name)["history"]
            assert history["rows"][history["best_epoch"] - 1]["val_accuracy"] >= 0.95, name
