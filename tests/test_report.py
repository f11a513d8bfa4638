"""``salkit report``: the numbers behind the page, the words that they allow, and the page in a browser."""

import dataclasses
import re
import warnings
from html import unescape
from urllib.parse import urlsplit

import pytest
import torch
from PIL import Image
from torch import nn

import salkit
from salkit import cli, data, models
from salkit.errors import CheckpointError, CorruptDataError, InputError, SalkitWarning, TargetError
from salkit.evaluation import Interval
from salkit.reporting import collect, subject, subjects
from salkit.reporting.layout import page
from salkit.reporting.measurements import CONTROLS, SIMILARITIES, measure
from salkit.reporting.verdicts import CARE, NO, OPEN, brief, verdicts

METHODS = ["gradient", "guided_backprop", "integrated_gradients", "gradcam"]
PATIENCE = 120_000  # milliseconds


@pytest.fixture(scope="module")
def network():
    return models.trained("small_cnn")


@pytest.fixture(scope="module")
def measured(network):
    """The shipped network on three Scenes, by four methods."""
    pictures = collect(data.scenes(3, seed=3), size=32, at_most=16)
    return measure(subject(network, name="a <small> CNN"), pictures, methods=METHODS, progress=False)


@pytest.fixture(scope="module")
def text(measured):
    return page(measured, command="salkit report small.safetensors 'my photos' -o report.html")


@pytest.fixture
def photos(tmp_path):
    """A folder of three pictures, one of them deeper, and a file that is none."""
    (tmp_path / "photos/more").mkdir(parents=True)
    for name, colour in (("b.png", "red"), ("a.JPG", "blue"), ("more/c.webp", "green")):
        Image.new("RGB", (50, 40), colour).save(tmp_path / "photos" / name, "jpeg" if name == "a.JPG" else None)
    (tmp_path / "photos/notes.txt").write_text("no picture")
    return tmp_path / "photos"


class Flat(nn.Module):
    """A linear classifier for 8 x 8 images, quick to explain."""

    def __init__(self, classes=3):
        super().__init__()
        self.linear = nn.Linear(192, classes)

    def forward(self, x):
        return self.linear(x.flatten(1))


