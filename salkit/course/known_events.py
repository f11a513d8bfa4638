"""Time series in which it is known when the thing happened that decides the class.

Every series holds one event, whose shape is its class, and a few distractors, whose shapes say nothing about it.
All lie on a slow drift with noise. Where each of them is comes along as a mask, so a map over time can be scored.
"""

from __future__ import annotations

import numpy as np
import torch

from ..data import ImageSet
from ..errors import InputError

EVENT_CLASSES = ("bump", "dip", "ripple")

# Each shape is a function of the position within its interval, 0 to 1, with values in [-1, 1].
EVENT_SHAPES = (
    lambda u: np.sin(np.pi * u),
    lambda u: -np.sin(np.pi * u),
    lambda u: np.sin(6 * np.pi * u) * np.sin(np.pi * u),
)
DISTRACTOR_SHAPES = (
    lambda u: 2 * u - 1,  # a ramp that falls back
    lambda u: np.where(u < 0.5, 0.8, -0.8),  # a step up and a step down
    lambda u: np.where(np.abs(u - 0.5) < 0.12, 1.0, 0.0),  # a spike
)


def events(n: int, *, length: int = 128, distractors: int = 2, noise: float = 0.03, seed: int = 0) -> ImageSet:
    """Series of three classes, a bump, a dip or a ripple somewhere among distractors.

    The set is one of pictures that are one pixel high, so that everything made for pictures takes it: training
    (with ``shift=None``, because time does not run backwards), scores, sanity checks. ``events(...).pixels()[:, :, 0]``
    are the series as ``(n, 1, length)`` for a one-dimensional network; a network that starts with
    ``nn.Flatten(1, 2)`` takes the pictures as they are.

    Args:
        n: how many series; the classes take turns, then the series are shuffled.
        length: points in time, at least 16 for each event and distractor.
        distractors: in each series, of shapes drawn alike in every class.
        noise: standard deviation of the noise; an event is 0.15 to 0.3 high and the values lie in [0, 1].
        seed: of everything; the same seed gives the same set on every machine.

    Returns:
        ``(n, 1, 1, length)`` uint8, with the masks ``"event"`` (the interval that decides the class),
        ``"distractor"`` and ``"background"``: ``(n, 1, length)`` bool, disjoint, together everything.

    Raises:
        InputError: a number out of range, or a length with no room for the events.

    Example:
        >>> from salkit import course
        >>> some = course.events(6)
        >>> some.images.shape, some.classes
        (torch.Size([6, 1, 1, 128]), ('bump', 'dip', 'ripple'))
        >>> some.masks["event"].sum((1, 2))  # how long each event is
        tensor([30, 30, 21, 21, 24, 21])
    """
    slots = 1 + distractors
    if n < 1 or distractors < 0 or noise < 0:
        raise InputError(f"n must be at least 1, distractors and noise at least 0, not {n}, {distractors}, {noise}")
    if length < 16 * slots:
        raise InputError(f"length must be at least 16 for each event and distractor, here {16 * slots}, not {length}")
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n) % len(EVENT_CLASSES))
    kinds = generator.integers(len(DISTRACTOR_SHAPES), size=(n, slots))

    # Time is cut into equal slots, each with one interval somewhere inside. The event's slot is drawn.
    slot = length // slots
    width = generator.integers(slot // 2, slot * 3 // 4 + 1, size=(n, slots))
    start = np.arange(slots) * slot + np.floor(generator.random((n, slots)) * (slot - width + 1))
    event_slot = generator.integers(slots, size=n)
    is_event = np.arange(slots) == event_slot[:, None]
    height = generator.uniform(0.15, 0.3, size=(n, slots))

    time = np.arange(length)
    position = (time + 0.5 - start[:, :, None]) / width[:, :, None]  # (n, slots, length)
    inside = (position > 0) & (position < 1)
    shape = np.zeros_like(position)
    for which, shapes, chosen in ((is_event, EVENT_SHAPES, labels[:, None]), (~is_event, DISTRACTOR_SHAPES, kinds)):
        for k, function in enumerate(shapes):
            here = inside & (which & (chosen == k))[:, :, None]
            shape[here] = function(position[here])

    phase, period = generator.random((2, n, 1))
    drift = 0.08 * np.sin(2 * np.pi * (phase + time / length * (0.5 + period)))
    values = 0.5 + drift + (height[:, :, None] * shape).sum(1) + generator.normal(0, noise, size=(n, length))
    # Rounded in double precision, so the last bits of another machine's sine don't show.
    pixels = np.round(values.clip(0, 1) * 255).astype(np.uint8)

    event = (inside & is_event[:, :, None]).any(1)
    distractor = (inside & ~is_event[:, :, None]).any(1)
    masks = {"event": event, "distractor": distractor, "background": ~(event | distractor)}
    return ImageSet(
        images=torch.from_numpy(pixels)[:, None, None],
        labels=torch.from_numpy(labels.astype(np.int64)),
        classes=EVENT_CLASSES,
        masks={name: torch.from_numpy(mask)[:, None] for name, mask in masks.items()},
        source=f"events drawn by salkit, seed {seed}",
    )
