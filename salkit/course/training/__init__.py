"""Training, in one function that reads from top to bottom, and what one hands to it."""

from .augmentation import augment
from .history import COLUMNS, History
from .loop import evaluate, fit
from .parts import Batches, LossDelta, Patience, clipped, moving_average, one_cycle, print_epoch, sgd

__all__ = [
    "COLUMNS",
    "Batches",
    "History",
    "LossDelta",
    "Patience",
    "augment",
    "clipped",
    "evaluate",
    "fit",
    "moving_average",
    "one_cycle",
    "print_epoch",
    "sgd",
]