def words(page):
    """What a reader sees of it."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


# --- the numbers


def test_predictions_and_classes(network, measured):
    images = data.scenes(3, seed=3).pixels()
    with torch.no_grad():
        expected = network(images).double().softmax(1)
    torch.testing.assert_close(measured.predictions.probabilities, expected, rtol=1e-4, atol=1e-6)
    two = expected.topk(2).indices
    assert torch.equal(measured.explained, two[:, 0]) and torch.equal(measured.second, two[:, 1])
    assert measured.methods == (*METHODS, *CONTROLS)


def test_maps_are_those_of_the_package(network, measured):
    images = data.scenes(3, seed=3).pixels()
    gradient = salkit.gradient(network, images, measured.explained).abs().amax(1).double()
    torch.testing.assert_close(measured.maps["gradient"], gradient, rtol=1e-3, atol=1e-5)
    total = salkit.integrated_gradients(network, images, measured.explained).sum(1).double()
    torch.testing.assert_close(measured.maps["integrated_gradients"], total, rtol=1e-3, atol=1e-4)


def test_the_controls_are_where_they_must_be(measured):
    for kind in ("all layers", "last layer", "second class"):
        torch.testing.assert_close(measured.similarity[kind]["edge_map"], torch.ones(3, dtype=torch.float64))
    assert measured.similarity["all layers"]["random_map"].abs().max() < 0.2
    assert measured.similarity["last layer"]["random_map"].abs().max() < 0.2
    torch.testing.assert_close(measured.similarity["edges"]["edge_map"], torch.ones(3, dtype=torch.float64))


def test_the_class_is_held_when_weights_are_scrambled(measured, network):
    from salkit.sanity import cascade, spearman

    _, scrambled = next(cascade(network, ["net.classifier"], init="own", seed=0))
    images = data.scenes(3, seed=3).pixels()
    maps = salkit.gradient(scrambled, images, measured.explained).abs().amax(1).double()
    expected = spearman(maps, measured.maps["gradient"])
    torch.testing.assert_close(measured.similarity["last layer"]["gradient"], expected, rtol=1e-3, atol=1e-3)
    assert measured.scrambled == "net.classifier"


def test_completeness(measured, network):
    images = data.scenes(3, seed=3).pixels()
    with torch.no_grad():
        ends = [network(x)[torch.arange(3), measured.explained].double() for x in (torch.zeros_like(images), images)]
    gap, change = measured.completeness["gap"], measured.completeness["change"]
    torch.testing.assert_close(change, ends[1] - ends[0], rtol=1e-3, atol=1e-3)
    total = measured.maps["integrated_gradients"].flatten(1).sum(1)
    torch.testing.assert_close(total - change, gap, rtol=1e-2, atol=2e-4)


def test_scores_start_at_the_whole_image_and_end_there(measured):
    whole = measured.predictions.probabilities.amax(1)
    for name in measured.methods:
        torch.testing.assert_close(measured.curves["deletion"][name].scores[:, 0], whole, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(measured.curves["insertion"][name].scores[:, -1], whole, rtol=1e-3, atol=1e-5)


def test_the_network_is_left_as_it_was(network):
    model, before = network, {name: tensor.clone() for name, tensor in network.state_dict().items()}
    model.train()
    try:
        salkit.report(model, data.scenes(1), methods=["gradient"], progress=False)
        assert model.training and all(p.grad is None and p.requires_grad for p in model.parameters())
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    finally:
        model.eval()


def test_a_single_logit_and_a_named_target():
    one = collect(torch.rand(2, 3, 8, 8), size=8, at_most=4)
    found = measure(subject(Flat(1)), one, methods=["gradient"], progress=False)
    assert found.predictions.probabilities.shape == (2, 2) and found.classes == ("no", "yes")
    assert torch.equal(found.explained + found.second, torch.ones(2, dtype=torch.long))
    found = measure(subject(Flat()), one, methods=["gradient"], target=2, progress=False)
    assert found.explained.tolist() == [2, 2] and 2 not in found.second.tolist()


class Mirrored(Flat):
    """Two logits, one the negated other plus a constant."""

    def __init__(self):
        super().__init__(1)

    def forward(self, x):
        logit = super().forward(x)
        return torch.cat([logit, 0.3 - logit], 1)


@pytest.mark.parametrize("model", [Flat(1), Mirrored(), nn.Sequential(Flat(2), nn.Softmax(1))])
def test_two_mirrored_classes_are_not_held_against_a_method(model):
    found = measure(subject(model), collect(torch.rand(3, 3, 8, 8), size=8, at_most=4), methods=["gradient"])
    assert found.predictions.mirrored
    assert not any("second class" in reason for verdict in verdicts(found) for reason in verdict.reasons)
    said = words(page(found))
    assert "The check with the second class is left out. This network gives one number" in said
    assert "method all weights scrambled last layer scrambled edge map" in said


def test_two_classes_of_their_own_are_compared():
    torch.manual_seed(0)
    found = measure(subject(Flat(2)), collect(torch.rand(3, 3, 8, 8), size=8, at_most=4), methods=["gradient"])
    assert not found.predictions.mirrored and len(found.similarity["second class"]["gradient"]) == 3
    said = words(page(found))
    assert "second class is left out" not in said and "scrambled second class edge map" in said


def test_the_curves_of_a_single_logit_are_of_its_probability():
    model, images = Flat(1), torch.rand(4, 3, 8, 8)
    with torch.no_grad():
        model.linear.bias.sub_(model(images).median())  # so that both answers occur
        yes = model(images)[:, 0].double().sigmoid()
    found = measure(subject(model), collect(images, size=8, at_most=4), methods=["gradient"])
    assert set(found.explained.tolist()) == {0, 1}
    begins = found.curves["deletion"]["gradient"].scores[:, 0]
    torch.testing.assert_close(begins, torch.maximum(yes, 1 - yes), atol=1e-5, rtol=0)


@pytest.mark.parametrize("end", [nn.Softmax(1), nn.Sigmoid()])
def test_probabilities_stay_as_they_are(end):
    model, images = nn.Sequential(Flat(), nn.LayerNorm(3), end), torch.rand(2, 3, 8, 8)
    found = measure(subject(model), collect(images, size=8, at_most=4), methods=["gradient"])
    with torch.no_grad():
        outputs = model(images).double()
    torch.testing.assert_close(found.predictions.probabilities, outputs, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.curves["deletion"]["gradient"].scores[:, 0], outputs.amax(1), atol=1e-5, rtol=0)
    expected = salkit.gradient(model, images, lambda y: y.amax(1)).abs().amax(1).double()
    torch.testing.assert_close(found.maps["gradient"], expected, atol=1e-5, rtol=1e-4)
    assert "the network ends in a s" in found.warnings[0] and len(found.warnings) == 1


def test_outputs_that_carry_logits():
    class Outputs:
        def __init__(self, logits):
            self.logits = logits

    class Carried(Flat):
        def forward(self, x):
            return Outputs(super().forward(x))

    model, images = Carried(), torch.rand(2, 3, 8, 8)
    found = measure(subject(model), collect(images, size=8, at_most=4), methods=["gradient"])
    with torch.no_grad():
        torch.testing.assert_close(found.predictions.probabilities, model(images).logits.double().softmax(1))


def test_rounding_is_no_reason_to_refuse_images():
    images = torch.rand(2, 3, 8, 8)
    images[0, 0, 0, 0], images[1, 0, 0, 0] = -3e-8, 1 + 1e-7
    assert "use" in words(salkit.report(Flat(), images, methods=["gradient"], progress=False))


def test_weights_that_cannot_be_drawn_anew_are_put_into_another_order():
    class Own(Flat):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.rand(192))

        def forward(self, x):
            return self.linear(x.flatten(1) * self.scale)

    found = measure(subject(Own()), collect(torch.rand(1, 3, 8, 8), size=8, at_most=1), methods=["gradient"])
    assert "random order" in found.how


def test_methods_that_do_not_apply_are_named():
    text = salkit.report(Flat(), torch.rand(1, 3, 8, 8), progress=False)
    assert "guided_backprop : the model calls no ReLU" in words(text)
    assert "gradcam" in words(text).split("Methods left out")[1]


def test_so_many_images_at_even_distances():
    many = data.scenes(20)
    some = collect(many, size=32, at_most=4)
    assert some.names == ("image 0", "image 5", "image 10", "image 15") and some.total == 20
    assert torch.equal(some.labels, many.labels[[0, 5, 10, 15]])
    torch.testing.assert_close(some.inputs, many.pixels()[[0, 5, 10, 15]])


# --- verdicts


def with_similarity(measured, **changes):
    """The same measurements with other rank correlations for ``gradient``."""
    similarity = {kind: dict(measured.similarity[kind]) for kind in SIMILARITIES}
    for kind, values in changes.items():
        similarity[kind.replace("_", " ")]["gradient"] = torch.tensor(values, dtype=torch.float64)
    return dataclasses.replace(measured, similarity=similarity)


def with_curves(measured, kind, **changes):
    """The same measurements with other curves of a kind."""
    return dataclasses.replace(measured, curves=measured.curves | {kind: measured.curves[kind] | changes})


def of_gradient(measured):
    return next(verdict for verdict in verdicts(measured) if verdict.method == "gradient")


GOOD = dict(all_layers=[0.0, 0.1, 0.1], last_layer=[0.1, 0.1, 0.2], second_class=[0.3, 0.2, 0.2], edges=[0.1, 0.1, 0.2])


@pytest.mark.parametrize(
    "change, grade, sentence",
    [
        (dict(all_layers=[0.8, 0.7, 0.9]), NO, "did not notice that the weights were scrambled (rank correlation 0.80"),
        (dict(last_layer=[0.9, 0.9, 0.95]), NO, "did not notice that the last layer was scrambled (0.92"),
        (dict(all_layers=[0.3, 0.3, 0.4]), CARE, "only in part"),
        (dict(all_layers=[0.9, 0.1, 0.0]), CARE, "only in part"),  # one image alone is no proof
        (dict(all_layers=[torch.nan, 0.0, 0.1]), CARE, "In 1 of 3 images a map was constant"),
        (dict(all_layers=[torch.nan] * 3), CARE, "can't be compared"),
        (dict(second_class=[0.99, 0.98, 0.97]), CARE, "nearly the same map for the second class"),
        (dict(edges=[0.7, 0.6, 0.7]), CARE, "resemble an edge detector's"),
    ],
)
def test_what_the_numbers_allow_to_say(measured, change, grade, sentence):
    verdict = of_gradient(with_similarity(measured, **(GOOD | change)))
    assert verdict.grade == grade
    assert any(sentence in reason for reason in verdict.reasons), verdict.reasons


def test_a_method_is_held_against_the_random_map(measured):
    fine = with_similarity(measured, **GOOD)
    curve = fine.curves["deletion"]["random_map"]
    better = dataclasses.replace(curve, scores=curve.scores * 0.5)
    worse = dataclasses.replace(curve, scores=curve.scores * 1.5)

    def judged(mine, inserted):
        return of_gradient(
            with_curves(with_curves(fine, "deletion", gradient=mine), "insertion", gradient=inserted)
        )

    same = fine.curves["insertion"]["random_map"]
    assert judged(better, same).grade == OPEN
    assert "better than a random map, by deletion" in judged(better, same).reasons[-1]
    assert "edge map" not in judged(better, same).reasons[-1]
    fine = with_curves(fine, "deletion", edge_map=better)
    assert "so did the edge map, by deletion" in judged(better, same).reasons[-1]
    assert judged(curve, same).grade == CARE
    assert any("worse than a random map" in reason for reason in judged(worse, same).reasons)


def test_the_worst_come_first(measured):
    grades = [verdict.grade for verdict in verdicts(with_similarity(measured, all_layers=[0.9, 0.9, 0.9]))]
    assert grades[0] == NO and grades == sorted(grades, key=(NO, CARE, OPEN).index)


def test_intervals_in_words():
    assert brief(Interval(-0.001, -0.25, 0.5, 3)) == "0.00 [−0.25, 0.50]"
    assert brief(Interval(0.5, torch.nan, torch.nan, 1)) == "0.50"
    assert brief(Interval(torch.nan, torch.nan, torch.nan, 0)) == "–"


# --- the page


def test_the_page_says_what_it_must(text, measured):
    said = words(text)
    for section in ("In short", "Predictions and maps", "Sanity checks", "Scores", "Completeness",
                    "What this page cannot tell", "How to repeat it"):  # fmt: skip
        assert section in said
    assert "salkit report small.safetensors 'my photos' -o report.html" in said
    assert measured.subject.digest in said and measured.pictures.digest() in said
    assert f"salkit {salkit.__version__}" in said and f"torch {torch.__version__.split('+')[0]}" in said
    assert "539,178 parameters" in said and "3 images are few" in said
    assert said.count("Truly it is") == 3


SCRIPT = "<script>alert(1)</script>"


class Scripted(Flat):
    """Its only layer with weights has a name that is a script, and it warns with another."""

    def __init__(self):
        super().__init__()
        self.add_module(SCRIPT.replace("1", "'a layer'"), self.linear)
        del self.linear

    def forward(self, x):
        warnings.warn(SCRIPT.replace("1", "'a warning'"), SalkitWarning, stacklevel=1)
        (layer,) = self.children()
        return layer(x.flatten(1))


def test_no_name_can_break_the_page():
    what = ("a network", "a file", "a place", "a skipped file", "a command", "a class", "another", "a third")
    scripts = {name: SCRIPT.replace("1", repr(name)) for name in what}
    images = subjects.Pictures(
        torch.rand(1, 3, 8, 8), (scripts["a file"],), torch.tensor([2]), scripts["a place"], 2,
        (scripts["a skipped file"],),
    )  # fmt: skip
    classes = [scripts[name] for name in ("a class", "another", "a third")]
    found = measure(subject(Scripted(), name=scripts["a network"], classes=classes), images, progress=False)
    found = dataclasses.replace(found, left_out={"gradcam": SCRIPT.replace("1", "'a reason'")})
    text = page(found, command=scripts["a command"])
    assert "<script" not in text
    said = unescape(text)
    assert all(f"<script>alert('{name}')" in said for name in (*what, "a layer", "a warning", "a reason"))


def test_a_quote_cannot_end_an_alternative_text(measured):
    found = dataclasses.replace(measured, classes=('" onerror="alert(1)',) * 10)
    pictures = re.findall(r"<img [^>]*>", page(found))
    assert len(pictures) == 5 and all(re.fullmatch(r'<img src="[^"]+" alt="[^"]+">', tag) for tag in pictures)


def test_every_figure_says_what_it_shows(text):
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', text)
    assert len(alts) == text.count("<img ") == 3 + 2
    assert all("gradcam is highest at the" in alt for alt in alts[:3])
    assert all(re.search(r"by \w+ .*\(area \d", alt) for alt in alts[3:])


def test_a_constant_map_is_said_to_be_one(measured):
    flat = dataclasses.replace(measured, maps=measured.maps | {"gradcam": torch.zeros(3, 32, 32)})
    assert page(flat).count("gradcam is the same everywhere") == 3


def test_nothing_is_asked_for_and_nothing_runs(text):
    assert not re.search(r"<script|<link rel=.stylesheet|https?://|@import|url\(|\son\w+=", text)


@pytest.mark.parametrize("width, dark", [(1200, False), (1200, True), (360, False), (360, True)])
def test_in_a_browser(browser, text, tmp_path, width, dark):
    (tmp_path / "report.html").write_text(text)
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", offline=True
    )
    try:
        context.set_default_timeout(PATIENCE)
        opened, asked, complaints = context.new_page(), [], []
        opened.on("request", lambda request: urlsplit(request.url).scheme in ("file", "data") or asked.append(request))
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto((tmp_path / "report.html").as_uri(), wait_until="load")
        assert (asked, complaints) == ([], [])
        wide = opened.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1]
        pictures = opened.evaluate(
            "[...document.images].map(i => [i.naturalWidth > 500, getComputedStyle(i).filter])"
        )
        assert pictures == [[True, "none"]] * 5
        light = opened.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] > 128")
        assert light != dark
        for link in opened.locator("nav a").all():
            assert opened.locator(link.get_attribute("href")).count() == 1
        check_accessibility(opened)
    finally:
        context.close()


def check_accessibility(opened):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(opened).response["violations"]
    grave = [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in ("serious", "critical")]
    assert not grave


# --- the command, and what goes wrong


def test_the_command(network, photos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = "report cifar10-small_cnn photos --methods gradient --at-most 2 -o new/r.html"
    assert cli.main(given.split()) == 0
    out, err = capsys.readouterr()
    assert out == "written    new/r.html\n"
    assert err == ""  # no bar in a file
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["r.html"]
    said = words((tmp_path / "new/r.html").read_text())
    assert "salkit " + given in said
    assert "1. a.JPG" in said and "2. b.png" in said and "out of 3" in said


def test_a_bar_is_for_terminals(network, photos, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert cli.main(["report", "cifar10-small_cnn", str(photos), "--methods", "gradient", "--at-most", "2"]) == 0
    assert "6/6" in capsys.readouterr().err  # 2 pictures, a method and two controls


def test_a_damaged_picture_is_told_of(photos, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (photos / "broken.png").write_bytes((photos / "b.png").read_bytes()[:60])
    assert cli.main(["report", "cifar10-small_cnn", str(photos), "--methods", "gradient"]) == 0
    err = capsys.readouterr().err
    assert err.startswith(f"salkit: warning: skipped: {photos / 'broken.png'} can't be read") and err.count("\n") == 1
    said = words((tmp_path / "report.html").read_text())
    assert "Skipped, because they can't be read:" in said and "broken.png can't be read" in said
    assert "3 images from" in said and "even distances" not in said
    with pytest.warns(SalkitWarning, match="skipped: .*broken.png"):
        salkit.report(Flat(), photos, size=8, methods=["gradient"], progress=False)


def test_a_function_of_ones_own(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "def make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(192, 3))\n"
        "ready = make()\nnumber = lambda: 3\ndef broken():\n    return {}['key']\n"
    )
    (tmp_path / "names.txt").write_text("ant\nbee\n\ncow\n")
    options = [str(photos / "b.png"), "--methods", "gradient", "--size", "8"]
    for name in ("make", "ready"):
        asked = [f"my_nets:{name}", *options, "--classes", "names.txt", "--target", "bee"]
        assert cli.main(["report", *asked]) == 0
        assert "Explained: bee , as asked" in words((tmp_path / "report.html").read_text())
    for name, problem in {
        "my_nets:number": "must return a torch.nn.Module, not int",
        "my_nets:broken": "KeyError: 'key'",
        "my_nets:absent": "has no attribute 'absent'",
        "no_such_module:make": "can't be imported",
    }.items():
        capsys.readouterr()
        assert cli.main(["report", name, *options, "-o", "other.html"]) == 1
        error = capsys.readouterr().err
        assert problem in error and error.count("\n") == 1
    assert not (tmp_path / "other.html").exists()
    assert str(tmp_path) not in subjects.sys.path


def test_errors_come_before_any_map(photos, tmp_path, monkeypatch):
    def no_map(*args, **kwargs):
        raise AssertionError("a map was computed")

    monkeypatch.setattr("salkit.reporting.measurements._run", no_map)
    images = torch.rand(2, 3, 8, 8)

    def fails(kind, problem, *arguments, **options):
        with pytest.raises(kind, match=problem):
            salkit.report(*arguments, **options)

    fails(InputError, "no file or folder", Flat(), tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    fails(InputError, "no pictures in .*empty", Flat(), tmp_path / "empty")
    fails(InputError, "an empty list", Flat(), [])
    fails(InputError, "the batch is empty", Flat(), images[:0])
    fails(CorruptDataError, "can't be read as a picture", Flat(), photos / "notes.txt", size=8)
    two = [photos / "notes.txt", tmp_path / "broken.png"]
    two[1].touch()
    fails(CorruptDataError, "none of the 2 pictures can be read; of the first, .*notes.txt", Flat(), two, size=8)
    fails(InputError, r"must lie in \[0, 1\], not -", Flat(), images - 0.5)
    fails(InputError, r"must be floats \(N, C, H, W\)", Flat(), images[0])
    fails(InputError, "must be a torch.nn.Module", object(), images)
    fails(InputError, "no classifier 'resnet_18'", "resnet_18", images)
    fails(CheckpointError, "there is no file", "absent.safetensors", images)
    fails(CheckpointError, "there are: ", "cifar10-absent", images)
    fails(InputError, "2 class names for a network with 3 outputs", Flat(), images, classes=["ant", "bee"])
    fails(InputError, "labels up to 9, and the network 3 classes", nn.Sequential(nn.AvgPool2d(4), Flat()),
          data.scenes(10))  # fmt: skip
    fails(TargetError, "between 0 and 2, not 3", Flat(), images, target=3)
    fails(InputError, "there is no method 'lime'", Flat(), images, methods=["lime"])
    fails(InputError, "beside the controls", Flat(), images, methods=["edge_map"])
    fails(InputError, "cam can't explain this network", Flat(), images, methods=["gradient", "cam"])
    fails(InputError, r"can't take images of 3x9x9: RuntimeError: .*x243", Flat(), torch.rand(1, 3, 9, 9))
    fails(InputError, "no weights", nn.Flatten(), images)
    fails(InputError, "must end in .html, not 'page.pdf'", Flat(), images, output="page.pdf")
    fails(InputError, "at_most must be at least 1", Flat(), images, at_most=0)
    fails(InputError, "NaN or infinity", nn.Sequential(Flat(), nn.Threshold(1e9, float("nan"))), images)


def test_a_failing_disk_leaves_the_old_page(tmp_path, monkeypatch):
    (tmp_path / "r.html").write_text("old")

    def full(self, content):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError):
        salkit.report(Flat(), torch.rand(1, 3, 8, 8), methods=["gradient"], output=tmp_path / "r.html", progress=False)
    monkeypatch.undo()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("r.html", "old")]


def test_the_function_is_no_module():
    import salkit.reporting

    assert callable(salkit.report) and salkit.report is salkit.reporting.report
    assert "report" in dir(salkit)
