"""Tensors in, pictures out: normalising for the eye, overlays, grids, charts and static sliders.

Attribution methods return signed, unnormalised maps. Everything that is done to them only to be
looked at is done here, for each map on its own and never for a batch.
"""

from .charts import colours, curves, intervals
from .compose import Thresholded, overlay, pictures, threshold
from .html import Slider, slider
from .normalise import heatmap, raw_range, reduce_channels
from .panels import grid
from .style import Figure
from .tables import Table, table

__all__ = [
    "Figure",
    "Slider",
    "Table",
    "Thresholded",
    "colours",
    "curves",
    "grid",
    "heatmap",
    "intervals",
    "overlay",
    "pictures",
    "raw_range",
    "reduce_channels",
    "slider",
    "table",
    "threshold",
]
