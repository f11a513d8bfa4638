"""Small networks for the tests, with everything that trips up attribution code, and a quick call of each method."""

import torch
from torch import nn
from torch.nn import functional as F

from salkit.attribution import METHODS

# What keeps a method quick, and makes a stochastic one draw more than once.
QUICK = {
    "smoothgrad": {"n_samples": 3},
    "integrated_gradients": {"n_steps": 4},
    "occlusion": {"window": 3, "stride": 2},
    "rise": {"n_masks": 7, "cells": 3},
}


def options_of(name):
    """Quick, and with the signs kept."""
    signed = {"relu": False} if METHODS[name].finds_layer and METHODS[name].one_channel else {}
    return {**signed, **QUICK.get(name, {})}


class SmallNet(nn.Module):
    """Convolutions with batch normalisation, in-place and functional rectifiers, dropout, a skip connection."""

    def __init__(self, channels=3, classes=4, inplace=True):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=inplace)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.conv3 = nn.Conv2d(6, 5, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(5, classes)

    def forward(self, x):
        x = self.relu(self.norm(self.conv1(x)))
        x = F.relu(self.conv2(x) + x)
        x = F.relu(self.conv3(x))
        return self.head(self.dropout(self.pool(x).flatten(1)))


def small_net(channels=3, classes=4, inplace=True, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = SmallNet(channels, classes, inplace)
        net.norm.running_mean.uniform_(-0.5, 0.5)
        net.norm.running_var.uniform_(0.5, 2)
    return net


def images(n=3, channels=3, height=6, width=9, seed=1, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, height, width, generator=generator).to(dtype)
