"""Datasets, each a whole split as tensors."""

from ..errors import DataUnavailableError
from .cifar import CIFAR10_CLASSES, cifar10, find_cifar10, get_cifar10
from .course import for_course
from .events import events
from .flights import Flights, flights, windows
from .folders import folder
from .imageset import ImageSet
from .mnist import mnist
from .photos import middle_square, read_photo
from .planted import tint_objects
from .scenes import scene_pairs, scenes

__all__ = [
    "CIFAR10_CLASSES",
    "DataUnavailableError",
    "Flights",
    "ImageSet",
    "cifar10",
    "events",
    "find_cifar10",
    "flights",
    "folder",
    "for_course",
    "get_cifar10",
    "middle_square",
    "mnist",
    "read_photo",
    "scene_pairs",
    "scenes",
    "tint_objects",
    "windows",
]
