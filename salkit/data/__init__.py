"""Datasets, each a whole split as tensors."""

from ..errors import DataUnavailableError
from .cifar import CIFAR10_CLASSES, cifar10, find_cifar10, get_cifar10
from .folders import folder
from .handwriting import find_mnist, mnist
from .imageset import ImageSet
from .photos import middle_square, place_back, read_photo
from .scenery import scene_pairs, scenes

__all__ = [
    "CIFAR10_CLASSES",
    "DataUnavailableError",
    "ImageSet",
    "cifar10",
    "find_cifar10",
    "find_mnist",
    "folder",
    "get_cifar10",
    "middle_square",
    "mnist",
    "place_back",
    "read_photo",
    "scene_pairs",
    "scenes",
]
