"""Wrong programs for every exercise, each with the words that a hint to it may have.

Most are made: the reference with something done to its answer, or to its arguments. What is done fits many exercises,
and where it changes nothing, or ends in an error, it is left out. Where two of
them do the same to an exercise, the words are those of either. The rest are the usual slips, written as learners do.
"""

# ruff: noqa: E501

import copy
import itertools
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from salkit.course import check
from salkit.course.check.calling import as_tensor
from salkit.course.check.relations import same

_NOT_REDUCED = "not reduced|leave that out|axes? |as it is|one (value|answer|share|drop)|mean"

# What is done to the answer: a name, the function, and what the hint has to speak of.
AFTER = [
    ("negated", torch.neg, "sign|against|direction|same direction|steps? |less|swapped|exchanged|absolute"),
    ("one minus", lambda x: 1 - x, "1 minus|outside|other|exchanged|against|miss|true and false"),
    ("absolute", torch.abs, "absolute|sign|exchanged|negative"),
    ("percent", lambda x: 100 * x, "percent"),
    ("halved", lambda x: 0.5 * x, r"factor: 0\.5|half|mean|divided"),
    ("tripled", lambda x: 3.0 * x, "factor: 3"),
    ("plus a half", lambda x: x + 0.5, r"too large by 0\.5"),
    ("squared", torch.square, "square"),
    ("root", lambda x: x.sqrt(), "root|NaN"),
    ("logarithm", lambda x: x.log(), "logarithm|NaN|zero"),
    ("positive", lambda x: x.clamp(min=0), "negative|positive"),
    ("clipped", lambda x: x.clamp(0, 1), "clip|negative|positive"),
    ("its sign", torch.sign, "sign"),
    ("rounded", torch.round, "round|absolute"),
    ("first only", lambda x: x[:1], "first"),
    ("first for all", lambda x: x[:1].expand_as(x), "first|learnt|random|same"),
    ("reversed", lambda x: x.flip(0), "reverse|order|axis 0|turned round|backwards|exchanged"),
    ("shifted", lambda x: x.roll(1, -1), "one place"),
    ("turned", lambda x: x.transpose(-1, -2), "axes are in another order|turned on its side"),
    ("one axis more", lambda x: x.unsqueeze(1), "axis 1 of size 1"),
    ("mean of the batch", lambda x: x.mean(0), _NOT_REDUCED),
    ("sum over everything", lambda x: x.sum(), "sum|added up|counted"),
    ("mean over everything", lambda x: x.mean(), "mean"),
    ("scaled each", lambda x: x / x.flatten(1).amax(1).view(-1, *[1] * (x.ndim - 1)), "largest|scaled|maximum"),
    ("scaled together", lambda x: x / x.max(), "largest|scaled|maximum"),
    ("to the unit range", lambda x: (x - x.min()) / (x.max() - x.min()), r"\[0, 1\]|together"),
    ("softmax", lambda x: x.softmax(-1), "softmax"),
    ("flattened", lambda x: x.flatten(), "in a row"),
    ("without the last", lambda x: x[:-1], "last|first of the batch alone"),
    ("squeezed", lambda x: x.squeeze(), "squeeze"),
    ("half precision", lambda x: x.half(), "16 bits"),
    ("added up along axis 0", lambda x: x.cumsum(0), "added"),
    ("divided by its length", lambda x: x / x.norm(), "length|factor"),
    ("a constant", lambda x: torch.full_like(x, 0.25), "whatever the arguments"),
    ("nothing", torch.zeros_like, "zero"),
]  # fmt: skip


def _first(x):
    return x[:1].expand_as(x)


def _softmaxed(model):
    return nn.Sequential(model, nn.Softmax(1))


