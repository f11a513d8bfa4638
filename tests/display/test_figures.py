"""The structure of figures: which panels there are, what they say, and on which scale they are drawn."""

import base64
import io
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch

from salkit.display import colours, curves, grid, intervals
from salkit.display.charts import _spread
from salkit.display.drawing import MIME
from salkit.display.panels import _short
from salkit.display.style import PALETTE
from salkit.errors import InputError

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (3, 3, 32, 32), generator=GENERATOR).to(torch.uint8)
MAPS = torch.randn(3, 32, 32, generator=GENERATOR)


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "key"]


def keys(figure):
    return [[text.get_text() for text in axes.texts] for axes in figure.axes if axes.get_label() == "key"]


def pixels(figure):
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())


def written(figure):
    return [text.get_text() for text in figure.texts]


def image(axes):
    return axes.get_images()[0]


def overlapping(figure, texts):
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    return [(i, j) for i in range(len(boxes)) for j in range(i) if boxes[i].overlaps(boxes[j])]


def test_grid_tells_pictures_maps_and_masks_apart():
    figure = grid([[IMAGES[0], IMAGES[0].permute(1, 2, 0) / 255, MAPS[0], MAPS[:1].abs(), MAPS[0] > 0, None]])
    shown = panels(figure)
    assert len(shown) == 6
    assert [image(axes).get_array().ndim for axes in shown[:5]] == [3, 3, 2, 2, 2]
    assert image(shown[4]).get_cmap().name == "gray"
    assert not shown[5].get_images() and not shown[5].axison
    assert sum("…" in text for text in written(figure)) == 2  # only maps have a range


def test_uint8_without_colour_is_a_picture():
    figure = grid([[IMAGES[0, 0], IMAGES[0, :1]]])
    assert [image(axes).get_array().shape for axes in panels(figure)] == [(32, 32, 3)] * 2
    assert keys(figure) == []


def test_signed_rows_are_symmetrical_about_zero_and_diverging():
    figure = grid([MAPS, MAPS.abs()])
    signed, unsigned = image(panels(figure)[0]), image(panels(figure)[3])
    assert signed.get_clim() == (-1, 1) and signed.get_cmap().name == "RdBu_r"
    assert unsigned.get_clim() == (0, 1) and unsigned.get_cmap().name == "inferno"
    drawn = np.asarray(signed.get_array())
    np.testing.assert_allclose(drawn, MAPS[0] / MAPS[0].abs().max(), atol=1e-6)
    assert keys(figure) == [["lowest", "highest"], ["negative", "positive"]]


def test_sign_is_decided_for_a_row_or_by_the_caller():
    mixed = torch.stack([MAPS[0], MAPS[1].abs()])
    assert [image(axes).get_clim() for axes in panels(grid([mixed]))] == [(-1, 1)] * 2
    assert [image(axes).get_clim() for axes in panels(grid([mixed], signed=False))] == [(0, 1)] * 2
    assert [image(axes).get_clim() for axes in panels(grid([mixed.abs()], signed=True))] == [(-1, 1)] * 2


def test_raw_range_is_printed_under_the_map():
    raw = torch.tensor([[-0.012345, 0.0], [1.0, 250.4]])
    assert "−0.012 … 250" in written(grid([[raw]]))
    figure = grid([[raw]], show_range=False)
    assert not any(written(figure)) and not keys(figure)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (0.0312, "0.031"), (-1.25, "−1.2"), (250.4, "250"), (3.44e-5, "3.4e−5"), (-1e12, "−1.0e12")],
)
def test_short_numbers(value, text):
    assert _short(value) == text


def test_constant_maps_are_drawn_dark():
    assert (np.asarray(image(panels(grid([[torch.full((4, 4), 7.0)]]))[0]).get_array()) == 0).all()


