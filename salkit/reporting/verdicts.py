"""What the numbers of a report allow to say, in careful words.

The thresholds are conventions of this page. They are printed on it, beside the numbers that they judge.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..evaluation import Interval, mean_interval, paired_difference
from .measurements import CONTROLS, CURVES, SIMILARITIES, Measured

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
    curves = measured.curves[kind]
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
    gains = {kind: gain(measured, method, kind) for kind in CURVES}
    better = [kind for kind in CURVES if ends(gains[kind])[0] > 0]
    too = [kind for kind in better if ends(gain(measured, "edge_map", kind))[0] > 0]
    numbers = f"rank correlation {brief(scrambled)}"
    unnoticed = at_least(scrambled, UNNOTICED)
    # What each finding means for the method, whether it was made, and how it is told; the gravest first. Of no images
    # an interval holds NaN, and no comparison with that is true.
    findings = [
        (NO, unnoticed, f"It did not notice that the weights were scrambled ({numbers})."),
        (
            NO,
            at_least(last, UNNOTICED_LAST),
            f"It did not notice that the last layer was scrambled ({brief(last)}), where the classes are told apart.",
        ),
        (
            CARE,
            not scrambled.n,
            "On the scrambled network, or on this one, its maps were constant, so they can't be compared.",
        ),
        (
            CARE,
            scrambled.mean >= PARTLY and not unnoticed,
            f"Scrambling all weights changed its maps only in part ({numbers}).",
        ),
        (
            CARE,
            0 < scrambled.n < n,
            f"In {n - scrambled.n} of {n} images a map was constant and could not be compared.",
        ),
        (
            CARE,
            at_least(other_class, SAME_CLASS),
            f"It draws nearly the same map for the second class ({brief(other_class)}): "
            "it does not say what speaks for this class rather than that.",
        ),
        (
            CARE,
            at_least(edges, LIKE_EDGES),
            f"Its maps resemble an edge detector's ({brief(edges)}), which knows no network.",
        ),
        *(
            (
                CARE,
                ends(gains[kind])[1] < 0,
                f"By {kind} it found the pixels that matter worse than a random map ({brief(gains[kind])}).",
            )
            for kind in CURVES
        ),
        (CARE, not better, "Neither by deletion nor by insertion was it seen to do better than a random map."),
        (
            OPEN,
            scrambled.mean < PARTLY,
            f"Its maps changed when the weights were scrambled ({numbers}), as they must.",
        ),
        (
            OPEN,
            bool(better),
            f"It found the pixels that matter better than a random map, by {' and by '.join(better)}"
            + (f"; so did the edge map, by {' and by '.join(too)}." if too else "."),
        ),
    ]
    made = [(grade, sentence) for grade, holds, sentence in findings if holds]
    return Verdict(method, made[0][0], tuple(sentence for _, sentence in made))
