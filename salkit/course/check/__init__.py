"""Exercises that check themselves.

A learner's function goes in, is compared with the reference on fresh random cases, and the
answer is a pass, or a hint that names the likely mistake:

    >>> from salkit import check
    >>> check.saliency(my_saliency)
    Not yet: saliency. Your answer is the maximum of the gradient over axis 1.

How the hint is found: first come the few mistakes that belong to an exercise alone. Then the answers are compared with
those of the reference for a relation that holds in every case, a sign, a factor, a probability in the place of a logit.
Otherwise the hint says how far the answer is off, and in which case. A new exercise is one more ``Exercise`` in the
file of its subject, and its name in the list below.
"""

from . import mistakes
from .bias import clean_network, flip_rate, worst_group_accuracy
from .comparisons import bootstrap_interval, cascade_weights, depth_curve, held_class, rank_correlation, same_question
from .exercise import Exercise, Mistake, Result
from .gradients import (
    ascent_step,
    fgsm,
    guided_rule,
    integrated_gradients,
    normalise,
    project,
    relevance_mass,
    saliency,
    smoothgrad,
    success_rate,
    total_variation,
    undo_jitter,
)
from .numbers import (
    accuracy,
    conv_output_size,
    count_parameters,
    cut_windows,
    group_probability,
    middle_square,
    naive_error,
    placed_back,
    scale_without_leak,
)
from .places import (
    contrast_map,
    delete_pixels,
    layercam,
    mask_auc,
    number_of_windows,
    occlusion_map,
    pointing_game,
    relevance_rank,
    score_drop,
)

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        *(saliency, normalise, relevance_mass),
        *(count_parameters, conv_output_size, accuracy),
        *(smoothgrad, integrated_gradients, guided_rule),
        *(contrast_map, layercam, pointing_game),
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

__all__ = ["EXERCISES", "Exercise", "Mistake", "Result", "clean_network", "mistakes", *EXERCISES]
