"""What the numbers of a report allow to say, in careful words.

The thresholds are conventions of this page. They are printed on it, beside the numbers that they judge.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..evaluation import Interval, mean_interval, paired_difference
from .measurements import CONTROLS, SIMILARITIES, Measured

UNNOTICED = 0.5  # a rank correlation with the map of the fully scrambled network from which on a method is out,
UNNOTICED_LAST = 0.8  # with that of the network whose last layer is scrambled,
PARTLY = 0.25  # and from which on some of the picture is not about what was learnt
SAME_CLASS = 0.9  # a rank correlation with the map of the second class
LIKE_EDGES = 0.5

NO, CARE, OPEN = "do not use it here", "use with care", "nothing found against it"


@dataclass(frozen=True)
class Verdict:
    """Attributes:
    method: its name.
    grade: ``NO``, ``CARE`` or ``OPEN``.
    reasons: whole sentences, the gravest first.
    """

    method: str
    grade: str
    reasons: tuple[str, ...]


def verdicts(measured: Measured) -> list[Verdict]:
    """One for each method that is no control, the worst first."""
    found = [_verdict(measured, name) for name in measured.methods if name not in CONTROLS]
    return sorted(found, key=lambda verdict: (NO, CARE, OPEN).index(verdict.grade))


def likeness(measured: Measured, kind: str, method: str) -> Interval:
    """Mean rank correlation over the images with its 95 % interval."""
    return mean_interval(measured.similarity[kind][method])


def gain(measured: Measured, method: str, kind: str) -> Interval:
    """By how much the area is better than that of a random map on the same images; over 0 is better."""
    curves = getattr(measured, kind)
    mine, random = curves[method].area, curves["random_map"].area
    return paired_difference(random, mine) if kind == "deletion" else paired_difference(mine, random)


def at_least(interval: Interval, threshold: float) -> bool:
    """Whether the whole interval, or the one value there is, lies at the threshold or above."""
    return ends(interval)[0] >= threshold


def ends(interval: Interval) -> tuple[float, float]:
    """Of one image there is no interval, only its value; of none there is NaN, which no comparison finds true."""
    return (interval.mean, interval.mean) if interval.n < 2 else (interval.low, interval.high)


def brief(interval: Interval) -> str:
    """``0.83 [0.79, 0.88]``, with typographic minus signs; of one image only the value, and a dash of none."""
    if not interval.n:
        return "–"
    text = f"{interval.mean:.2f}" + (f" [{interval.low:.2f}, {interval.high:.2f}]" if interval.n > 1 else "")
    return text.replace("-0.00", "0.00").replace("-", "−")


def _verdict(measured: Measured, method: str) -> Verdict:
    n = len(measured.pictures)
    scrambled, last, other_class, edges = (likeness(measured, kind, method) for kind in SIMILARITIES)
    grave, careful, fine = [], [], []

    numbers = f"rank correlation {brief(scrambled)}"
    if not scrambled.n:
        careful.append("On the scrambled network, or on this one, its maps were constant, so they can't be compared.")
    elif at_least(scrambled, UNNOTICED):
        grave.append(f"It did not notice that the weights were scrambled ({numbers}).")
    elif scrambled.mean >= PARTLY:
        careful.append(f"Scrambling all weights changed its maps only in part ({numbers}).")
    else:
        fine.append(f"Its maps changed when the weights were scrambled ({numbers}), as they must.")
    if at_least(last, UNNOTICED_LAST):
        grave.append(
            f"It did not notice that the last layer was scrambled ({brief(last)}), where the classes are told apart."
        )
    if 0 < scrambled.n < n:
        careful.append(f"In {n - scrambled.n} of {n} images a map was constant and could not be compared.")

    if at_least(other_class, SAME_CLASS):
        careful.append(
            f"It draws nearly the same map for the second class ({brief(other_class)}): "
            "it does not say what speaks for this class rather than that."
        )
    if at_least(edges, LIKE_EDGES):
        careful.append(f"Its maps resemble an edge detector's ({brief(edges)}), which knows no network.")

    better = []
    for kind in ("deletion", "insertion"):
        difference = gain(measured, method, kind)
        low, high = ends(difference)
        if low > 0:
            better.append(kind)
        elif high < 0:
            careful.append(f"By {kind} it found the pixels that matter worse than a random map ({brief(difference)}).")
    if better:
        too = [kind for kind in better if ends(gain(measured, "edge_map", kind))[0] > 0]
        fine.append(
            f"It found the pixels that matter better than a random map, by {' and by '.join(better)}"
            + (f"; so did the edge map, by {' and by '.join(too)}." if too else ".")
        )
    else:
        careful.append("Neither by deletion nor by insertion was it seen to do better than a random map.")

    grade = NO if grave else CARE if careful else OPEN
    return Verdict(method, grade, (*grave, *careful, *fine))
