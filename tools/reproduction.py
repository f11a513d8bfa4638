"""Write book/reproduction.md: every experiment of the sources, their figure, ours, and a verdict in a word.

Run as ``python -m tools.reproduction`` after a chapter was executed. It reads the stored notebooks and runs nothing.

Our figures are never typed. A row names a chapter, a section of it, and patterns; what a pattern finds in the chapter's
printed outputs is what stands on the page, and a rule makes the verdict out of it. A pattern that no longer finds
anything is an error that names the row.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from salkit._cache import write_file

from . import chapters, records

PAGE = chapters.BOOK / "reproduction.md"
VERDICTS = ("reproduced", "partly", "not reproduced", "beyond")
NUMBER = r"([-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?: ?%)?)"
INTERVAL = r"([-+]?\d+(?:,\d{3})*(?:\.\d+)?%? \[[^\]]+\])"


@dataclass(frozen=True)
class Row:
    """One experiment.

    Attributes:
        id: as the course numbers it.
        what: the experiment, in words.
        source: what the source reports.
        chapter: the number of the chapter that shows ours, as ``"02"``.
        section: a heading of that chapter.
        finds: what is numbered in order: records, as ``"=B1.hits.edges:.2f"``, in a chapter that has them, or what
            patterns capture; see :func:`find`.
        ours: our figure, with ``{0}`` where the first captured text belongs.
        verdict: a word of ``VERDICTS``, or a rule that makes it out of the captured numbers.
    """

    id: str
    what: str
    source: str
    chapter: str
    section: str
    finds: tuple[str, ...]
    ours: str
    verdict: str | Callable[[list[float]], str]


class NoMatch(Exception):
    """A row's pattern or section is not to be found in its chapter."""


# ----------------------------------------------------------------------------------------------------- the rules


def source_of(number: str) -> Path | None:
    """The source of the chapter with this number; ``None`` where it has no twin yet."""
    found = [path for path in chapters.chapters() if path.stem.startswith(f"{number}-")]
    return found[0] if found and chapters.twin_of(found[0]).exists() else None


@cache
def printed(source: Path) -> str:
    """Everything that a chapter printed, in order: text, tables, the words for a slider; without the marks of bold."""
    texts = []
    for cell in chapters.code_cells(chapters.read_twin(source)):
        for output in cell.outputs:
            data = output.get("data", {})
            texts.append(output.get("text") or data.get("text/markdown") or data.get("text/plain", ""))
    return "\n".join(texts).replace("**", "")


def find(pattern: str, text: str) -> list[str] | None:
    """What a pattern captures where it first fits.

    In a pattern ``#`` stands for a number, ``@`` for a mean with its interval, ``...`` for anything, as little as
    possible and at most 500 characters, and a blank for any blanks, line ends included; the rest is itself, and begins
    where a word does.
    """
    wild = {"#": NUMBER, "@": INTERVAL, "...": r"[\s\S]{0,500}?", " ": r"\s+"}
    pieces = re.findall(r"\.\.\.|#|@| |[^#@ .]+|\.", pattern)
    match = re.search(r"(?<![\w-])" + "".join(wild.get(piece, re.escape(piece)) for piece in pieces), text)
    return list(match.groups()) if match else None


def number(text: str) -> float:
    """``"77.1% [75.0%, 79.2%]"`` -> 77.1"""
    return float(re.match(NUMBER, text.replace("−", "-"))[1].rstrip("% ").replace(",", ""))


def bounds(text: str) -> tuple[float, float]:
    """``"0.02 [-0.00, 0.03]"`` -> (0.0, 0.03)"""
    low, high = re.search(r"\[(.+)\]", text)[1].split(", ")
    return number(low), number(high)


