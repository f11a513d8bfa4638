"""What several exercises draw their cases from."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def random_network(generator: torch.Generator, classes: int = 5) -> nn.Module:
    """A small CNN in evaluation mode whose BatchNorm has statistics of its own, so that train mode shows."""
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, classes),
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        net[1].weight.fill_(1.0)
        net[1].running_mean.copy_(torch.randn(6, generator=generator))
        net[1].running_var.copy_(0.5 + torch.rand(6, generator=generator))
    return net.eval()


def picked(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.gather(1, labels[:, None])[:, 0]
