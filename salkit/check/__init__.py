"""Exercises that check themselves.

A learner's function goes in, is compared with the reference on fresh random cases, and the
answer is a pass, or a hint that names the likely mistake:

    >>> from salkit import check
    >>> check.saliency(my_saliency)
    Not yet: saliency. You took the maximum over the channels without the absolute value ...

How the hint is found: every exercise knows the usual wrong solutions. If one of them gives
what the learner's function gives, on every case, that was the mistake. Otherwise the hint says
how the answer differs. A new exercise is one more ``Exercise`` in the file of its subject, and its
name in the list below.
"""

from .exercise import Exercise, Result
from .maps import normalise, relevance_mass, saliency, threshold
from .numbers import accuracy, conv_output_size, count_parameters

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        *(saliency, normalise, threshold, relevance_mass),
        *(count_parameters, conv_output_size, accuracy),
    )
}

__all__ = ["EXERCISES", "Exercise", "Result", *EXERCISES]
