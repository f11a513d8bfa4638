"""Scores of maps against known answers and against the network itself, and the statistics to report them."""

from .comparison import Case, Comparison, by_deletion, by_insertion, compare, on_mask
from .ground_truth import mask_auc, pointing_game, relevance_mass, relevance_rank
from .perturbation import Curve, deletion, insertion, make_baseline
from .statistics import Interval, mean_interval, paired_difference

__all__ = [
    "Case",
    "Comparison",
    "Curve",
    "Interval",
    "by_deletion",
    "by_insertion",
    "compare",
    "deletion",
    "insertion",
    "make_baseline",
    "mask_auc",
    "mean_interval",
    "on_mask",
    "paired_difference",
    "pointing_game",
    "relevance_mass",
    "relevance_rank",
]
