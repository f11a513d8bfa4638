"""The registry and the cheat sheet say what a map costs: counted here."""

import re
from pathlib import Path

import pytest
import torch
from small_nets import images
from torch import nn

import salkit

CHEAT_SHEET = Path(__file__).parents[2] / "book" / "cheat-sheet.md"


class Counter(nn.Module):
    """A network that counts the rows that go through it, and come back."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, 5)
        self.forwards = self.backwards = 0

    def forward(self, x):
        self.forwards += len(x)
        logits = self.head(self.features(x).mean((2, 3)))
        if logits.requires_grad:
            logits.register_hook(self.count)
        return logits

    def count(self, gradient):
        self.backwards += len(gradient)


def costs_in_the_cheat_sheet():
    rows = re.findall(r"\| \[`(\w+)`\]\(#\w+\) \| (.*?) \|", CHEAT_SHEET.read_text(encoding="utf-8"))
    return {name: (_passes(cost, "f"), _passes(cost, "b")) for name, cost in rows}


def _passes(cost, kind):
    found = re.search(rf"([\d,]+) {kind}\b", cost)
    return int(found[1].replace(",", "")) if found else 0


def test_every_method_has_a_row():
    assert costs_in_the_cheat_sheet().keys() == salkit.METHODS.keys()


@pytest.mark.parametrize("name", [name for name in salkit.METHODS if name != "deeplift"])  # captum works on a copy
@pytest.mark.filterwarnings("ignore")
def test_the_cheat_sheet_counts_right(name):
    torch.manual_seed(0)
    net, x = Counter().eval(), images(n=1, height=32, width=32)
    options = {"layer": "features.1"} if salkit.METHODS[name].finds_layer else {}
    salkit.occlusion(net, x, 2)  # the first large batch of a model tries another order in memory
    net.forwards = net.backwards = 0
    salkit.METHODS[name](net, x, 2, **options)
    assert (net.forwards, net.backwards) == costs_in_the_cheat_sheet()[name]
