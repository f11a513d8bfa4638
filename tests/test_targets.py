from types import SimpleNamespace

import numpy as np
import pytest
import torch

from salkit import targets
from salkit.errors import SalkitWarning, TargetError

LOGITS = torch.tensor([[1.0, 5.0, 2.0], [0.0, -1.0, -2.0]])


def scored(target, outputs=LOGITS):
    return targets.score(outputs, targets.check(target, 2)).tolist()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, [5.0, 0.0]),
        (2, [2.0, -2.0]),
        (np.int64(2), [2.0, -2.0]),
        (torch.tensor(2), [2.0, -2.0]),
        (torch.tensor([0, 1]), [1.0, -1.0]),
        (torch.tensor([0, 1], dtype=torch.int32), [1.0, -1.0]),
        ([0, 1], [1.0, -1.0]),
        (lambda outputs: outputs.sum(1), [8.0, -3.0]),
    ],
)
def test_scores_of_three_logits(target, expected):
    assert scored(target) == expected


@pytest.mark.parametrize("shape", [(2, 1), (2,)])
def test_single_logit_head(shape):
    outputs = torch.tensor([3.0, -4.0]).reshape(shape)
    assert scored(None, outputs) == [3.0, -4.0]
    assert scored(targets.against, outputs) == [-3.0, 4.0]
    assert targets.probability(outputs).tolist() == outputs.flatten().sigmoid().tolist()
    assert targets.predicted(outputs).tolist() == [1, 0]
    assert targets.fix(outputs, None) is None


@pytest.mark.parametrize("shape", [(2, 1), (2,)])
@pytest.mark.parametrize("target", [0, 1, [1, 0]])
@pytest.mark.parametrize("what", [targets.inspect, targets.score, targets.probability])
def test_a_class_of_a_single_output_says_what_to_write(shape, target, what):
    with pytest.raises(TargetError, match="target=None for the output as it is, or salkit.targets.against"):
        what(torch.zeros(shape), targets.check(target, 2))


def test_against_needs_a_single_output():
    with pytest.raises(TargetError, match="single output"):
        targets.against(LOGITS)


def test_labels_of_a_single_logit_are_0_and_1():
    targets.check_range(torch.zeros(2, 1), targets.check([0, 1], 2))
    with pytest.raises(TargetError, match="0 .. 1"):
        targets.check_range(torch.zeros(2, 1), targets.check(2, 2))


class Both(dict):
    """As Hugging Face's outputs: entries that are attributes as well."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize(
    "wrap",
    [lambda y: SimpleNamespace(logits=y, hidden=None), lambda y: {"loss": None, "logits": y}, lambda y: Both(logits=y)],
    ids=["object", "dictionary", "both"],
)
@pytest.mark.parametrize("target", [None, 2, [0, 1]])
def test_logits_are_taken_by_themselves(wrap, target):
    outputs = wrap(LOGITS)
    assert scored(target, outputs) == scored(target)
    assert targets.predicted(outputs).tolist() == [1, 0] and targets.count(outputs) == 3
    assert torch.equal(targets.probability(outputs, targets.check(2, 2)), LOGITS.softmax(1)[:, 2])
    assert scored(targets.against, wrap(LOGITS[:, :1])) == [-1.0, 0.0]
    targets.inspect(outputs, targets.check(target, 2))
    seen = []
    targets.score(outputs, lambda given: seen.append(given) or LOGITS[:, 0])
    assert seen[0] is outputs, "a callable gets what the model returns"


@pytest.mark.parametrize("outputs", [LOGITS.long(), LOGITS > 0, LOGITS.to(torch.complex64)])
def test_outputs_that_are_no_logits(outputs):
    with pytest.raises(TargetError, match="not logits"):
        targets.score(outputs, targets.check(0, 2))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_outputs_without_a_value_warn(bad):
    outputs = LOGITS.clone()
    outputs[1, 2] = bad
    with pytest.warns(SalkitWarning, match="NaN or infinity"):
        targets.inspect(outputs, None)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.tensor([1]), r"shape \(1,\), but there are 2 samples"),
        (torch.zeros(2, 1, dtype=torch.long), "2 samples"),
        (torch.tensor([1.0, 2.0]), "integers, not torch.float32"),
        (True, "integers, not torch.bool"),
        ("cat", "not 'cat'"),
        (-1, "start at 0"),
        ([0, -3], "holds -3"),
    ],
)
def test_bad_targets_are_refused_before_any_output(target, message):
    with pytest.raises(TargetError, match=message):
        targets.check(target, 2)


def test_class_out_of_range_names_the_classes():
    with pytest.raises(TargetError, match="class 3 is out of range.* 0 .. 2"):
        targets.inspect(LOGITS, targets.check([0, 3], 2))


@pytest.mark.parametrize("outputs", [torch.zeros(2, 3, 4, 4), torch.tensor(1.0), (LOGITS,), {"out": LOGITS}])
@pytest.mark.parametrize("target", [None, 1])
def test_outputs_without_plain_classes_need_a_callable(outputs, target):
    with pytest.raises(TargetError, match="callable"):
        targets.inspect(outputs, targets.check(target, 2))
    with pytest.raises(TargetError, match="callable"):
        targets.score(outputs, targets.check(target, 2))


def test_callable_reads_tuples_dicts_and_dense_outputs():
    assert scored(lambda outputs: outputs["out"][:, 0], {"out": LOGITS, "aux": None}) == [1.0, 0.0]
    dense = torch.arange(8.0).reshape(2, 1, 2, 2)
    assert scored(lambda outputs: outputs[:, 0].mean((1, 2)), dense) == [1.5, 5.5]


@pytest.mark.parametrize("bad", [lambda outputs: outputs, lambda outputs: outputs.sum(), lambda outputs: 3.0])
def test_callable_must_give_one_score_each(bad):
    with pytest.raises(TargetError, match="one score for each sample"):
        targets.score(LOGITS, bad)


def test_rows_must_match_the_target():
    with pytest.raises(TargetError, match="2 rows for 3 samples"):
        targets.score(LOGITS, targets.check(0, 3))


def test_probabilities_warn_and_logits_do_not(recwarn):
    targets.inspect(LOGITS, None)
    targets.inspect(LOGITS.softmax(1)[:, :1], None)
    targets.inspect(LOGITS.softmax(1), lambda outputs: outputs[:, 0])
    assert not recwarn.list
    with pytest.warns(SalkitWarning, match="softmax"):
        targets.inspect(LOGITS.softmax(1), None)


def test_fix_and_take():
    assert targets.fix(LOGITS, None).tolist() == [1, 0]
    fixed = targets.check([2, 1], 2)
    assert targets.fix(LOGITS, fixed) is fixed
    assert targets.take(fixed, slice(1, 2)).tolist() == [1]
    assert targets.take(None, slice(1, 2)) is None
