"""Datasets, each a whole split as tensors."""

from ..errors import DataUnavailableError
from .cifar import CIFAR10_CLASSES, cifar10, find_cifar10, get_cifar10
from .course import for_course
from .events import events
from .flights import Flights, flights, windows
from .imageset import ImageSet
from .mnist import mnist
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
    "for_course",
    "get_cifar10",
    "mnist",
    "scene_pairs",
    "scenes",
    "windows",
]
