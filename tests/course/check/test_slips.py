"""Slips that are easy to make: each is refused, told by its name, or told in words that do not mislead."""

import itertools
from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
from torch.nn import functional as F

import salkit
from salkit.course import check
from salkit.course.check import mistakes

SEEDS = range(5)
RIGHT_SEEDS = range(12)


def refused(exercise, function):
    hints = [exercise(function, seed=seed) for seed in SEEDS]
    assert not any(hints), "it passes on some seeds"
    return hints[0].hint


def passes(exercise, function):
    for seed in RIGHT_SEEDS:
        assert exercise(function, seed=seed), exercise(function, seed=seed)


# --- truth values and whole numbers that torch takes no mean of


@pytest.mark.parametrize(
    "name, function",
    [
        ("accuracy", lambda z, y: (z.argmax(1) == y).mean()),
        ("accuracy", lambda z, y: (z.argmax(1) == y).long().mean()),
        ("success_rate", lambda b, a, y: (a.argmax(1) != y)[b.argmax(1) == y].mean()),
        ("flip_rate", lambda m, x, k, b: (m(x).argmax(1) != m(b).argmax(1)).mean()),
        ("worst_group_accuracy", lambda z, y, g: (z.argmax(1) == y).mean()),
        ("mask_auc", lambda m, k: k.mean((1, 2))),
        ("accuracy", lambda z, y: (z.argmax(1) == y).std()),
        ("mask_auc", lambda m, k: m * k.median()),
    ],
)
def test_the_mean_of_truth_values_is_no_stub(name, function):
    hint = check.EXERCISES[name](function).hint
    assert ".float()" in hint and "still to be written" not in hint


@pytest.mark.parametrize("off", [lambda k: 1 - k, lambda k: 1.0 - k, lambda k: -k, lambda k: ~k - k])
def test_one_minus_a_mask_is_no_stub(off):
    for name in ("relevance_mass", "relevance_rank", "mask_auc", "pointing_game"):
        hint = check.EXERCISES[name](lambda m, k: (m * off(k)).sum((1, 2))).hint
        assert "~" in hint and "still to be written" not in hint


def test_what_is_raised_elsewhere_is_no_stub():
    def unfinished_module(model, images, labels):
        return torch.nn.Module()(images)

    assert "still to be written" not in check.saliency(unfinished_module).hint
    assert mistakes.tied_percentiles(lambda r, share: (r > 0).mean()).hint.startswith("A truth value")

    def told(*args):
        raise NotImplementedError("write me")

    assert "still to be written" in check.saliency(told).hint
    assert "still to be written" in mistakes.wrong_class(told).hint


# --- wrong answers that some cases would let pass


def test_parameters_that_a_flat_network_would_not_miss():
    for count in (
        lambda net: sum(p.numel() for layer in net for p in layer.parameters()),
        lambda net: sum(p.numel() for layer in net.children() for p in layer.parameters(recurse=False)),
        lambda net: sum(p.numel() for layer in net.children() for p in layer.parameters()),
        lambda net: sum(p.numel() for layer in net.modules() for p in layer.parameters(recurse=False)),
        lambda net: sum(p.numel() for name, p in net.named_parameters() if "weight" in name or "bias" in name),
        lambda net: sum(p.numel() for name, p in net.named_parameters(remove_duplicate=False)),
        lambda net: sum(
            net.get_parameter(n).numel() for n in net.state_dict() if "running" not in n and "num" not in n
        ),
    ):
        refused(check.count_parameters, count)
    passes(check.count_parameters, lambda net: sum(len(p.flatten()) for p in set(net.parameters())))


def test_the_sign_of_a_correlation_counts():
    def rho(a, b):
        return torch.tensor([scipy.stats.spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a, b)])

    passes(check.rank_correlation, rho)
    refused(check.rank_correlation, lambda a, b: rho(a, b).abs())
    refused(check.rank_correlation, lambda a, b: rho(a, b).clamp(min=0))
    refused(check.rank_correlation, lambda a, b: -rho(a, b))
    kendall = scipy.stats.kendalltau
    refused(check.rank_correlation, lambda a, b: [kendall(x.flatten(), y.flatten())[0] for x, y in zip(a, b)])