def test_labels_stand_where_they_belong_and_do_not_touch():
    figure = grid(
        [IMAGES, MAPS.abs() * 1e-7, MAPS],
        row_labels=["image", "saliency,\nraw", "signed"],
        column_labels=["airplane", "automobile", "bird"],
        titles=[["a", None, "c"], [None] * 3, [None, "e", None]],
        title="Nine panels",
    )
    shown = panels(figure)
    figure.draw_without_rendering()
    texts = [text for axes in shown for text in (*axes.texts, axes.title)] + figure.texts
    assert {"image", "saliency,", "raw", "automobile", "Nine panels", "c", "e"} <= {text.get_text() for text in texts}
    assert overlapping(figure, texts) == []
    # Nothing sticks out, so that a slider's frames, which are not cropped to their contents, are whole.
    renderer = figure.canvas.get_renderer()
    for text in texts:
        box = text.get_window_extent(renderer)
        assert not text.get_text() or (box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1)
        assert box.y1 <= figure.bbox.y1 + 1


def test_long_labels_shrink_and_long_titles_widen():
    figure = grid(
        [[IMAGES[0]] * 3],
        column_labels=["integrated gradients", "guided backpropagation", "gradient x input"],
        titles=[["x" * 20] * 3],
        title="A title that is a good deal longer than three small panels",
        cell=0.64,
    )
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in (*axes.texts, axes.title)] + figure.texts
    assert overlapping(figure, texts) == []
    assert {"integrated", "gradients"} <= set(written(figure)), "a long label is broken before it shrinks"
    assert figure.texts[0].get_window_extent().x1 <= figure.bbox.x1 + 1


def test_maps_on_one_scale_have_equal_colours_for_equal_values():
    one = torch.tensor([[0.0, 1.0]])
    rows = [[one, 2 * one], [4 * one, one - 1]]
    drawn = {
        scale: [float(image(axes).get_array()[0, 1]) for axes in panels(grid(rows, scale=scale))]
        for scale in (None, "row", "shared")
    }
    assert drawn == {None: [1, 1, 1, 0], "row": [0.5, 1, 1, 0], "shared": [0.25, 0.5, 1, 0]}
    assert [image(axes).get_clim() for axes in panels(grid(rows, scale="shared"))] == [(-1, 1)] * 4
    assert keys(grid(rows, scale="shared")) == [["−4", "4"]]
    assert keys(grid([[one, 2 * one]], scale="shared")) == [["0", "2"]]
    by_row = written(grid(rows, scale="row", row_labels=["a", "b"]))
    assert [text for text in by_row if "…" in text] == ["0 … 2", "−1 … 4"] and "a" in by_row


def test_an_outline_runs_along_the_edge_of_the_mask():
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[1:3, 2:5] = True
    figure = grid([[torch.rand(4, 6), torch.rand(8, 12)]], outlines=[[mask, mask]])
    for axes, finer in zip(panels(figure), (1, 2)):
        white, black = (patch for patch in axes.patches)
        assert white.get_edgecolor()[:3] == (1, 1, 1) and black.get_edgecolor()[:3] == (0, 0, 0)
        assert white.get_linewidth() > black.get_linewidth()
        ends = black.get_path().vertices.reshape(-1, 2, 2)
        length = np.abs(ends[:, 0] - ends[:, 1]).sum()
        assert len(ends) == 4 and length == finer * 10
        assert ends.min((0, 1)).tolist() == [2 * finer - 0.5, finer - 0.5]
        assert ends.max((0, 1)).tolist() == [5 * finer - 0.5, 3 * finer - 0.5]
    hole = torch.ones(5, 5, dtype=torch.bool)
    hole[2, 2] = False
    assert len(panels(grid([[hole.float()]], outlines=[[hole]]))[0].patches[0].get_path().vertices) == 16


