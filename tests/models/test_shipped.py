"""The trained networks that come with the package, and their cards."""

import pytest
import torch

from salkit import models
from tools import checkpoints

NAMES = sorted(checkpoints.RECIPES)


def test_every_recipe_has_its_network():
    assert sorted(models.trained_names()) == NAMES


def test_together_they_are_under_50_megabytes():
    assert sum(path.stat().st_size for path in checkpoints.FOLDER.glob("*.safetensors")) < 50e6


@pytest.mark.parametrize("name", NAMES)
def test_the_file_holds_what_the_recipe_says(name):
    architecture, kwargs, recipe = checkpoints.RECIPES[name]
    record = models.trained_metadata(name)
    assert record["architecture"] == architecture
    assert {key: tuple(v) if isinstance(v, list) else v for key, v in record["kwargs"].items()} == kwargs
    assert record["recipe"] == recipe
    assert "CIFAR-10" in record["data"]["source"]
    assert len(record["history"]["rows"]) == recipe["epochs"]


@pytest.mark.parametrize("name", NAMES)
def test_the_network_runs_and_is_sure_of_something(name):
    network = models.trained(name)
    assert not network.training
    assert models.count_parameters(network) == models.trained_metadata(name)["parameters"]
    logits = network(torch.rand(2, 3, 32, 32))
    assert logits.shape == (2, 10) and logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_card_is_the_one_that_the_record_gives(name):
    card = checkpoints.FOLDER / f"cifar10-{name}.md"
    assert card.read_text(encoding="utf-8") == checkpoints.card(name), "run: python -m tools.checkpoints --cards"
