"""Does a map depend on what the network learnt? Similarity of maps, and networks whose learning is undone."""

from .randomise import cascade, default_layers, independent, permute_labels
from .similarity import hog_similarity, midranks, spearman, spearman_by_rank_difference, ssim

__all__ = [
    "cascade",
    "default_layers",
    "hog_similarity",
    "independent",
    "midranks",
    "permute_labels",
    "spearman",
    "spearman_by_rank_difference",
    "ssim",
]