def figures(row: Row) -> list[str]:
    """What the row's patterns capture in its chapter's stored outputs.

    Raises:
        NoMatch: a pattern fits nowhere, or there is no such section.
    """
    source = source_of(row.chapter)
    if source is None:
        raise NoMatch(f"{row.id}: chapter {row.chapter} has not been executed")
    if not re.search(rf"^##+ {re.escape(row.section)}$", source.read_text(encoding="utf-8"), re.M):
        raise NoMatch(f"{row.id}: chapter {row.chapter} has no section {row.section!r}")
    captured = []
    tree, _ = records.stored(chapters.read_twin(source))
    for pattern in row.finds:
        if pattern.startswith("="):
            captured.append(_recorded(row, pattern[1:], tree))
            continue
        found = find(pattern, printed(source))
        if found is None:
            raise NoMatch(f"{row.id}: nothing that chapter {row.chapter} printed fits {pattern!r}")
        captured += found
    return captured


def _recorded(row: Row, marker: str, tree: dict) -> str:
    """A record as it stands on the page, with its interval: ``0.83 [0.79, 0.87]``."""
    try:
        parts = [records.shown(marker, tree)]
        expression, _, spec = marker.partition(":")
        if "low" in records.parts(expression, tree):
            parts.append(records.shown(f"{expression}.interval:{spec}", tree))
    except records.ExpressionError as error:
        raise NoMatch(f"{row.id}: chapter {row.chapter}: {error}") from None
    return " ".join(parts)