def test_values_stand_in_their_cells_and_can_be_read_on_their_colour():
    values = torch.tensor([[0.0, -2.0], [3.25, 0.5]])
    figure = grid([[values, IMAGES[0], MAPS[0]]], values=True)
    small, *others = panels(figure)
    assert {text.get_text(): text.get_position() for text in small.texts} == {
        "0": (0, 0), "−2": (1, 0), "3.2": (0, 1), "0.5": (1, 1)
    }  # fmt: skip
    inks = {text.get_text(): text.get_color() for text in small.texts}
    assert (inks["0"], inks["3.2"]) == ("black", "white")
    assert not any(axes.texts for axes in others)
    with pytest.raises(InputError, match="larger cell"):
        grid([[torch.randn(8, 8) * 1e-7]], values=True, cell=0.8)


@pytest.mark.parametrize("columns", [2, 5, 12])
def test_on_a_phone_a_row_goes_on_below_and_nothing_touches(columns):
    labels = [f"method {j}" for j in range(columns)]
    figure = grid(
        [IMAGES[:1].repeat(columns, 1, 1, 1), MAPS[:1].repeat(columns, 1, 1)], ["image", "a long\nlabel"], labels
    )
    before = pixels(figure)
    with figure.narrow():
        figure.draw_without_rendering()
        assert figure.get_figwidth() <= 3.45 or columns == 2
        boxes = [axes.get_window_extent() for axes in panels(figure)]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert min(box.width for box in boxes) >= 50
        texts = [text for text in figure.texts if text.get_text()]
        assert overlapping(figure, texts) == [] and "a long label" in written(figure)
        assert not any(text.get_window_extent().overlaps(box) for text in texts for box in boxes)
    assert (pixels(figure) == before).all(), "it is as it was"


@pytest.mark.parametrize("columns", [1, 3, 10])
def test_pixels_of_the_first_image_are_equally_wide(columns):
    figure = grid([[IMAGES[0]] * columns], row_labels=["row"])
    width = panels(figure)[0].get_window_extent().width
    assert width % 32 == pytest.approx(0, abs=1e-6) and width >= 64
    assert image(panels(figure)[0]).get_interpolation() == "nearest"


def test_large_images_are_averaged_down_and_others_keep_their_shape():
    figure = grid([[torch.zeros(3, 200, 400), IMAGES[0]]], cell=1.0)
    box = panels(figure)[0].get_window_extent()
    assert (box.width, box.height) == pytest.approx((100, 50))
    assert image(panels(figure)[0]).get_interpolation() == "antialiased"
    assert all(axes.get_aspect() == 1 for axes in panels(figure))


def test_drawn_pixels_are_the_images_pixels():
    """At 100 dpi and 4 dots a pixel, the rendered panel is the image enlarged, nothing smoothed."""
    figure = grid([[IMAGES[0]]], cell=1.28)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba")
    drawn = np.frombuffer(buffer.getvalue(), np.uint8).reshape(128, 128, 4)[..., :3]
    np.testing.assert_array_equal(drawn, IMAGES[0].permute(1, 2, 0).numpy().repeat(4, 0).repeat(4, 1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grid([]), "at least one: got no rows"),
        (lambda: grid([[]]), "at least one"),
        (lambda: grid([IMAGES, IMAGES[:2]]), "same number of panels.*3, 2.*None"),
        (lambda: grid([[None]]), "nothing to draw"),
        (lambda: grid(IMAGES), r"grid\(\[images\]\)"),
        (lambda: grid(MAPS), r"grid\(\[images\]\)"),
        (lambda: grid([[torch.zeros(32)]]), "row 0, column 0"),
        (lambda: grid([[IMAGES[0], torch.zeros(2, 4, 4)]]), "row 0, column 1"),
        (lambda: grid([[torch.randn(3, 4, 4) * 5]]), "reduce their channels"),
        (lambda: grid([[IMAGES[0]], [MAPS[0] * float("nan")]]), "row 1, column 0: .*NaN"),
        (lambda: grid([IMAGES], row_labels=["a", "b"]), "row_labels must be 1"),
        (lambda: grid([IMAGES], column_labels=["a", "b"]), "column_labels must be 3"),
        (lambda: grid([IMAGES], titles=[["a"]]), "titles must have 1 rows of 3"),
        (lambda: grid([IMAGES], cell=0), "cell"),
        (lambda: grid([IMAGES], cmap="nope"), "no colour map"),
    ],
)
def test_grid_errors(call, words):
    with pytest.raises(InputError, match=words):
        call()


