"""What a notebook stores when a figure or a slider is the last value of a cell."""

import base64

import pytest

from salkit.display.drawing import MIME

nbclient = pytest.importorskip("nbclient", reason="needs nbclient, which comes with the book's requirements")
nbformat = pytest.importorskip("nbformat", reason="needs nbformat, which comes with the book's requirements")
pytest.importorskip("ipykernel", reason="needs ipykernel, which comes with the book's requirements")

SETUP = "import torch\nfrom salkit.display import grid, slider\nfigure = grid([torch.rand(2, 4, 4)])"


def run(*cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.parametrize("backend", ["", "%matplotlib inline\nimport matplotlib.pyplot\n"], ids=["plain", "inline"])
def test_a_figure_is_shown_once(backend):
    making, showing, sliding = run(
        backend + SETUP, "figure", "slider([figure, figure], ['one', 'two'], alt='Random maps')"
    )
    assert making == []
    (output,) = showing
    assert set(output.data) == {"image/png", MIME, "text/plain"}
    assert set(output.metadata) == {"image/png", MIME}
    assert base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG")
    (output,) = sliding
    assert set(output.data) == {"text/html", "text/plain"}
    assert output.data["text/plain"] == "<Slider with 2 frames: one … two>"
