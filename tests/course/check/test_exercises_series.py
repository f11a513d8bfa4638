"""The exercises about series agree with the package, and take the solutions that learners write."""

import torch

from salkit.course import check, flights, windows


def _cases(exercise, n=5):
    generator = torch.Generator().manual_seed(0)
    return [exercise.case(generator) for _ in range(n)]


def test_cut_windows_is_the_package_s():
    for values, length in _cases(check.cut_windows):
        inputs, targets = windows(values, length)
        expected = torch.cat([inputs, targets[:, None]], dim=1)
        assert torch.equal(check.cut_windows.reference(values, length), expected)


def test_what_was_scaled_does_not_change_with_the_future():
    for values, n_train in _cases(check.scale_without_leak):
        changed = values.clone()
        changed[n_train:] *= 10
        scaled, again = (check.scale_without_leak.reference(v, n_train)[:n_train] for v in (values, changed))
        assert torch.equal(scaled, again)
        torch.testing.assert_close(torch.stack([scaled.mean(), scaled.std()]), torch.tensor([0.0, 1.0]))


def test_naive_error_by_hand():
    inputs, targets = torch.tensor([[1.0, 5.0], [4.0, 2.0], [0.0, 7.0]]), torch.tensor([6.0, 0.0, 7.0])
    assert check.naive_error.reference(inputs, targets) == 1.0
    inputs, targets = windows(flights().passengers[-13:], 12)
    assert check.naive_error.reference(inputs, targets) == 432 - 390


def test_solutions_as_learners_write_them():
    def loop(values, length):
        rows = [values[start : start + length + 1] for start in range(len(values) - length)]
        return torch.stack(rows)

    assert check.cut_windows(loop)
    assert check.cut_windows(lambda v, n: torch.cat([windows(v, n)[0], windows(v, n)[1][:, None]], 1))

    def scale(values, n_train):
        known = values[:n_train]
        return (values - known.mean()) / known.std()

    assert check.scale_without_leak(scale)
    assert check.scale_without_leak(lambda v, n: scale(v.double(), n).numpy())
    assert check.naive_error(lambda x, y: torch.nn.functional.l1_loss(x[:, -1], y))
    assert check.naive_error(lambda x, y: sum(abs(float(a[-1] - b)) for a, b in zip(x, y)) / len(y))


def test_scaling_in_place_is_noticed():
    def in_place(values, n_train):
        mean, std = values[:n_train].mean(), values[:n_train].std()
        values -= mean
        return values / std

    assert "changed in place" in check.scale_without_leak(in_place).hint