def anchor(heading: str) -> str:
    """The address of a heading on its page, as MyST makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def line(row: Row) -> str:
    """The row of the table."""
    captured = figures(row)
    verdict = row.verdict if isinstance(row.verdict, str) else row.verdict(captured)
    if verdict not in VERDICTS:
        raise ValueError(f"{row.id}: {verdict!r} is no verdict")
    source = source_of(row.chapter)
    place = f"{chapters.twin_of(source).name}#{anchor(row.section)}"
    return f"| [{row.id}]({place}) | **{verdict}** | {row.what} | {row.source} | {row.ours.format(*captured)} |"


# Rules. Each gets what was captured, as text.


def at_least(*theirs: float) -> Callable[[list[str]], str]:
    """Reproduced if each figure reaches theirs, partly if some do."""

    def rule(captured: list[str]) -> str:
        return graded(number(ours) >= goal for ours, goal in zip(captured, theirs, strict=True))

    return rule


def graded(claims) -> str:
    """Reproduced if all claims hold, not reproduced if none does."""
    claims = list(claims)
    return "reproduced" if all(claims) else "partly" if any(claims) else "not reproduced"


def on_the_object(captured: list[str]) -> str:
    """The three claims on FC, the convolutional networks and EfficientNet."""
    fc, shallow, resnet, efficientnet, _, _ = map(number, captured)
    return graded([fc < min(shallow, resnet, efficientnet), min(shallow, resnet, efficientnet) > 0.5,
                   efficientnet == max(fc, shallow, resnet, efficientnet)])  # fmt: skip


def best_sigma(captured: list[str]) -> str:
    """On each of two networks, the largest of five gains is the third or the fourth, at 10 or at 15 %."""
    gains = [number(text) for text in captured]
    return graded(max(part) in part[2:4] for part in (gains[:5], gains[5:]))


def no_insight(captured: list[str]) -> str:
    """Nothing about the month, but trainings agree."""
    low, high = bounds(captured[0])
    return graded([low <= 0 <= high, number(captured[1]) <= number(captured[2])])


# ------------------------------------------------------------------------------------------------------ the rows

# The sources' keys in the bibliography, each with what it is about.
WU, SHIN, PAUL, HAENEL, MIDHA, BEYOND = (
    "wu2022saliency", "shin2021exploring", "paul2024explainability", "haenel2021sanity", "midha2021visual", "",
)  # fmt: skip
HEADINGS = {
    WU: "A. Four networks and their saliency maps",
    SHIN: "B. SmoothGrad and Grad-CAM, and two sanity checks",
    PAUL: "C. Class images, guided backpropagation, FGSM",
    HAENEL: "D. Networks that learnt nonsense, and a forecast",
    MIDHA: "E. Occlusion, CAM, deconvolution",
    BEYOND: "Beyond all five",
}
SIGMAS = (2, 5, 10, 15, 30)


ROWS: dict[str, list[Row]] = {
    WU: [
        Row(
            "A1",
            "fully connected network",
            "4,889,834 parameters; validation accuracy 53.64 %",
            "01",
            "Four trained networks",
            ("=A5.parameters.fc", "=A5.accuracy.fc:.2%"),
            "{0} parameters; test accuracy {1}",
            at_least(4_889_834, 53.64),
        ),
        Row(
            "A2",
            "shallow CNN; its three convolutions have no activation between them",
            "2,131,530; 65.54 %",
            "01",
            "Four trained networks",
            ("=A5.parameters.shallow_cnn", "=A5.accuracy.shallow_cnn:.2%", "=A2.largest_difference:.0e"),
            "{0}; {1}. The three convolutions are one linear map, to {2}",
            lambda c: at_least(2_131_530, 65.54)(c[:2]),
        ),
        Row(
            "A3",
            "ResNet-18",
            "11,181,642; 71.26 %",
            "01",
            "Four trained networks",
            (
                "=A5.parameters.resnet18",
                "=A5.accuracy.resnet18:.2%",
                "=A3.strides_2_2:.1%",
                "=A3.strides_1_2:.1%",
            ),
            "{0}; {1}. In a short training, strides as they come {2}, adapted {3}",
            lambda c: at_least(11_181_642, 71.26)(c[:2]),
        ),
        Row(
            "A4",
            "EfficientNet-B0",
            "4,020,358; 74.36 %",
            "01",
            "Four trained networks",
            ("=A5.parameters.efficientnet_b0", "=A5.accuracy.efficientnet_b0:.2%"),
            "{0}; {1}",
            at_least(4_020_358, 74.36),
        ),
        Row(
            "A5",
            "table of losses; time to their accuracy",
            "loss 1.3733, 1.0563, 0.8514, 0.7434",
            "01",
            "Four trained networks",
            ("=A5.loss.fc:.4f", "=A5.loss.shallow_cnn:.4f", "=A5.loss.resnet18:.4f", "=A5.loss.efficientnet_b0:.4f"),
            "loss {0}, {1}, {2}, {3}; `benchmarks/training.py` measures the times",
            lambda c: graded(number(x) <= t for x, t in zip(c, (1.3733, 1.0563, 0.8514, 0.7434))),
        ),
        Row(
            "A6",
            "vanilla saliency: the text leaves out the absolute value that the code takes",
            "Figure 2",
            "02",
            "What the sign costs",
            ("=A6.sign.fc.rank:.2f", "=A6.sign.shallow_cnn.rank:.2f"),
            "equal to the code; with and without the absolute value the maps correlate by {0} (FC), {1} (shallow CNN)",
            "reproduced",
        ),
        Row(
            "A7",
            "FC looks at the background, convolutions *mostly* at the object, EfficientNet best",
            "by eye, 4 images",
            "02",
            "Does it look at the object?",
            (
                *(f"=A7.trained.{name}.mass:.2f" for name in ("fc", "shallow_cnn", "resnet18", "efficientnet_b0")),
                "=A7.edges:.2f",
                "=A7.noise:.2f",
            ),
            "share on the object: FC {0}, shallow CNN {1}, ResNet-18 {2}, EfficientNet {3}; edges {4}, random {5}",
            on_the_object,
        ),
        Row(
            "A8",
            "early stopping by patience; proposed: stop when the loss changes by less than a threshold",
            "discussion",
            "01",
            "When to stop",
            ("=A8.stops.patience_3", "=A8.stops.falls_001", "=A8.stops.as_written"),
            "patience 3 stops after epoch {0}, the rule as meant after {1}, as written after {2}",
            lambda c: "partly" if number(c[2]) == 2 else "reproduced",
        ),
        Row(
            "A9",
            "how the map changes through the epochs",
            "future work",
            "02",
            "How a map grows up",
            ("=A9.epochs", "=A9.same.epoch_4:.2f", "=A9.another.epoch_4:.2f"),
            "a slider over {0} epochs; after half of them the correlation with the final map is {1} for the same "
            "image, and {2} for another",
            "beyond",
        ),
    ],
    SHIN: [
        Row(
            "B1",
            "Grad-CAM for two classes of one image",
            "Figure 1",
            "04",
            "Two classes in one picture",
            ("=B1.on_asked.cam_small_cnn:.2f", "=B1.on_other.cam_small_cnn:.2f", "=B1.hits.cam_small_cnn:.2f"),
            "share on the object asked for {0}, on the other {1}; strongest point on the right one {2}",
            lambda c: graded([number(c[0]) > 2 * number(c[1])]),
        ),
        Row(
            "B2",
            "SmoothGrad: sigma of 10 to 15 % works best",
            "Figure 2, by eye",
            "03",
            "Which sigma?",
            tuple(f"=B2.gain.{name}.sigma_{percent}:.1%" for name in ("small_cnn", "resnet18") for percent in SIGMAS),
            "gain in the share on the object over no noise: a small CNN at 2 % {0}, 5 % {1}, 10 % {2}, 15 % {3}, "
            "30 % {4}; ResNet-18 {5}, {6}, {7}, {8}, {9}",
            best_sigma,
        ),
        Row(
            "B3",
            "labels learnt by heart, true and permuted: 200 images of MNIST, AlexNet and VGG-11",
            "epochs 25 and 203, 9 and 68; test accuracy 92.4 and 14.1 %, 94.0 and 14.5 %",
            "08",
            "Did they learn the nonsense?",
            ("# of the source's channels",)
            + tuple(
                f"{name}, {labels} labels: # epochs training, during the epoch #, after it # test @"
                for name in ("AlexNet", "VGG-11")
                for labels in ("true", "permuted")
            ),
            "with {0} of the channels, AlexNet: epochs {1} and {5}; test accuracy {4} and {8}. VGG-11: epochs {9} and "
            "{13}; {12} and {16}",
            lambda c: graded(
                [bounds(c[i])[0] > 60 for i in (4, 12)]
                + [bounds(c[i])[1] < 20 for i in (8, 16)]
                + [number(c[i]) >= 95 for i in (3, 7, 11, 15)]
            ),
        ),
        Row(
            "B4",
            "likeness of the maps under true and permuted labels; VGG-11 lower than AlexNet",
            "SmoothGrad about 0.8, Grad-CAM about 0",
            "08",
            "The chart",
            tuple(
                f"{name} with signs absolute values ... {method} @ (n = #) @"
                for name in ("AlexNet", "VGG-11")
                for method in ("gradient", "SmoothGrad")
            )
            + tuple(
                f"{name} with signs absolute values ... guided backprop @ ... Grad-CAM @"
                for name in ("AlexNet", "VGG-11")
            ),
            "AlexNet: SmoothGrad {3} with signs, {5} without, Grad-CAM {13}; VGG-11: {9}, {11}, {15}",
            lambda c: graded(
                [
                    number(c[5]) >= 0.6,
                    abs(number(c[13])) <= 0.2,
                    number(c[11]) < number(c[5]),
                    abs(number(c[15])) <= 0.2,
                ]
            ),
        ),
        Row(
            "B5",
            "weights randomised from the output down, the class held, 20 images, AlexNet and VGG-11",
            "Figures 5 and 6: SmoothGrad ends closer to zero on VGG-11; Grad-CAM deteriorates more than SmoothGrad, "
            "and only slightly at the classifier",
            "09",
            "The source's two networks",
            tuple(
                f"{name} {method} last layer @ (n = #), all @"
                for name in ("alexnet", "vgg11")
                for method in ("SmoothGrad", "Grad-CAM")
            )
            + ("alexnet SmoothGrad minus Grad-CAM, all random @", "SmoothGrad, AlexNet minus VGG-11, all random @"),
            "all random, without signs: SmoothGrad {2} (AlexNet) and {8} (VGG-11), Grad-CAM {5} and {11}; with the "
            "classifier alone at random, Grad-CAM {3} and {9}",
            lambda c: graded([bounds(c[13])[0] > 0, bounds(c[12])[0] > 0, number(c[3]) > 0.5]),
        ),
        Row(
            "B6",
            "a skewed training set (96 and 82 %), and a balanced one: accuracy against the stereotype",
            "56 and 81 %",
            "11",
            "Retraining",
            (
                "biased same skew @",
                "biased counter-stereotype @",
                "balanced counter-stereotype @",
                "counter-stereotype, balanced minus biased: @",
                "gradient balanced #, biased #, difference @",
            ),
            "same skew {0}; against it {1}, balanced {2}, gained {3}; the gradient's relevance on the background {5}, "
            "balanced {4}",
            lambda c: graded([bounds(c[3])[0] > 0, bounds(c[1])[1] < bounds(c[0])[0], bounds(c[6])[0] > 0]),
        ),
        Row(
            "B7",
            "rank correlation by the formula of rank differences",
            "Appendix D",
            "08",
            "How alike are two maps?",
            ("#, as salkit's and scipy's #, as salkit's and scipy's",),
            "equal to scipy's by ranks, without ties ({0}) and with ({1}); by the formula only without",
            "partly",
        ),
    ],
    PAUL: [
        Row(
            "C1",
            "class images; ResNet-50 performed better, possibly due to its architecture",
            "by eye, three networks",
            "06",
            "Readable for whom?",
            tuple(f"{name}, regularised @" for name in ("shallow_cnn", "resnet18", "efficientnet_b0", "small_cnn")),
            "recognised by other networks: shallow CNN {0}, ResNet-18 {1}, EfficientNet {2}, small CNN {3}",
            "partly",
        ),
        Row(
            "C2",
            "guided backpropagation: only positive gradients at positive inputs",
            "rule and figure",
            "03",
            "Guided backprop and the class",
            ("=C2.classes.resnet18.guided.last:.2f", "=C2.classes.resnet18.gradient.last:.2f"),
            "rule equal to an autograd definition; maps of first and last class correlate by {0} (gradient: {1})",
            "reproduced",
        ),
        Row(
            "C3",
            "saliency maps of cat, dog, bear, monkey, rabbit by four networks",
            "five pages of figures",
            "12",
            "A grid of animals",
            ("# photographs: #", "mobilenet_v2 kind @", "squeezenet1_0 kind @"),
            "the grid for your own folder; on {0} animals of a public sample MobileNetV2 names the kind in {2}, "
            "SqueezeNet in {3}",
            "partly",
        ),
        Row(
            "C4",
            "FGSM at 1/255: goldfish becomes mudpuppy",
            "one image",
            "07",
            "How often, and how sure",
            tuple(f"{name} 1/255: FGSM @" for name in ("fc", "shallow_cnn", "resnet18", "efficientnet_b0"))
            + ("fc 1/255: FGSM ... random signs #",),
            "turned wrong: FC {0}, shallow CNN {1}, ResNet-18 {2}, EfficientNet {3}; by random signs {4} (FC)",
            lambda c: graded(number(x) > 10 * number(c[4]) for x in c[:4]),
        ),
        Row(
            "C5",
            "adversarial examples can often transfer",
            "a sentence",
            "07",
            "Do they fool each other?",
            ("made on FC, tried on the convolutional ones #", "made on those, tried on FC #", "tried on each other #"),
            "FC to convolutional {0}, convolutional to FC {1}, among themselves {2}",
            lambda c: graded(number(x) > 10 for x in c),
        ),
        Row(
            "C6",
            "saliency can be applied to any layer",
            "a sentence",
            "04",
            "Which layer?",
            (
                "=C6.depth.resnet18.gradcam.depth_3:.2f",
                "=C6.depth.resnet18.gradcam.depth_5:.2f",
                "=C6.depth.resnet18.hirescam.depth_1:.2f",
                "=C6.depth.resnet18.gradcam.depth_1:.2f",
            ),
            "of ResNet-18's Grad-CAM {0} lies on the object at layer2, {1} at the last layer; at the first layer {2} "
            "of HiResCAM and {3} of Grad-CAM",
            "reproduced",
        ),
    ],
    HAENEL: [
        Row(
            "D1",
            "CNN with 48, 96 and 192 channels on CIFAR-10; the same with permuted labels",
            "75 %",
            "08",
            "The second source: a small network and photographs",
            ("all, true test accuracy #", "2,000, permuted test accuracy #, own labels #"),
            "test accuracy {0}; with 2,000 permuted labels, of which it knows {2}: {1}",
            lambda c: at_least(75, 95)([c[0], c[2]]),
        ),
        Row(
            "D2",
            "integrated gradients differ strongly under permuted labels; DeepLift is very similar to them",
            "by eye, one image",
            "08",
            "The second source: a small network and photographs",
            (
                "all, true integrated gradients and DeepLift @",
                "integrated gradients both true minus true and permuted: @",
                "DeepLift both true minus true and permuted: @",
                "occlusion both true minus true and permuted: @",
            ),
            "DeepLift and integrated gradients correlate by {0}; what permuting costs beyond another training: "
            "integrated gradients {1}, DeepLift {2}, occlusion {3}",
            lambda c: graded([number(c[0]) > 0.7, bounds(c[1])[0] > 0, bounds(c[2])[0] > 0]),
        ),
        Row(
            "D3",
            "the same on MNIST: integrated gradients only where the digit is written",
            "99 %",
            "08",
            "Digits once more, in one channel",
            ("true labels test accuracy # of #", "integrated gradients: @", "white baseline: @"),
            "test accuracy {0}; share of the map on black pixels {2}, from a white baseline {3}",
            lambda c: graded([number(c[0]) >= 98.5, number(c[2]) == 0]),
        ),
        Row(
            "D4",
            "flights: the network focuses on index 9",
            "Figures 9 to 11",
            "13",
            "Which months does it look at?",
            (
                "integrated gradients index 9 comes first in # of # networks",
                "mixing index 9 comes first in #",
                "share of index 9 in all relevance: @",
            ),
            "first in {0} of {1} trainings by integrated gradients, in {2} by mixing; share of relevance {3}",
            lambda c: graded([number(c[0]) == number(c[1])]),
        ),
        Row(
            "D5",
            "the same month each year, against an untrained network: no insight",
            "by eye",
            "13",
            "The same month, every year",
            ("trained minus untrained @", "two trained networks @", "two untrained ones @"),
            "about the month, trained minus untrained {0}; but two trainings agree by {1}, untrained by {2}",
            no_insight,
        ),
        Row(
            "D6",
            "1-D CNN: saliency positive at index 9, integrated gradients negative",
            "one figure",
            "13",
            "A convolutional network, and a quarrel about a sign",
            ("absolute gradient positive: below # above #", "integrated gradients positive: below # above #"),
            "positive in windows below and above the average: absolute gradient {0} and {1}, "
            "integrated gradients {2} and {3}: the baseline's sign",
            lambda c: graded([number(c[0]) == 100, number(c[2]) == 0]),
        ),
    ],
    MIDHA: [
        Row(
            "E1",
            "a dog on a white background is called a wolf",
            "one photograph",
            "11",
            "The case",
            (
                "validation accuracy @",
                "deer in the usual place: @",
                "deer in the other one's: @",
                "dog in the usual place: @",
                "dog in the other one's: @",
            ),
            "validation {0}; dogs on grass {3}, in the snow {4}",
            lambda c: graded([bounds(c[4])[1] < bounds(c[3])[0]]),
        ),
        Row(
            "E2",
            "occlusion: hiding the object lowers its probability, hiding a competitor raises it *sharply*",
            "Figures, one photograph",
            "05",
            "The competing object, measured",
            (
                "hide the object itself: logit ... probability ... falls by over 0.1 in @",
                "hide its competitor: ... rises by over 0.1 in @",
                "hide its competitor: ... falls by over 0.1 in @",
            ),
            "by over a tenth: object hidden, falls in {0}; competitor hidden, rises in {1}, falls in {2}",
            lambda c: graded([number(c[0]) > 33, bounds(c[1])[0] > bounds(c[2])[1]]),
        ),
        Row(
            "E3",
            "CAM is the score by places; it tells classes apart; it suffers from several instances",
            "Figures",
            "04",
            "Many of a kind",
            (
                "=B1.advantage.cam_small_cnn:.2f",
                "=B1.advantage.cam_resnet18:.2f",
                "=E3.instance.resnet18.object.of_9:.0%",
                "=E3.instance.small_cnn.object.of_9:.0%",
            ),
            "two objects: {0} more on the asked one for a small CNN, {1} for ResNet-18; a pixel of one of nine "
            "instances beats the background in {2} for ResNet-18, in {3} for the small CNN with the same pooling",
            lambda c: graded([bounds(c[0])[0] > 0, number(c[3]) < 60]),
        ),
        Row(
            "E4",
            "deconvolution",
            "Figure",
            "03",
            "Guided backprop and the class",
            ("=C2.classes.resnet18.deconvnet.last:.2f",),
            "maps of the first and the last class correlate by {0}; without max pools it is the same for every picture",
            "reproduced",
        ),
        Row(
            "E5",
            "filters, and feature maps at several depths",
            "Figures",
            "01",
            "A missing piece",
            ("=E5.first", "=E5.last"),
            "first filters: edges and spots; ResNet-18's maps (chapter 4) shrink from {0} to {1} positions a side",
            "reproduced",
        ),
    ],
    BEYOND: [
        Row(
            "Wired by hand",
            "a network whose used pixels are known by construction",
            "not done",
            "10",
            "A network wired by hand",
            ("integrated_gradients @ @", "gradient @ @", "edge_map @ @"),
            "share on the used pixels, and of the highest as many: integrated gradients {0}, {1}; "
            "gradient {2}, {3}; edges {4}, {5}",
            "beyond",
        ),
        Row(
            "Rankings",
            "does a ranking of methods survive another network?",
            "not done",
            "10",
            "A ranking, and what is not in it",
            ("networks A and B, AUC @", "network A, AUC and mass @"),
            "rank correlation of the rankings: two networks {0}; two scores, AUC and mass, {1}",
            "beyond",
        ),
        Row(
            "Proxies",
            "do deletion and insertion agree with the truth?",
            "not done",
            "10",
            "Do the proxies agree with the truth?",
            ("network A, deletion and AUC @", "network A, insertion and AUC @"),
            "rank correlation with the ranking by AUC: deletion {0}, insertion {1}",
            "beyond",
        ),
        Row(
            "Clever Hans",
            "a planted mark, found without being told",
            "not done",
            "11",
            "Clever Hans",
            (
                "Hans minus honest: @",
                "'Hans' says ... as they are @ ... other classes, with the mark @",
                "in the small group: # pictures, # of them marked",
            ),
            "test accuracy changes by {0}; the mark turns {2} of other pictures into its class, {1} without; the "
            "smaller group of maps: {3} pictures, {4} of them marked",
            "beyond",
        ),
        Row(
            "PGD",
            "many small steps where one stalls",
            "not done",
            "07",
            "Many small steps",
            ("efficientnet_b0 FGSM #, PGD #, PGD minus FGSM @",),
            "EfficientNet-B0 at 8/255: FGSM {0}, PGD {1}, the difference {2}",
            "beyond",
        ),
        Row(
            "Defence",
            "training on attacked images, and its price",
            "not done",
            "07",
            "A first defence, and its price",
            ("long, on PGD price, clean accuracy lost @ ... gain, accuracy under PGD @",),
            "clean accuracy lost {0}, accuracy under PGD gained {1}",
            "beyond",
        ),
        Row(
            "Leak",
            "a split at random in place of one by time",
            "not done",
            "13",
            "Spot the mistake",
            ("error on held-out examples @", "by time, as above @"),
            "error {0} thousand passengers at random, {1} by time",
            "beyond",
        ),
        Row(
            "Known events",
            "methods scored on series whose answer is known",
            "not done",
            "13",
            "A series where the answer is known",
            ("occlusion @ (n", "gradient @ (n", "random map @ (n"),
            "relevance on the event: occlusion {0}, gradient {1}, random map {2}",
            "beyond",
        ),
        Row(
            "Baselines",
            "what lies under the thumb",
            "not done",
            "05",
            "A square is not nothing",
            ("black beside the object @ ... on the object @", "image mean beside the object @ ... on the object @"),
            "effect of a square beside and on the object: black {0} and {1}, the image's mean colour {2} and {3}",
            "beyond",
        ),
    ],
}

ELSEWHERE = """\
What none of the sources did. Further: the [referees](referees.md), how far each method is from captum's, and the
[mistakes gallery](mistakes.md), published mistakes with the test that catches each.

