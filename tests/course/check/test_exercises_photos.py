"""The exercises on photographs: the references are what salkit does, and a learner's own way passes."""

import torch

from salkit import data
from salkit.course import check


def cases(exercise, n=30):
    return [case for seed in range(n) for case in exercise.draw(seed)]


def test_the_square_is_the_one_that_salkit_cuts():
    shapes = set()
    for (photo,) in cases(check.middle_square):
        square = check.middle_square.reference(photo)
        shapes.add((photo.shape[0] > photo.shape[1], (photo.shape[0] - photo.shape[1]) % 2))
        assert torch.equal(square[None], data.middle_square(photo.permute(2, 0, 1), len(square[0])))
    assert shapes == {(True, 1), (False, 1)}


def test_what_is_placed_back_lies_where_it_was_cut_out():
    for square, height, width in cases(check.placed_back):
        whole = check.placed_back.reference(square, height, width)
        assert whole.shape == (height, width) and torch.isclose(whole.sum(), square.sum())
        pixels = torch.arange(height * width).view(height, width)
        rows, columns = (n % 256 for n in (pixels // width, pixels % width))
        photo = torch.stack([rows, columns, torch.zeros_like(rows)]).byte()
        seen = (data.middle_square(photo, len(square)) * 255).round().long()[0]
        assert torch.equal(whole[seen[0], seen[1]], square)


def test_the_group_is_the_softmax_of_its_log_sum_exp():
    for logits, members in cases(check.group_probability):
        score = logits[:, members].logsumexp(1)
        assert torch.allclose(check.group_probability.reference(logits, members), (score - logits.logsumexp(1)).exp())


def test_other_ways_to_the_same_answer_pass():
    def square(photo):
        side = min(photo.shape[0], photo.shape[1])
        y, x = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
        return photo.float().div(255).movedim(2, 0)[:, y : y + side, x : x + side].contiguous()

    def placed(square_map, height, width):
        across, down = width - square_map.shape[1], height - square_map.shape[0]
        return torch.nn.functional.pad(square_map, (across // 2, across - across // 2, down // 2, down - down // 2))

    def group(logits, members):
        return sum(logits.softmax(dim=-1)[:, k] for k in members)

    assert check.middle_square(square)
    assert check.placed_back(placed)
    assert check.group_probability(group)
