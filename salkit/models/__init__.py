"""Networks: architectures, checkpoints, and ready-trained weights."""

from .checkpoint import load_checkpoint, load_weights, read_metadata, save_checkpoint
from .nets import (
    ARCHITECTURES,
    Normalize,
    alexnet,
    cnn_48_96_192,
    count_parameters,
    efficientnet_b0,
    fc_net,
    resnet18,
    shallow_cnn,
    small_cnn,
    vgg11,
)
from .zoo import find_trained, imagenet_classes, pretrained, trained, trained_metadata, trained_names

__all__ = [
    "ARCHITECTURES",
    "Normalize",
    "alexnet",
    "cnn_48_96_192",
    "count_parameters",
    "efficientnet_b0",
    "fc_net",
    "find_trained",
    "imagenet_classes",
    "load_checkpoint",
    "load_weights",
    "pretrained",
    "read_metadata",
    "resnet18",
    "save_checkpoint",
    "shallow_cnn",
    "small_cnn",
    "trained",
    "trained_metadata",
    "trained_names",
    "vgg11",
]