# What is done to one argument, by its kind.
BEFORE = [
    ("probabilities", nn.Module, _softmaxed, "softmax|probability"),
    ("log-probabilities", nn.Module, lambda m: nn.Sequential(m, nn.LogSoftmax(1)), "log-softmax|cross-entropy"),
    ("train mode", nn.Module, lambda m: copy.deepcopy(m).train(), "train mode"),
    ("first label", torch.int64, _first, "first|groups are the classes"),
    ("mask turned round", torch.bool, torch.logical_not, "true and false|outside|exchanged|1 minus|sign|against"),
    ("first mask", torch.bool, _first, "first"),
    ("absolute argument", torch.float32, abs, "absolute|sign"),
    ("argument ignored", torch.float32, lambda x: 0 * x, "no effect|as if it were 0|black|nothing|clean|first|alone"),
    ("first for all", torch.float32, _first, "first|axis 0|argmax needs the dimension"),
    ("argument negated", torch.float32, torch.neg, "sign|least|smallest|against|1 minus"),
    ("one more", int, lambda x: x + 1, "one (larger|smaller)|by 1|one place|one window|One is missing"),
    ("one less", int, lambda x: x - 1, "one (larger|smaller)|by 1|one place|one window|One is missing"),
    ("number ignored", (int, float), lambda x: type(x)(0), "no effect|nothing|zero|as they came"),
    ("number negated", (int, float), lambda x: -x, "sign|against|direction|as they came|no effect"),
    ("as if 1", float, lambda x: 1.0, "as if it were 1|forgot the budget"),
]  # fmt: skip


def _kind(value):
    return getattr(value, "dtype", type(value))


def _after(exercise, change):
    return lambda *case: change(torch.as_tensor(exercise.reference(*case)))


def _before(exercise, place, change):
    return lambda *case: exercise.reference(*case[:place], change(case[place]), *case[place + 1 :])


def _made():
    for exercise in check.EXERCISES.values():
        case = exercise.draw(0)[0]
        for name, change, words in AFTER:
            yield exercise, name, _after(exercise, change), words
        for (place, value), (name, kind, change, words) in itertools.product(enumerate(case), BEFORE):
            fits = isinstance(value, kind) if isinstance(kind, (type, tuple)) else _kind(value) == kind
            if fits and not isinstance(value, bool):
                yield exercise, f"{name} {place}", _before(exercise, place, change), words


def _changes_something(exercise, function):
    """Whether it is wrong in a way that shows: other values, and neither an error nor reals for whole numbers."""
    try:
        for case in exercise.draw(11):
            expected, case = exercise.reference(*case), copy.deepcopy(case)
            answer = function(*case)
            if isinstance(expected, int) and isinstance(answer, Tensor) and answer.is_floating_point():
                return False
            if not same(as_tensor(answer), as_tensor(expected), exercise.tolerance):
                return as_tensor(answer) is not None and as_tensor(answer).numel() > 0
    except Exception:
        return False
    return False