def names(axes):
    return {text.get_text(): text for text in axes.texts}


def test_curves_are_named_at_their_ends():
    x = np.arange(1, 21)
    figure = curves(x, {"up": x / 20, "down": 1 - x / 40}, "epoch", "accuracy", chance=0.1, percent=True)
    (axes,) = figure.axes
    up, down = (next(line for line in axes.get_lines() if line.get_label() == name) for name in ("up", "down"))
    np.testing.assert_array_equal(up.get_ydata(), x / 20)
    assert (up.get_color(), down.get_color()) == PALETTE[:2]
    assert axes.get_legend() is None and {"up", "down", "chance"} == set(names(axes))
    figure.draw_without_rendering()
    for line in (up, down):  # The name is as high as the end of its line.
        box = names(axes)[line.get_label()].get_window_extent(figure.canvas.get_renderer())
        end = axes.transData.transform((20, line.get_ydata()[-1]))
        assert box.y0 < end[1] < box.y1 and box.x0 > end[0]
    assert axes.yaxis.get_major_formatter()(0.5) == "50 %"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "accuracy")


def test_close_names_are_moved_apart():
    figure = curves([0, 1], {"a": [0, 0.5], "b": [1, 0.501], "c": [0, 0]}, "x", "y")
    figure.draw_without_rendering()
    texts = list(names(figure.axes[0]).values())
    assert len(texts) == 3 and overlapping(figure, texts) == []


def test_many_lines_with_one_end_get_a_legend():
    figure = curves([0, 1], {name: [i, 0] for i, name in enumerate("abcdefgh")}, "x", "y")
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == list("abcdefgh")
    lines = figure.axes[0].get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 8


def test_a_line_that_ends_early_gets_a_legend():
    assert curves([0, 1], {"a": [1, float("nan")], "b": [0, 1]}, "x", "y").axes[0].get_legend() is not None


def test_a_single_line_needs_no_name():
    figure = curves([0, 1], {"a": [1, 2]}, "x", "y")
    assert not figure.axes[0].texts and figure.axes[0].get_legend() is None


@pytest.mark.parametrize("form", ["tuple", "objects"])
def test_intervals_are_shaded(form):
    mean, low, high = [0.5, 0.6], [0.4, 0.55], [0.7, 0.8]
    values = (torch.tensor(mean), low, np.array(high))
    if form == "objects":
        values = [SimpleNamespace(mean=m, low=a, high=b, n=9) for m, a, b in zip(mean, low, high, strict=True)]
    (band,) = curves([0, 1], {"a": values}, "x", "y").axes[0].collections
    corners = {(round(x, 6), round(y, 6)) for x, y in band.get_paths()[0].vertices}
    assert {(0, 0.4), (0, 0.7), (1, 0.55), (1, 0.8)} <= corners


def test_three_values_in_a_tuple_are_values_not_an_interval():
    assert list(curves([0, 1, 2], {"a": (5.0, 1.0, 3.0)}, "x", "y").axes[0].get_lines()[0].get_ydata()) == [5, 1, 3]


def test_log_axis_names_the_given_points():
    axes = curves([1, 10, 50], {"a": [1, 2, 3]}, "x", "y", xlog=True).axes[0]
    assert axes.get_xscale() == "log" and [t.get_text() for t in axes.get_xticklabels()] == ["1", "10", "50"]
    assert axes.get_yscale() == "linear"
    assert curves([1, 10], {"a": [1, 200]}, "x", "y", ylog=True).axes[0].get_yscale() == "log"


