"""Training, in one function that reads from top to bottom, and what it leans on."""

from .augmentation import augment
from .history import COLUMNS, History
from .loop import evaluate, fit

__all__ = ["COLUMNS", "History", "augment", "evaluate", "fit"]