def _by_groups(combine):
    def worst(z, y, p):
        right = (z.argmax(1) == y).float()
        groups = [right[(y == c) & (p == q)] for c, q in itertools.product(range(z.shape[1]), range(int(p.max()) + 1))]
        return combine(groups)

    return worst


def test_a_group_without_members_is_left_out_wherever_it_comes():
    refused(check.worst_group_accuracy, _by_groups(lambda groups: min(g.mean().item() for g in groups)))
    refused(check.worst_group_accuracy, _by_groups(lambda groups: min(g.mean().item() for g in reversed(groups))))
    refused(check.worst_group_accuracy, _by_groups(lambda groups: min(g.sum() / max(len(g), 1) for g in groups)))
    refused(check.worst_group_accuracy, _by_groups(lambda groups: torch.stack([g.mean() for g in groups]).min()))
    refused(check.worst_group_accuracy, _by_groups(lambda groups: min(g.mean() for g in groups[1:] if len(g))))
    passes(check.worst_group_accuracy, _by_groups(lambda groups: min(g.mean() for g in groups if len(g))))
    passes(check.worst_group_accuracy, _by_groups(lambda groups: np.nanmin([g.mean() for g in groups])))


def _score(model, images, labels):
    images = images.clone().requires_grad_()
    return images, model(images)


def _for_four_images(model, images, labels):
    images, logits = _score(model, images, labels)
    return torch.autograd.grad(logits[[0, 1, 2, 3], labels].sum(), images)[0].abs().amax(1)


def _in_shape_4_7_9(model, images, labels):
    images, logits = _score(model, images, labels)
    gradient = torch.autograd.grad(logits.gather(1, labels[:, None]).sum(), images)[0]
    return gradient.abs().view(4, 3, 7, 9).amax(1)


def _squeezed(model, images, labels):
    images, logits = _score(model, images, labels)
    return torch.autograd.grad(logits.gather(1, labels[:, None]).sum(), images)[0].abs().amax(1).squeeze()