"""

TEMPLATE = """\
<!-- Written by python -m tools.reproduction: edit that, not this. -->
# What was reproduced

This course grew out of five student projects. Each row below is an experiment of one of them: what it reported, what
we found when we did it again, and a verdict in a word; its number leads to the section of the chapter. The figures in the column *here* are
taken from the stored outputs of the chapters by a program, with their 95 % intervals where there is one, so they are what the chapters print.

**Reproduced**: we found the same. **Partly**: one claim of several holds, or it holds with a condition. **Not reproduced**:
we found something else. **Beyond**: the source did not do it. None of these words is a judgement of a project:
ours had more time, more images, and theirs to build on.

{verdicts}

{tables}
"""  # noqa: E501


def executed() -> dict[str, list[Row]]:
    """The rows whose chapters have been executed."""
    return {source: [row for row in rows if source_of(row.chapter)] for source, rows in ROWS.items()}


def tables() -> str:
    """A heading and a table for each source."""
    blocks = []
    for source, rows in executed().items():
        by = f"The source: {{cite:t}}`{source}`.\n\n" if source else ELSEWHERE
        head = ["| id | verdict | experiment | the source | here |", "|---|---|---|---|---|"]
        blocks.append(f"## {HEADINGS[source]}\n\n{by}" + "\n".join([*head, *map(line, rows)]))
    return "\n\n".join(blocks)


def page() -> str:
    """The page.

    Raises:
        NoMatch: a pattern or a section of a row is gone.
    """
    body = tables()
    counts = {verdict: len(re.findall(rf"\*\*{verdict}\*\*", body)) for verdict in VERDICTS}
    total = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
    return TEMPLATE.format(verdicts=f"In all: {total}.", tables=body)


def main() -> int:
    try:
        text = page()
    except NoMatch as error:
        print(f"book/reproduction.md stays as it was. {error}", file=sys.stderr)
        return 1
    write_file(PAGE, text)
    print(f"wrote book/{PAGE.name}")
    if missing := sorted({row.chapter for rows in ROWS.values() for row in rows if not source_of(row.chapter)}):
        print(f"without chapters that have not been executed: {', '.join(missing)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