def made():
    """``(exercise, name, function, words)`` of all that are wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [wrong for wrong in _made() if _changes_something(wrong[0], wrong[2])]


# --- the usual slips, as learners write them


def grad(model, images, labels, score=None, mode="eval"):
    getattr(model, mode)()
    x = images.detach().clone().requires_grad_()
    logits = model(x)
    value = logits[torch.arange(len(labels)), labels].sum() if score is None else score(logits, labels)
    found = torch.autograd.grad(value, x)[0]
    model.eval()
    return found


def _stale_saliency(model, images, labels):
    leaf, maps = torch.zeros_like(images[:1]).requires_grad_(), []
    for image, label in zip(images, labels):
        leaf.data = image[None].clone()
        model(leaf)[0, label].backward()
        maps.append(leaf.grad.abs().amax(1)[0])
    return torch.stack(maps)


def _stale_smoothgrad(model, images, labels, noise):
    leaf, total = images.clone().requires_grad_(), 0
    for one in noise:
        (model(leaf + one)[torch.arange(len(labels)), labels].sum()).backward()
        total = total + leaf.grad.clone()
    return total / len(noise)


def _stale_question(first, second, images):
    labels, leaf, maps = first(images).argmax(1), images.clone().requires_grad_(), []
    for model in (first, second):
        model(leaf)[torch.arange(len(labels)), labels].sum().backward()
        maps.append(leaf.grad.abs().amax(1))
    return torch.stack(maps)


def _contrast(features, weights, bias, first, second):
    return check.contrast_map.reference(features, weights, bias, first, second)


def _reordered(drops, window, stride, height, width):
    total = torch.zeros(height, width)
    for i, j in itertools.product(range(drops.shape[0]), range(drops.shape[1])):
        total[i * stride : i * stride + window, j * stride : j * stride + window] += drops[i, j]
    return total


SLIPS = [
    ("saliency", lambda m, x, y: grad(m, x, y).amax(1), "maximum of the gradient|absolute"),
    ("saliency", lambda m, x, y: grad(m, x, y).amax(1).abs(), "absolute value of the maximum"),
    ("saliency", lambda m, x, y: grad(m, x, y).abs().mean(1), "mean of the absolute"),
    ("saliency", lambda m, x, y: grad(m, x, y).abs().sum(1), "sum of the absolute"),
    ("saliency", lambda m, x, y: grad(m, x, y).norm(dim=1), "length"),
    ("saliency", lambda m, x, y: grad(m, x, y).sum(1), "sum of the gradient"),
    ("saliency", lambda m, x, y: grad(m, x, y), "as it is"),
    ("saliency", lambda m, x, y: grad(m, x, y).abs(), "not reduced"),
    ("saliency", lambda m, x, y: grad(m, x, y).abs().amax(1, keepdim=True), "axis 1 of size 1"),
    ("saliency", lambda m, x, y: grad(m, x, y).abs().amax(0), "over axis 0"),
    ("saliency", lambda m, x, y: grad(m, x, y, lambda z, y: z.sum()).abs().amax(1), "all logits"),
    ("saliency", lambda m, x, y: grad(m, x, y, lambda z, y: z.amax(1).sum()).abs().amax(1), "predicted"),
    ("saliency", lambda m, x, y: grad(m, x, y, lambda z, y: z[:, y].sum()).abs().amax(1), r"\(N, N\)"),
    ("saliency", lambda m, x, y: grad(m, x, y, lambda z, y: z[:, y[0]].sum()).abs().amax(1), "first"),
    ("saliency", lambda m, x, y: grad(m, x, y, lambda z, y: F.cross_entropy(z, y, reduction="sum")).abs().amax(1), "cross-entropy"),
    ("saliency", lambda m, x, y: grad(m, x, y, lambda z, y: z.gather(1, y[:, None]).mean()).abs().amax(1), "divided once too often"),
    ("saliency", lambda m, x, y: grad(m, x, y, mode="train").abs().amax(1), "train mode"),
    ("saliency", lambda m, x, y: (grad(m, x, y) * x).abs().amax(1), "gradient x input"),
    ("saliency", _stale_saliency, "x.grad adds up"),
    ("smoothgrad", _stale_smoothgrad, "x.grad adds up"),
    ("smoothgrad", lambda m, x, y, e: torch.stack([grad(m, x - n, y) for n in e]).mean(0), "sign"),
    ("smoothgrad", lambda m, x, y, e: torch.stack([grad(m, x + n, y) for n in e]).abs().mean(0), "mean of the absolute"),
    ("smoothgrad", lambda m, x, y, e: torch.stack([grad(m, x + n, y) for n in e]).sum(0), "sum|added up"),
    ("smoothgrad", lambda m, x, y, e: torch.stack([grad(m, x + n, y) for n in e]), "not reduced"),
    ("smoothgrad", lambda m, x, y, e: torch.stack([grad(m, x + n, y, mode="train") for n in e]).mean(0), "train mode"),
    ("smoothgrad", lambda m, x, y, e: grad(m, x + e.mean(0), y), "averaged the noise"),
    ("same_question", _stale_question, "x.grad adds up"),
    ("score_drop", lambda m, x, y, k, b: -check.score_drop.reference(copy.deepcopy(m).train(), x, y, k, b), "train|sign|largest difference"),
    ("score_drop", lambda m, x, y, k, b: check.score_drop.reference(copy.deepcopy(m).train(), x, y, k, b), "train mode"),
    ("score_drop", lambda m, x, y, k, b: (check.score_drop.reference(m, x, y, k, 0 * b)), "no effect"),
    ("score_drop", lambda m, x, y, k, b: (check.score_drop.reference(_softmaxed(m).eval(), x, y, k, b)), "softmax"),
    ("flip_rate", lambda m, x, k, b: check.flip_rate.reference(copy.deepcopy(m).train(), x, k, b), "train mode"),
    ("same_question", lambda a, b, x: check.same_question.reference(a, copy.deepcopy(b).train(), x), "train mode"),
    ("accuracy", lambda z, y: (z.argmax(1) == y).sum(), "added up"),
    ("accuracy", lambda z, y: (z.argmax(1) == y), "not reduced"),
    ("accuracy", lambda z, y: 1 - (z.argmax(1) == y).float().mean(), "1 minus"),
    ("accuracy", lambda z, y: (z.max(1).values == y).float().mean(), "zero"),
    ("accuracy", lambda z, y: (z.argmax() == y).float().mean(), "dimension"),
    ("accuracy", lambda z, y: (z.argmax(1) == y).sum() // len(y), "zero|round"),
    ("accuracy", lambda z, y: (z.topk(2).indices == y[:, None]).any(1).float().mean(), "In one case"),
    ("conv_output_size", lambda n, k, s, p: (n + 2 * p - k) // s, "too small by 1"),
    ("conv_output_size", lambda n, k, s, p: (n - k) // s + 1, "no effect"),
    ("conv_output_size", lambda n, k, s, p: n + 2 * p - k + 1, "as if it were 1"),
    ("conv_output_size", lambda n, k, s, p: (n + 2 * p) // s + 1, "no effect"),
    ("conv_output_size", lambda n, k, s, p: (n + 2 * p - k) / s + 1, "whole"),
    ("conv_output_size", lambda n, k, s, p: (n + 2 * p - k - 1) // s + 1, "one (larger|smaller)"),
    ("number_of_windows", lambda n, w, s: (n - w) // s + 1, "formula of a convolution"),
    ("number_of_windows", lambda n, w, s: -(-(n - w) // s), "too small by 1"),
    ("number_of_windows", lambda n, w, s: n - w + 1, "as if it were 1"),
    ("count_parameters", lambda m: sum(1 for _ in m.parameters()), "tensors"),
    ("normalise", lambda m: m - m.amin((1, 2), keepdim=True), "range|unit|0 to|scaled"),
    ("normalise", lambda m: (m - m.min()) / (m.max() - m.min()), "together"),
    ("normalise", lambda m: m / m.amax((1, 2), keepdim=True), "subtracting"),
    ("normalise", lambda m: m, "range|scaled"),
    ("relevance_mass", lambda m, k: (m * k).sum() / m.sum(), "has shape"),
    ("relevance_mass", lambda m, k: (m * k).sum((1, 2)), "sum"),
    ("contrast_map", lambda a, w, b, i, j: _contrast(a, w, b, j, i), "sign"),
    ("contrast_map", lambda a, w, b, i, j: _contrast(a, w, b, i, j).relu(), "negative|positive"),
    ("contrast_map", lambda a, w, b, i, j: _contrast(a, w, b, i, j).abs(), "absolute"),
    ("contrast_map", lambda a, w, b, i, j: torch.einsum("d,ndhw->nhw", w[i] - w[j], a), "biases are missing"),
    ("contrast_map", lambda a, w, b, i, j: _contrast(a, w, b, i, j).mean((1, 2)), "mean|average"),
    ("contrast_map", lambda a, w, b, i, j: torch.einsum("d,ndhw->nhw", w[i], a) + b[i], "first class alone"),
    ("layercam", lambda a, g: (g.relu() * a).sum(1), "ReLU"),
    ("layercam", lambda a, g: (g.relu() * a).relu().sum(1), "positive"),
    ("layercam", lambda a, g: (g.relu() * a).sum(1).abs(), "absolute"),
    ("layercam", lambda a, g: (g.relu() * a).mean(1).relu(), "mean|factor"),
    ("layercam", lambda a, g: (a.relu() * g).sum(1).relu(), "exchanged"),
    ("layercam", lambda a, g: (g * a).sum(1).relu(), "HiResCAM"),
    ("layercam", lambda a, g: (g.mean((2, 3), keepdim=True) * a).sum(1).relu(), "Grad-CAM"),
    ("pointing_game", lambda m, k: 1 - check.pointing_game.reference(m, k), "1 minus"),
    ("pointing_game", lambda m, k: check.pointing_game.reference(-m, k), "sign"),
    ("pointing_game", lambda m, k: check.pointing_game.reference(m, k).mean(), "mean"),
    ("occlusion_map", _reordered, "added the drops up"),
    ("total_variation", lambda x: check.total_variation.reference(x) / 2, r"factor: 0\.5"),
    ("ascent_step", lambda m, x, y, lr: (x - lr * grad(m, x, y)).clamp(0, 1), "sign"),
    ("ascent_step", lambda m, x, y, lr: x + lr * grad(m, x, y), "clamp"),
    ("ascent_step", lambda m, x, y, lr: (x + grad(m, x, y)).clamp(0, 1), "as if it were 1"),
    ("ascent_step", lambda m, x, y, lr: (x + lr * grad(m, x, y).sign()).clamp(0, 1), "sign of the gradient"),
    ("ascent_step", lambda m, x, y, lr: x, "no effect"),
    ("fgsm", lambda m, x, y, e: x + e * grad(m, x, y, F.cross_entropy).sign(), "clamp"),
    ("fgsm", lambda m, x, y, e: (x - e * grad(m, x, y, F.cross_entropy).sign()).clamp(0, 1), "against the gradient"),
    ("fgsm", lambda m, x, y, e: (x + e * grad(m, x, y).sign()).clamp(0, 1), "climbed the label's logit"),
    ("fgsm", lambda m, x, y, e: (x + e / 255 * grad(m, x, y, F.cross_entropy).sign()).clamp(0, 1), "255"),
    ("fgsm", lambda m, x, y, e: (x + e * grad(m, x, m(x).argmax(1), F.cross_entropy).sign()).clamp(0, 1), "predicted"),
    ("project", lambda m, x, e: x + (m - x).clamp(-e, e), "clamp"),
    ("project", lambda m, x, e: m.clamp(0, 1), "budget"),
    ("project", lambda m, x, e: (m + (x - m).clamp(-e, e)).clamp(0, 1), "exchanged"),
    ("success_rate", lambda b, a, y: ((b.argmax(1) == y) & (a.argmax(1) != y)).float().mean(), "all images"),
    ("success_rate", lambda b, a, y: (a.argmax(1) != y).float().mean(), "error rate"),
    ("success_rate", lambda b, a, y: ((b.argmax(1) == y) & (a.argmax(1) != y)).sum(), "sum"),
    ("success_rate", lambda b, a, y: check.success_rate.reference(a, b, y), "exchanged|zero"),
    ("rank_correlation", lambda a, b: check.rank_correlation.reference(a, b).abs(), "absolute"),
    ("rank_correlation", lambda a, b: check.rank_correlation.reference(a.abs(), b), "absolute"),
    ("rank_correlation", lambda a, b: check.rank_correlation.reference(a, b).mean(), "mean"),
    ("bootstrap_interval", lambda v, d: check.bootstrap_interval.reference(v, d).flip(0), "order"),
    ("bootstrap_interval", lambda v, d: torch.stack([v[d].mean(1).min(), v[d].mean(1).max()]), "lowest"),
    ("held_class", lambda m, r, x: check.held_class.reference(r, r, x), "picked the class again"),
    ("held_class", lambda m, r, x: check.held_class.reference(m, m, x), "where `r` belongs"),
    ("held_class", lambda m, r, x: check.held_class.reference(m, r, x).abs(), "absolute"),
    ("depth_curve", lambda s: s.nanmean(0), "not reduced|as it is"),
    ("worst_group_accuracy", lambda z, y, g: (z.argmax(1) == y).float().mean(), "over all images"),
    ("group_probability", lambda z, g: z.softmax(1)[:, g].mean(1), "mean|factor|divided"),
    ("group_probability", lambda z, g: z.softmax(1)[:, g].amax(1), "maximum"),
    ("group_probability", lambda z, g: z.softmax(1)[:, g], "not reduced"),
    ("group_probability", lambda z, g: z[:, g].softmax(1).sum(1), "softmax among|whatever"),
    ("middle_square", lambda p: check.middle_square.reference(p) * 255, "factor: 255"),
    ("middle_square", lambda p: check.middle_square.reference(p).permute(1, 2, 0), "axes"),
    ("middle_square", lambda p: check.middle_square.reference(p).flip(0), "order along axis 0"),
    ("placed_back", lambda m, h, w: check.placed_back.reference(m.T, h, w), "turned on its side|axes|largest difference"),
    ("placed_back", lambda m, h, w: m, "shape"),
    ("cut_windows", lambda v, n: v.unfold(0, n + 1, 1)[:-1], "last along axis 0"),
    ("cut_windows", lambda v, n: v.unfold(0, n + 1, 1).flip(1), "reversed"),
    ("cut_windows", lambda v, n: v.unfold(0, n + 1, 1).T, "axes"),
    ("scale_without_leak", lambda v, n: (v - v.mean()) / v.std(), "leak"),
    ("scale_without_leak", lambda v, n: v - v[:n].mean() / v[:n].std(), "Brackets"),
    ("naive_error", lambda x, y: (x[:, -1:] - y).abs().mean(), "table"),
    ("naive_error", lambda x, y: (x[:, -1] - y).mean(), "mean of the misses|absolute"),
    ("naive_error", lambda x, y: (x[:, -1] - y).mean().abs(), "absolute value of the mean"),
    ("naive_error", lambda x, y: (x[:, -1] - y).square().mean(), "mean of the squared"),
    ("naive_error", lambda x, y: (x[:, -1] - y).square().mean().sqrt(), "root"),
    ("naive_error", lambda x, y: (x[:, 0] - y).abs().mean(), "first"),
    ("relevance_rank", lambda m, k: 1 - check.relevance_rank.reference(m, k), "1 minus"),
    ("relevance_rank", lambda m, k: check.relevance_rank.reference(-m, k), "least"),
    ("mask_auc", lambda m, k: check.mask_auc.reference(m, ~k), "1 minus|true and false"),
    ("delete_pixels", lambda i, m, n, b: check.delete_pixels.reference(i, m, n - 1, b), "one smaller"),
    ("delete_pixels", lambda i, m, n, b: check.delete_pixels.reference(i, m, n, 0 * b), "no effect"),
    ("delete_pixels", lambda i, m, n, b: check.delete_pixels.reference(i, m.abs(), n, b), "absolute"),
    ("delete_pixels", lambda i, m, n, b: check.delete_pixels.reference(i, -m, n, b), "sign"),
    ("cascade_weights", lambda w, n: n[None].expand(len(n), *n.shape), "keep a copy"),
    ("undo_jitter", lambda g, r, c: g.roll((r, c), (2, 3)), "same direction"),
    ("undo_jitter", lambda g, r, c: g.roll((-c, -r), (2, 3)), "exchanged"),
    ("undo_jitter", lambda g, r, c: g.roll(-r, 2), "no effect"),
    ("guided_rule", lambda x, g: g * (x > 0), "plain gradient"),
    ("guided_rule", lambda x, g: g.abs() * (x > 0), "absolute"),
    ("guided_rule", lambda x, g: x.clamp(min=0) * (g > 0), "exchanged"),
    ("integrated_gradients", lambda m, x, y, b, n: check.integrated_gradients.reference(m, x, y, b, n) * n, "factor"),
    ("integrated_gradients", lambda m, x, y, b, n: check.integrated_gradients.reference(m, x, y, 0.0, n), "no effect"),
    ("integrated_gradients", lambda m, x, y, b, n: (x - b) * grad(m, x, y), "largest difference|as if"),
]  # fmt: skip
GENERIC = (
    "The shape is right and the values are not|The result has shape|In one case the result was|values are NaN"
    "|It raised|Every value is zero|In every case every value|where .* is expected|The value is right, but"
)