@pytest.mark.parametrize(
    "name, function",
    [
        ("saliency", _for_four_images),
        ("saliency", _in_shape_4_7_9),
        ("saliency", _squeezed),
        ("accuracy", lambda z, y: (z.argmax(1) == y).sum() / 30),
        ("normalise", lambda m: check.normalise.reference(m).reshape(4, 7, 9)),
        ("contrast_map", lambda a, w, b, i, j: check.contrast_map.reference(a, w, b, i, j).view(-1, 4, 6)),
        ("layercam", lambda a, g: (g.relu() * a).sum(1).relu().view(-1, 4, 6)),
        ("pointing_game", lambda m, k: torch.stack([k[i].flatten()[m[i].argmax()] for i in range(40)])),
        ("relevance_rank", lambda m, k: torch.stack([check.relevance_rank.reference(m, k)[i] for i in range(4)])),
        ("delete_pixels", lambda i, m, n, b: torch.where(check.places._first(m, n)[:, None].expand(4, 3, 7, 9), b, i)),
        ("total_variation", lambda x: check.total_variation.reference(x)[:4].view(4)),
        ("score_drop", lambda m, x, y, k, b: check.score_drop.reference(m, x, y, k, b).squeeze()),
        ("rank_correlation", lambda a, b: check.rank_correlation.reference(a, b).squeeze()),
        ("cascade_weights", lambda w, n: check.cascade_weights.reference(w, n).view(5, 5, 3, 3)),
        ("worst_group_accuracy", lambda z, y, p: check.worst_group_accuracy.reference(z, y, p.clamp(max=2))),
        ("group_probability", lambda z, g: z.softmax(1)[:, g[0]] + z.softmax(1)[:, g[1]] + z.softmax(1)[:, g[2]]),
        ("middle_square", lambda p: check.middle_square.reference(p)[:, :7, :7]),
        ("middle_square", lambda p: p[:, (p.shape[1] - p.shape[0]) // 2 :][:, : p.shape[0]].permute(2, 0, 1) / 255),
        ("middle_square", lambda p: p[(p.shape[0] - p.shape[1]) // 2 :][: p.shape[1]].permute(2, 0, 1) / 255),
        ("middle_square", lambda p: check.numbers._cut(p, round_half).permute(2, 0, 1)),
        ("placed_back", lambda m, h, w: F.pad(m, ((w - h) // 2, w - h - (w - h) // 2))),
        ("placed_back", lambda m, h, w: F.pad(m, (0, 0, (h - w) // 2, h - w - (h - w) // 2))),
        ("undo_jitter", lambda g, r, c: g.roll((-r, -4), (2, 3))),
        ("undo_jitter", lambda g, r, c: g.roll((-r, -abs(c)), (2, 3))),
    ],
)  # fmt: skip
def test_sizes_written_down_as_numbers_and_one_orientation_do_not_pass(name, function):
    refused(check.EXERCISES[name], function)


def round_half(rest):
    return int(rest / 2 + 0.5)


def test_the_generic_hint_says_which_cases_are_wrong():
    assert "x (1, " in check.saliency(_squeezed, seed=0).hint or "squeeze" in check.saliency(_squeezed, seed=0).hint
    assert "case 2" in check.saliency(_for_four_images, seed=0).hint


# --- right answers in other styles


@pytest.mark.parametrize("name", ["saliency", "smoothgrad", "ascent_step", "held_class", "same_question", "fgsm"])
def test_answers_by_torch_func_pass(name):
    def gradient(model, images, labels, score=lambda z, y: z.gather(1, y[:, None]).sum()):
        return torch.func.grad(lambda x: score(model(x), labels))(images)

    solutions = {
        "saliency": lambda m, x, y: gradient(m, x, y).abs().amax(1),
        "smoothgrad": lambda m, x, y, e: sum(gradient(m, x + n, y) for n in e) / len(e),
        "ascent_step": lambda m, x, y, lr: (x + lr * gradient(m, x, y)).clamp(0, 1),
        "held_class": lambda m, r, x: gradient(r, x, m(x).argmax(1)),
        "same_question": lambda a, b, x: torch.stack([gradient(m, x, a(x).argmax(1)).abs().amax(1) for m in (a, b)]),
        "fgsm": lambda m, x, y, e: (x + e * gradient(m, x, y, F.cross_entropy).sign()).clamp(0, 1),
    }
    passes(check.EXERCISES[name], solutions[name])


def test_per_sample_gradients_by_vmap_pass():
    def saliency(model, images, labels):
        def one(image, label):
            return model(image[None])[0].gather(0, label[None])[0]

        return torch.func.vmap(torch.func.grad(one))(images, labels).abs().amax(1)

    result = check.saliency(saliency)
    assert result and ".detach()" in repr(result)


QUANTILES = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear "
    "median_unbiased normal_unbiased lower higher midpoint nearest"
).split()


@pytest.mark.parametrize("method", QUANTILES)
def test_every_convention_of_a_quantile_passes(method):
    def interval(values, draws):
        return np.quantile(values[draws].mean(1).numpy(), [0.025, 0.975], method=method)

    passes(check.bootstrap_interval, interval)


def test_ends_read_off_the_sorted_means_pass_and_other_intervals_do_not():
    def sorted_means(values, draws, low=0.025, high=0.975, shift=-1):
        means = values[draws].mean(1).sort().values
        return means[[int(low * len(means)), int(high * len(means)) + shift]]

    passes(check.bootstrap_interval, sorted_means)
    passes(check.bootstrap_interval, lambda v, d: sorted_means(v, d, shift=0))
    for wrong in (
        lambda v, d: sorted_means(v, d, 0.05, 0.95),
        lambda v, d: sorted_means(v, d, 0.005, 0.995),
        lambda v, d: sorted_means(v, d, 0.0, 1.0),
        lambda v, d: 2 * v.mean() - sorted_means(v, d).flip(0),
        lambda v, d: v.mean() + torch.tensor([-1.96, 1.96]) * v[d].mean(1).std(),
        lambda v, d: sorted_means(v, d) + 0.2,
        lambda v, d: sorted_means(v, d).flip(0),
    ):
        refused(check.bootstrap_interval, wrong)


# --- hints that misled


def test_an_answer_of_zeros_is_not_put_down_to_a_division():
    hint = check.accuracy(lambda z, y: (z.max(1).values == y).float().mean()).hint
    assert hint == "Every value is zero."


@pytest.mark.parametrize("exercise", check.EXERCISES.values(), ids=check.EXERCISES)
def test_what_is_the_same_in_all_cases_has_no_named_mistake(exercise):
    def constant(value, *case):
        return torch.full_like(torch.as_tensor(exercise.reference(*case)).double(), value)

    for value in (0.0, 1.0, 0.5):
        hint = exercise(partial(constant, value)).hint
        by_nature = [mistake.hint for mistake in exercise.mistakes if mistake.constant]
        assert "value is" in hint or "whole number" in hint or hint in by_nature


# --- the gallery


def _map(model, images, labels):
    return salkit.gradient(model, images, labels).abs().amax(1)


def _logit_gradient(score, reduce=lambda g: g.abs().amax(1)):
    def saliency(model, images):
        images = images.clone().requires_grad_()
        return reduce(torch.autograd.grad(score(model(images)), images)[0])

    return saliency


def _low(m, axes=(1, 2)):
    return m.amin(axes, keepdim=True)


def _high(m, axes=(1, 2)):
    return m.amax(axes, keepdim=True)


def _train_mode(model, images, labels):
    maps = _map(model, images, labels)
    model.train()
    return maps


def _filled(model, images, labels):
    images = images.clone().requires_grad_()
    model(images).gather(1, labels[:, None]).sum().backward()
    return images.grad.abs().amax(1)


def _destroyed(model, images, labels):
    maps = _map(model, images, labels)
    images.zero_()
    return maps


def _top(rounded):
    def top_pixels(relevance, share):
        chosen = torch.zeros(relevance.numel(), dtype=torch.bool)
        chosen[relevance.flatten().topk(rounded(share * relevance.numel())).indices] = True
        return chosen.view_as(relevance)

    return top_pixels


def _top_of_20_by_20(relevance, share):
    chosen = torch.zeros(400, dtype=torch.bool)
    chosen[relevance.flatten().topk(round(share * 400)).indices] = True
    return chosen.view(20, 20)


def _ordered(key):
    def order(relevance):
        rows, columns = torch.meshgrid(*map(torch.arange, relevance.shape), indexing="ij")
        ties = key(rows, columns).flatten().double()
        return torch.tensor(sorted(range(relevance.numel()), key=lambda i: (-relevance.flatten()[i], ties[i])))

    return order


def _noisy(size):
    return lambda r: (r + size * torch.rand_like(r)).flatten().argsort(descending=True)


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("normalised_by_batch", lambda m: m / (_high(m) + 1e-12)),
        ("normalised_by_batch", lambda m: (m - m.mean((1, 2), keepdim=True)) / (m.std((1, 2), keepdim=True) + 1e-9)),
        ("normalised_by_batch", lambda m: (m - _low(m, 2)) / (_high(m, 2) - _low(m, 2) + 1e-12)),
        ("normalised_by_batch", lambda m: m.flatten(1).argsort(1).argsort(1).view(m.shape) / (m[0].numel() - 1)),
        ("normalised_by_batch", lambda m: ((m == _high(m)) & (_high(m) > _low(m))).float()),
        ("normalised_by_batch", lambda m: np.nan_to_num((m / _high(m)).numpy())),
        ("normalised_by_batch", lambda m: m / (_high(m.abs()) + 1e-12)),
        ("normalised_by_batch", lambda m: torch.ones_like(m)),
        ("normalised_by_batch", lambda m: ((m - _low(m)) / (_high(m) - _low(m) + 1e-12)).sqrt()),
        ("one_score_for_the_batch", _logit_gradient(lambda z: z.sum())),
        ("one_score_for_the_batch", lambda m, x: torch.ones(len(x), 4, 5)),
        ("one_score_for_the_batch", lambda m, x: x.abs().amax(1)),
        ("one_score_for_the_batch", _logit_gradient(lambda z: z.min(1).values.sum())),
        ("one_score_for_the_batch", _logit_gradient(lambda z: z.softmax(1).max(1).values.sum())),
        ("one_score_for_the_batch", _logit_gradient(lambda z: z[:, 0].sum())),
        ("one_score_for_the_batch", _logit_gradient(lambda z: z.max(1).values.sum(), lambda g: g.amax(1))),
        ("one_score_for_the_batch", _logit_gradient(lambda z: z.max(1).values.mean())),
        ("ties_in_reading_order", _ordered(lambda r, c: 16 * c + r)),
        ("ties_in_reading_order", _ordered(lambda r, c: (r + c) % 2)),
        ("ties_in_reading_order", _ordered(lambda r, c: -r)),
        ("ties_in_reading_order", _ordered(lambda r, c: r + c)),
        ("ties_in_reading_order", _ordered(lambda r, c: (37 * (16 * r + c)) % 256)),
        ("ties_in_reading_order", _noisy(0.1)),
        ("ties_in_reading_order", _noisy(1.0)),
        ("ties_in_reading_order", _noisy(0.003)),
        ("tied_percentiles", _top(int)),
        ("tied_percentiles", _top(lambda n: int(np.ceil(n)))),
        ("tied_percentiles", _top_of_20_by_20),
        ("wrong_class", _train_mode),
        ("wrong_class", _filled),
        ("wrong_class", _destroyed),
        ("unclamped_attack", lambda x, g, e: (x + e * g.sign()).clamp(x.min(), x.max())),
        ("unclamped_attack", lambda x, g, e: (x + e * g.sign()).clamp(0, 1).round(decimals=2)),
        ("repicked_class", lambda m, r, x: _map(r, x, m(x).argmax(1)[:1].expand(len(x)))),
        ("repicked_class", lambda m, r, x: _map(m, x, r(x).argmax(1))),
    ],
)  # fmt: skip
def test_wrong_repairs_stay_broken(name, wrong):
    assert not any(mistakes.GALLERY[name](wrong, seed=seed) for seed in SEEDS)


@pytest.mark.parametrize("kind", [lambda x: x.numpy(), lambda x: x.double(), lambda x: x.tolist()])
def test_repairs_in_numpy_float64_and_lists_pass(kind):
    def normalise(maps):
        span = _high(maps) - _low(maps)
        return kind(torch.where(span > 0, (maps - _low(maps)) / span, 0.0))

    def shuffled(relevance):
        order = torch.randperm(relevance.numel())
        return order[relevance.flatten()[order].argsort(descending=True, stable=True)]

    repairs = {
        "wrong_class": lambda m, x, y: kind(_map(m, x, y)),
        "one_score_for_the_batch": lambda m, x: kind(_map(m, x, m(x).argmax(1))),
        "abs_before_averaging": lambda g: kind(g.mean(0).abs().amax(0)),
        "tied_percentiles": lambda r, share: _top(round)(r, share).numpy(),
        "unclamped_attack": lambda x, g, e: kind((x + e * g.sign()).clamp(0, 1)),
        "normalised_by_batch": normalise,
        "repicked_class": lambda m, r, x: kind(_map(r, x, m(x).argmax(1))),
        "functional_relu": lambda m, x, y: kind(salkit.guided_backprop(m, x, y)),
        "ties_in_reading_order": lambda r: shuffled(r).numpy(),
    }
    for name, repair in repairs.items():
        for seed in SEEDS:
            assert mistakes.GALLERY[name](repair, seed=seed), mistakes.GALLERY[name](repair, seed=seed)