def test_spread():
    assert _spread(np.array([0.9, 0.1]), 0.2).tolist() == [0.9, 0.1]
    assert _spread(np.array([0.5, 0.5]), 0.2).tolist() == pytest.approx([0.4, 0.6])
    # The pair moves apart, then touches the third; all three share their mean.
    assert _spread(np.array([0.7, 0.5, 0.5]), 0.2).tolist() == pytest.approx([2.3 / 3, 1.1 / 3, 1.7 / 3])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: curves([0, 1], {}, "x", "y"), "no series"),
        (lambda: curves([0], {"a": [1]}, "x", "y"), "at least two"),
        (lambda: curves([1, 0], {"a": [1, 2]}, "x", "y"), "increasing"),
        (lambda: curves([0, 1], {"a": [1, 2]}, "x", "y", xlog=True), "over 0"),
        (lambda: curves([0, 1], {"a": [1, 2, 3]}, "x", "y"), "'a' must have 2 values"),
        (lambda: curves([0, 1], {"a": ([1, 1], [2, 0], [3, 3])}, "x", "y"), "interval of 'a'"),
        (lambda: curves([0, 1], {"a": torch.zeros(2, 2)}, "x", "y"), "one row of numbers"),
        (lambda: intervals({}, "x"), "no rows"),
        (lambda: intervals({"a": 0.5}, "x"), "mean, low, high and n"),
        (lambda: intervals({"a": SimpleNamespace(mean=2, low=0, high=1, n=3)}, "x"), "interval of 'a'"),
    ],
)
def test_chart_errors(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_intervals_from_top_to_bottom():
    rows = {
        "FC": SimpleNamespace(mean=0.3, low=0.25, high=0.4, n=1200),
        "CNN": SimpleNamespace(mean=torch.tensor(0.5), low=0.45, high=0.6, n=7),
    }
    figure = intervals(rows, "share", chance=0.28, chance_label="uniform map", percent=True, title="Where?")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["FC  (n = 1,200)", "CNN  (n = 7)"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is on top
    dots = axes.get_lines()[0]
    np.testing.assert_allclose(dots.get_xdata(), [0.3, 0.5])
    (whiskers,) = axes.collections
    segments = [segment.tolist() for segment in whiskers.get_segments()]
    np.testing.assert_allclose(segments, [[[0.25, 0], [0.4, 0]], [[0.45, 1], [0.6, 1]]])
    assert "uniform map" in names(axes)


FIGURES = {
    "grid": lambda: grid([IMAGES, MAPS], row_labels=["a", "b"]),
    "curves": lambda: curves([0, 1], {"a": [0, 1], "b": [1, 0]}, "x", "y"),
    "intervals": lambda: intervals({"a": SimpleNamespace(mean=1, low=0, high=2, n=3)}, "x"),
}


@pytest.mark.parametrize("kind", FIGURES)
def test_the_readers_settings_are_neither_changed_nor_used(kind):
    plain = FIGURES[kind]()._repr_mimebundle_()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "text.color": "white", "figure.dpi": 50}):
        matplotlib.get_backend()  # Looked up on first use, which is a change to the settings.
        before = matplotlib.rcParams.copy()
        assert FIGURES[kind]()._repr_mimebundle_() == plain
        assert matplotlib.rcParams == before


@pytest.mark.parametrize("kind", FIGURES)
def test_pyplot_does_not_know_the_figure(kind):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    FIGURES[kind]()._repr_mimebundle_()
    assert plt.get_fignums() == before


