"""The networks of the course: the four that it compares, and smaller and older ones for experiments.

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
MNIST_MEAN = (0.1307,)
MNIST_STD = (0.3081,)


class Normalize(nn.Module):
    """``(x - mean) / std`` for each channel; ``mean`` and ``std`` are buffers, so there is nothing to train.

    Example:
        >>> import torch
        >>> from salkit import models
        >>> models.Normalize(mean=(0.5,), std=(0.25,))(torch.ones(1, 1, 1, 2))
        tensor([[[[2., 2.]]]])
    """

    def __init__(self, mean, std):
        super().__init__()
        self.mean = nn.Buffer(torch.tensor(mean).view(1, -1, 1, 1))
        self.std = nn.Buffer(torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def _with_normalize(net: nn.Module, mean=CIFAR10_MEAN, std=CIFAR10_STD) -> nn.Sequential:
    return nn.Sequential(OrderedDict(normalize=Normalize(mean, std), net=net))


def _linear_stack(*widths: int) -> list[nn.Module]:
    """Linear layers with a ReLU after each but the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers[:-1]


def fc_net(num_classes: int = 10) -> nn.Sequential:
    """Fully connected network for 3x32x32 images: 3072-1024-1024-512-256-128-32-10 (4,889,834 parameters).

    Example:
        >>> import torch
        >>> from salkit import models
        >>> models.fc_net()(torch.zeros(5, 3, 32, 32)).shape
        torch.Size([5, 10])
    """
    return _with_normalize(
        nn.Sequential(nn.Flatten(), *_linear_stack(3 * 32 * 32, 1024, 1024, 512, 256, 128, 32, num_classes))
    )


def shallow_cnn(num_classes: int = 10, *, relu: bool = False) -> nn.Sequential:
    """Three 3x3 convolutions, one max pool, four linear layers, for 3x32x32 images (2,131,530 parameters).

    Args:
        num_classes: number of logits.
        relu: put a ReLU after every convolution. The network as published has none there,
            so its three convolutions together are one linear map.

    Example:
        >>> from torch import nn
        >>> from salkit import models
        >>> sum(isinstance(layer, nn.ReLU) for layer in models.shallow_cnn().modules())
        3
        >>> sum(isinstance(layer, nn.ReLU) for layer in models.shallow_cnn(relu=True).modules())
        6
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

    Example:
        >>> from salkit import models
        >>> models.count_parameters(models.resnet18(strides=(1, 2)))
        11181642
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

    Example:
        >>> from salkit import models
        >>> models.count_parameters(models.efficientnet_b0())
        4020358
    """
    from torchvision.models import efficientnet_b0 as torchvision_efficientnet_b0

    net = torchvision_efficientnet_b0(
        weights=None, num_classes=num_classes, dropout=dropout, stochastic_depth_prob=stochastic_depth
    )
    net.features[0][0].stride = (strides[0], strides[0])
    depthwise = net.features[2][0].block[1][0]
    depthwise.stride = (strides[1], strides[1])
    return _with_normalize(net)


