"""The networks of the course: the four that it compares, and a small one for experiments.

All take images in [0, 1]: the first layer normalises, so nobody passes mean and
standard deviation around. All give one logit for each class, never a softmax.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)


class Normalize(nn.Module):
    """``(x - mean) / std`` for each channel; ``mean`` and ``std`` are buffers, so there is nothing to train."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def _with_normalize(net: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(normalize=Normalize(CIFAR10_MEAN, CIFAR10_STD), net=net))


def _linear_stack(*widths: int) -> list[nn.Module]:
    """Linear layers with a ReLU after each but the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers[:-1]


def fc_net(num_classes: int = 10) -> nn.Sequential:
    """Fully connected network for 3x32x32 images: 3072-1024-1024-512-256-128-32-10 (4,889,834 parameters)."""
    return _with_normalize(
        nn.Sequential(nn.Flatten(), *_linear_stack(3 * 32 * 32, 1024, 1024, 512, 256, 128, 32, num_classes))
    )


def shallow_cnn(num_classes: int = 10, *, relu: bool = False) -> nn.Sequential:
    """Three 3x3 convolutions, one max pool, four linear layers, for 3x32x32 images (2,131,530 parameters).

    Args:
        num_classes: number of logits.
        relu: put a ReLU after every convolution. The network as published has none there,
            so its three convolutions together are one linear map.
    """
    convolutions: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        convolutions.append(nn.Conv2d(before, after, 3, padding=1))
        if relu:
            convolutions.append(nn.ReLU())
    return _with_normalize(
        nn.Sequential(
            OrderedDict(
                features=nn.Sequential(*convolutions, nn.MaxPool2d(2)),
                classifier=nn.Sequential(nn.Flatten(), *_linear_stack(64 * 16 * 16, 128, 64, 32, num_classes)),
            )
        )
    )


def resnet18(num_classes: int = 10, *, strides: tuple[int, int] = (2, 2)) -> nn.Sequential:
    """torchvision's ResNet-18 from scratch (11,181,642 parameters with 10 classes; He et al. 2016).

    Args:
        num_classes: number of logits.
        strides: of the first convolution and of the max pool. torchvision's ``(2, 2)`` is made for
            224-pixel images and leaves 8x8 of a 32-pixel one before the first block; ``(1, 2)`` leaves 16x16.
            Strides hold no weights, so the parameter count does not change.
    """
    from torchvision.models import resnet18 as torchvision_resnet18

    net = torchvision_resnet18(weights=None, num_classes=num_classes)
    net.conv1.stride = (strides[0], strides[0])
    net.maxpool.stride = strides[1]
    return _with_normalize(net)


def efficientnet_b0(
    num_classes: int = 10,
    *,
    strides: tuple[int, int] = (2, 2),
    dropout: float = 0.2,
    stochastic_depth: float = 0.2,
) -> nn.Sequential:
    """torchvision's EfficientNet-B0 from scratch (4,020,358 parameters with 10 classes; Tan and Le 2019).

    Args:
        num_classes: number of logits.
        strides: of the stem and of the second stage; torchvision's ``(2, 2)`` is made for 224-pixel images.
        dropout: before the last layer; torchvision's value by default.
        stochastic_depth: highest probability to skip a block in training; torchvision's value by default.
    """
    from torchvision.models import efficientnet_b0 as torchvision_efficientnet_b0

    net = torchvision_efficientnet_b0(
        weights=None, num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth
    )
    net.features[0][0].stride = (strides[0], strides[0])
    depthwise = net.features[2][0].block[1][0]
    depthwise.stride = (strides[1], strides[1])
    return _with_normalize(net)


def small_cnn(num_classes: int = 10) -> nn.Sequential:
    """Five 3x3 convolutions with batch normalisation and ReLU, averaged over the grid (539,178 parameters).

    It trains quickly, ends in global average pooling and one linear layer, and takes images of any size from
    8 pixels on; 32 of them become an 8x8 grid.
    """
    features: list[nn.Module] = []
    for before, after, stride in ((3, 32, 1), (32, 64, 2), (64, 128, 1), (128, 128, 2), (128, 256, 1)):
        features += [
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
    return _with_normalize(
        nn.Sequential(
            OrderedDict(
                features=nn.Sequential(*features),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(256, num_classes),
            )
        )
    )


ARCHITECTURES = {
    "fc": fc_net,
    "shallow_cnn": shallow_cnn,
    "resnet18": resnet18,
    "efficientnet_b0": efficientnet_b0,
    "small_cnn": small_cnn,
}


def count_parameters(model: nn.Module) -> int:
    """Number of trainable and frozen weights; buffers (running statistics, mean and std) don't count."""
    return sum(parameter.numel() for parameter in model.parameters())