@pytest.mark.parametrize("kind", FIGURES)
def test_the_picture_is_white_and_twice_as_large_as_it_is_shown(kind):
    from PIL import Image

    data, metadata = FIGURES[kind]()._repr_mimebundle_()
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    assert picture.size == tuple(2 * metadata["image/png"][side] for side in ("width", "height"))
    assert (np.asarray(picture)[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()


def test_photographs_are_stored_in_100_kb_and_their_letters_stay_sharp():
    from PIL import Image

    # As rich in detail as photographs of this size: as many bytes as JPEG.
    distance = torch.fft.fftfreq(224)[:, None].square() + torch.fft.rfftfreq(224).square()
    noise = torch.randn(12, 1, 224, 224, generator=GENERATOR) + torch.randn(12, 3, 224, 224, generator=GENERATOR) / 4
    noise = torch.fft.rfft2(noise)
    photos = torch.fft.irfft2(noise / distance.clamp(1e-5).sqrt() ** 1.5)
    photos = (0.5 + 0.2 * photos / photos.std((1, 2, 3), keepdim=True)).clamp(0, 1)
    data, metadata = grid(list(photos.split(4)), row_labels=["one", "two", "three"])._repr_mimebundle_()
    assert "image/png" not in data and len(data["image/jpeg"]) <= 100_000 and len(data[MIME]) < 180_000
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"])))
    assert picture.width >= metadata["image/jpeg"]["width"]
    # Where nothing but row labels are, there is white, and ink that is nearly black.
    corner = np.asarray(picture.convert("L"))[:, : picture.width // 16]
    assert corner.min() < 80 and np.median(corner) > 250


def test_a_name_keeps_its_colour():
    chosen = colours(["edges", "gradcam", "noise"])
    assert list(chosen.values()) == list(PALETTE[:3])
    lines = {"gradcam": [0, 1], "noise": [1, 0]}
    drawn = curves([0, 1], lines, "x", "y", colours=chosen).axes[0].get_lines()
    assert [line.get_color() for line in drawn] == [chosen["gradcam"], chosen["noise"]]
    row = SimpleNamespace(mean=1, low=0, high=2, n=3)
    axes = intervals(
        {"noise": row, "edges": row, "noise again": row}, "x", colours=chosen | {"noise again": chosen["noise"]}
    ).axes[0]
    dots = {tuple(line.get_ydata()): line.get_color() for line in axes.get_lines()}
    assert dots == {(0, 2): chosen["noise"], (1,): chosen["edges"]}
    with pytest.raises(InputError, match="has none for 'gradcam'"):
        curves([0, 1], lines, "x", "y", colours={"noise": PALETTE[0]})
    for names in ("abcdefgh", "aa"):
        with pytest.raises(InputError, match="different names"):
            colours(names)


def test_two_lines_of_one_colour_have_other_styles():
    same = dict.fromkeys("ab", PALETTE[0])
    one, two = curves([0, 1], {"a": [0, 1], "b": [1, 0]}, "x", "y", colours=same).axes[0].get_lines()
    assert one.get_linestyle() != two.get_linestyle()


def test_on_a_phone_names_of_lines_stand_below_and_names_of_rows_above():
    lines = {f"network {i}": [i, i + 1] for i in range(3)}
    figure = curves([0, 1], lines, "an axis with a name that is longer than a phone is wide, really", "y")
    (axes,) = figure.axes
    before = pixels(figure)
    with figure.narrow():
        figure.draw_without_rendering()
        assert figure.get_figwidth() < 3.5 and "\n" in axes.get_xlabel()
        assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)
        assert axes.get_legend().get_window_extent().y1 < axes.xaxis.label.get_window_extent().y0
    assert axes.get_legend() is None and set(lines) <= set(names(axes)) and (pixels(figure) == before).all()

    rows = {f"a method with a long name {i}": SimpleNamespace(mean=i, low=i - 1, high=i + 1, n=99) for i in range(3)}
    figure = intervals(rows, "share", chance=0)
    before = pixels(figure)
    with figure.narrow():
        figure.draw_without_rendering()
        (axes,) = figure.axes
        written_names = [text for text in axes.texts if "n = 99" in text.get_text()]
        heights = axes.transData.inverted().transform(
            [text.get_window_extent().get_points()[0] for text in written_names]
        )
        assert [round(y) for y in heights[:, 1]] == [0, 1, 2] and (heights[:, 1] < [0, 1, 2]).all()
        assert axes.get_window_extent().width > 0.85 * figure.bbox.width
    assert (pixels(figure) == before).all()