def small_cnn(num_classes: int = 10, *, width: int = 32, strides: tuple[int, ...] = (1, 2, 1, 2, 1)) -> nn.Sequential:
    """Five 3x3 convolutions with batch normalisation and ReLU, averaged over the grid (539,178 parameters).

    It trains quickly, ends in global average pooling and one linear layer, and takes images of any size from
    8 pixels on; 32 of them become an 8x8 grid.

    Args:
        num_classes: number of logits.
        width: channels of the first convolution; the others have 2, 4, 4 and 8 times as many.
        strides: of the five convolutions. ``(2, 2, 2, 2, 1)`` makes an 8x8 grid of 128 pixels. Strides hold no weights.

    Example:
        >>> import torch
        >>> from salkit import models
        >>> model = models.small_cnn(3, width=8).eval()
        >>> model(torch.zeros(1, 3, 100, 60)).shape  # images of any size
        torch.Size([1, 3])
    """
    channels = [3, *(width * times for times in (1, 2, 4, 4, 8))]
    features: list[nn.Module] = []
    for (before, after), stride in zip(pairwise(channels), strides, strict=True):
        features += [
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
    return _with_normalize(_averaged(nn.Sequential(*features), channels[-1], num_classes))


def cnn_48_96_192(num_classes: int = 10, *, channels: int = 3, size: int = 32) -> nn.Sequential:
    """Three 3x3 convolutions of 48, 96 and 192 channels, pooled after the second and the third, and two linear layers.

    The network of Haenel, Kneifel and Rosseburg's sanity checks (2021): 996,138 parameters for CIFAR-10.

    Args:
        num_classes: number of logits.
        channels: 3, normalised as CIFAR-10, or 1, normalised as MNIST.
        size: height and width of the images; a multiple of 4.

    Example:
        >>> import torch
        >>> from salkit import models
        >>> models.cnn_48_96_192(channels=1, size=28)(torch.zeros(1, 1, 28, 28)).shape
        torch.Size([1, 10])
    """
    net = nn.Sequential(
        OrderedDict(
            features=nn.Sequential(
                *(nn.Conv2d(channels, 48, 3, padding=1), nn.ReLU()),
                *(nn.Conv2d(48, 96, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(96, 192, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            ),
            classifier=nn.Sequential(nn.Flatten(), *_linear_stack(192 * (size // 4) ** 2, 64, num_classes)),
        )
    )
    return _with_normalize(net, MNIST_MEAN, MNIST_STD) if channels == 1 else _with_normalize(net)


def alexnet(num_classes: int = 10) -> nn.Sequential:
    """The convolutions of torchvision's AlexNet, averaged over the grid, and one linear layer (2,472,266 parameters).

    torchvision's own head has 54 of its 57 million weights. For images of at least 63 pixels
    (Krizhevsky, Sutskever, Hinton 2012).

    Example:
        >>> from salkit import models
        >>> models.count_parameters(models.alexnet())
        2472266
    """
    from torchvision.models import alexnet as torchvision_alexnet

    return _with_normalize(_averaged(torchvision_alexnet(weights=None).features, 256, num_classes))


def vgg11(num_classes: int = 10) -> nn.Sequential:
    """The convolutions of torchvision's VGG-11, averaged over the grid, and one linear layer (9,225,610 parameters).

    torchvision's own head has 120 of its 129 million weights. For images of at least 32 pixels
    (Simonyan and Zisserman 2015).

    Example:
        >>> from salkit import models
        >>> models.count_parameters(models.vgg11())
        9225610
    """
    from torchvision.models import vgg11 as torchvision_vgg11

    return _with_normalize(_averaged(torchvision_vgg11(weights=None).features, 512, num_classes))


def _averaged(features: nn.Module, width: int, num_classes: int) -> nn.Sequential:
    """Global average pooling and a linear layer on top of ``features``, which gives ``width`` channels."""
    return nn.Sequential(
        OrderedDict(
            features=features,
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(width, num_classes),
        )
    )


ARCHITECTURES = {
    "fc": fc_net,
    "shallow_cnn": shallow_cnn,
    "resnet18": resnet18,
    "efficientnet_b0": efficientnet_b0,
    "small_cnn": small_cnn,
    "cnn_48_96_192": cnn_48_96_192,
    "alexnet": alexnet,
    "vgg11": vgg11,
}


def count_parameters(model: nn.Module) -> int:
    """Number of trainable and frozen weights; buffers (running statistics, mean and std) don't count.

    Example:
        >>> import torch
        >>> from salkit import models
        >>> # 2 x 3 weights and 3 biases
        >>> models.count_parameters(torch.nn.Linear(2, 3))
        9
    """
    return sum(parameter.numel() for parameter in model.parameters())
