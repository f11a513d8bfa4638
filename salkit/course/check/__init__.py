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

from . import mistakes
from .attacks import fgsm, project, success_rate
from .bias import clean_network, flip_rate, worst_group_accuracy
from .cams import cam, gradcam, pointing_game
from .classimages import ascent_step, total_variation, undo_jitter
from .covering import number_of_windows, occlusion_map, score_drop
from .exercise import Exercise, Result
from .labels import bootstrap_interval, rank_correlation, same_question
from .maps import normalise, relevance_mass, saliency, threshold
from .numbers import accuracy, conv_output_size, count_parameters
from .photos import group_probability, middle_square, placed_back
from .series import cut_windows, naive_error, scale_without_leak
from .sharper import guided_rule, integrated_gradients, smoothgrad
from .truth import delete_pixels, mask_auc, relevance_rank
from .weights import cascade_weights, depth_curve, held_class

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        *(saliency, normalise, threshold, relevance_mass),
        *(count_parameters, conv_output_size, accuracy),
        *(smoothgrad, integrated_gradients, guided_rule),
        *(cam, gradcam, pointing_game),
        *(number_of_windows, occlusion_map, score_drop),
        *(total_variation, ascent_step, undo_jitter),
        *(fgsm, project, success_rate),
        *(rank_correlation, bootstrap_interval, same_question),
        *(cascade_weights, held_class, depth_curve),
        *(worst_group_accuracy, flip_rate),
        *(middle_square, placed_back, group_probability),
        *(cut_windows, scale_without_leak, naive_error),
        *(relevance_rank, mask_auc, delete_pixels),
    )
}

__all__ = ["EXERCISES", "Exercise", "Result", "clean_network", "mistakes", *EXERCISES]
