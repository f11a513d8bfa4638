"""What the laboratory computes in a browser is what salkit computes: networks, methods, options, random numbers."""

import base64
import json
import random
import warnings

import numpy as np
import pytest
import torch
from counter import digest, normal, threefry, uniform

import salkit
from salkit import attack, data, models
from tools.extensions import laboratory

SETTINGS = 5  # of each method on each network, so twenty of each method
NETWORKS = [*laboratory.NETWORKS, laboratory.UNTRAINED]
ALIKE = 1e-4  # of the largest value of a map
LAYERS = [("net.classifier",), *[(f"net.features.{i}", f"net.features.{i + 1}") for i in (12, 9, 6, 3, 0)]]

HARNESS = """<!doctype html><html lang="en"><title>Engine</title><script src="start.js"></script>"""
OPEN = """async () => {
    for (const name of ["random", "network", "methods", "worker", "client", "pictures"]) await Lab.script(`${name}.js`);
    window.numbers = (values) => {
        const bytes = new Uint8Array(Float64Array.from(values).buffer);
        let text = "";
        for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
        return btoa(text);
    };
}"""
ASK = """async ([job, pixels]) => {
    await Lab.network(job.network);
    const picture = Float32Array.from(Lab.decode(pixels), (value) => value / 255);
    const {map, moved, after, logits, k, adds} = await Lab.explained("test", {...job, picture});
    const attacked = moved && {moved: numbers(moved), after: [...after]};
    return {logits: [...logits], k, adds, map: numbers(map), ...attacked};
}"""


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    laboratory.write(folder)
    (folder / "index.html").write_text(HARNESS)
    page = browser.new_context(offline=True).new_page()
    page.set_default_timeout(120_000)
    page.goto((folder / "index.html").as_uri())
    page.evaluate(OPEN)
    yield page
    page.context.close()


def numbers(text):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text)).copy())


def scrambled(model, count, seed):
    """The network with its last layers drawn anew, as the page does it."""
    for names in LAYERS[:count]:
        layer = model.get_submodule(names[0])
        place = 5 - LAYERS.index(names)
        gain = 1 if len(names) == 1 else 2
        with torch.no_grad():
            layer.weight.copy_(normal(seed, place, layer.weight.shape) * (gain / layer.weight[0].numel()) ** 0.5)
            if len(names) == 1:
                layer.bias.zero_()
            else:
                model.get_submodule(names[1]).reset_parameters()
    return model


def network(name, scramble, seed):
    """In 64 bits: where a rectifier is within a rounding of its bend, 32 bits may fall on either side of it."""
    if name == laboratory.UNTRAINED:
        return scrambled(scrambled(models.small_cnn().double().eval(), 6, 0), scramble, seed)
    return scrambled(models.trained(name).double(), scramble, seed)


def setting(method, name, number):
    """The request with this number: a picture, a class, a scrambled network or none, and options."""
    draw = random.Random(f"{method} {name} {number}")
    size = 128 if "128" in name else draw.choice([32, 32, 17, 40])
    pixels = data.scenes(1, size=size, seed=draw.randrange(1000)).images[0]
    if draw.random() < 0.3:
        pixels = (pixels.float() * draw.random()).byte()
    options = {}
    for option, about in OPTIONS[method].items():
        options[option] = draw.choice(about) if isinstance(about, list) else draw.uniform(*about)
    job = {
        "network": name,
        "scramble": draw.choice([0, 0, 0, 1, 3, 6]),
        "seed": draw.randrange(100),
        "size": size,
        "target": draw.choice([None, *range(10)]),
        "method": method,
        "options": options,
    }
    return job, pixels


# Few passes: what is to be right with 3 copies is right with 30.
OPTIONS = {
    "gradient": {},
    "input_x_gradient": {},
    "smoothgrad": {"n": [1, 3], "noise": (0.0, 0.5), "seed": [0, 3, 99]},
    "integrated_gradients": {"n": [2, 5, 8], "baseline": [0, 0.5, 1]},
    "guided_backprop": {},
    "deconvnet": {},
    "cam": {},
    "gradcam": {"layer": [1, 2, 3, 4, 5], "sign": ["for", "both"]},
    "occlusion": {"window": [8, 11, 16], "stride": [8, 9, 16], "cover": [0, 0.5, 1]},
    "fgsm": {"eps": (0.5, 32), "goal": ["away", "towards"]},
    "pgd": {"eps": (0.5, 32), "steps": [1, 3], "goal": ["away", "towards"], "seed": [0, 5]},
    "edge_map": {},
    "random_map": {"seed": [0, 7]},
}


def expected(job, model, x, target, patch):
    """The same by salkit, with the page's random numbers."""
    method, options = job["method"], job["options"]
    if method == "smoothgrad":
        copies = iter(range(options["n"]))
        patch.setattr(
            "salkit.attribution.smooth._noise", lambda x, _: normal(options["seed"], next(copies), x.shape[1:])
        )
        return salkit.smoothgrad(model, x, target, n_samples=options["n"], noise_level=options["noise"], batch_size=2)
    if method == "integrated_gradients":
        return salkit.integrated_gradients(model, x, target, n_steps=options["n"], baseline=float(options["baseline"]))
    if method == "gradcam":
        layer = f"net.features.{3 * options['layer'] - 1}"
        return salkit.gradcam(model, x, target, layer=layer, relu=options["sign"] == "for")
    if method == "occlusion":
        window, stride = (max(1, int(options[name] * job["size"] / 32 + 0.5)) for name in ("window", "stride"))
        stride = min(window, stride)
        return salkit.occlusion(model, x, target, window=window, stride=stride, baseline=float(options["cover"]))[:, :1]
    if method in ("fgsm", "pgd"):
        kwargs = {"eps": options["eps"] / 255, "targeted": options["goal"] == "towards"}
        if method == "pgd":
            patch.setattr(torch, "rand", lambda shape, generator: uniform(options["seed"], 0, shape))
            kwargs |= {"steps": options["steps"]}
        return getattr(attack, method)(model, x, target, **kwargs)
    if method == "random_map":
        name = f"{job['network']} {job['scramble']} {job['seed']}".encode()
        return normal(options["seed"], digest(name + x.float().numpy().tobytes()), x.shape)
    return salkit.METHODS[method](model, x, target)


def compare(page, job, pixels, patch):
    got = page.evaluate(ASK, [job, base64.b64encode(pixels.numpy().tobytes()).decode()])
    model = network(job["network"], job["scramble"], job["seed"])
    x = (pixels.float() / 255).double()[None]
    with torch.no_grad():
        logits = model(x)[0]
    np.testing.assert_allclose(got["logits"], logits, rtol=1e-5, atol=1e-5)
    target = int(logits.argmax()) if job["target"] is None else job["target"]
    assert got["k"] == target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of maps that are zero, and of completeness with two steps
        want = expected(job, model, x, target, patch)[0]
    if job["method"] in ("fgsm", "pgd"):
        moved = numbers(got["moved"]).view_as(want)
        assert ((moved - want).abs() < 1e-6).double().mean() >= 0.999
        np.testing.assert_allclose(got["after"], model(want[None])[0].detach(), rtol=1e-3, atol=1e-3)
        return
    found = numbers(got["map"]).view_as(want)
    assert (found - want).abs().max() <= ALIKE * want.abs().max()
    if job["method"] == "cam":
        mean = salkit.cam(model, x, target, upsample=False).mean()
        assert got["adds"]["sum"] == pytest.approx(mean.item(), rel=1e-5, abs=1e-5)
        assert got["adds"]["sum"] == pytest.approx(got["adds"]["to"], rel=1e-5, abs=1e-5)
    if job["method"] == "integrated_gradients":
        gap = salkit.integrated_gradients(
            model, x, target, n_steps=job["options"]["n"], baseline=float(job["options"]["baseline"]), return_delta=True
        )[1]
        assert got["adds"]["sum"] - got["adds"]["to"] == pytest.approx(gap.item(), rel=1e-4, abs=1e-5)
    if job["method"] == "input_x_gradient":
        assert got["adds"]["sum"] == pytest.approx(want.sum().item(), rel=1e-5, abs=1e-5)
        assert got["adds"]["to"] == pytest.approx(logits[target].item(), rel=1e-5, abs=1e-5)


def test_every_method_and_option_of_the_page_is_compared(page):
    offered = page.evaluate("Object.entries(Lab.METHODS).map(([name, {options}]) => [name, Object.keys(options)])")
    assert {name: set(options) for name, options in offered} == {name: set(own) for name, own in OPTIONS.items()}
    assert page.evaluate("Lab.networks.map((one) => one.name)") == NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", OPTIONS)
@pytest.mark.filterwarnings("ignore")
def test_a_map_is_that_of_salkit(page, monkeypatch, method, name):
    for number in range(SETTINGS):
        job, pixels = setting(method, name, number)
        with monkeypatch.context() as patch:
            compare(page, job, pixels, patch)


def test_the_random_numbers_are_those_that_were_published(page):
    """The answers that come with the generator's own code, and Python's beside the page's."""
    known = [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ]
    for key, counter, words in known:
        assert tuple(threefry(key, [[word] for word in counter])[:, 0]) == words
        assert page.evaluate("words => Lab.threefry(...words)", [*key, *counter]) == list(words)
    for draw, name in ((uniform, "uniform"), (normal, "normal")):
        for seed, stream, n in ((0, 0, 1), (3, 2, 1001), (2**32 - 1, 12345, 4096)):
            found = numbers(
                page.evaluate(f"([seed, stream, n]) => numbers(Lab.{name}(seed, stream, n))", [seed, stream, n])
            )
            np.testing.assert_allclose(found, draw(seed, stream, n), rtol=1e-12, atol=1e-14)


def test_normal_numbers_are_normal():
    draws = normal(0, 0, 200_000)
    assert abs(draws.mean()) < 0.01 and abs(draws.std() - 1) < 0.01
    assert abs((draws.abs() < 1).double().mean() - 0.6827) < 0.005


def test_the_points_of_gauss_and_legendre(page):
    for n in (2, 7, 100):
        places, weights = np.polynomial.legendre.leggauss(n)
        found = np.array(page.evaluate("n => Lab.gaussLegendre(n)", n))
        np.testing.assert_allclose(found, np.stack([(places + 1) / 2, weights / 2], 1), atol=1e-13)


def test_a_newer_request_cancels_the_older_one(page):
    pixels = data.scenes(1).images[0].flatten().tolist()
    seen = page.evaluate(
        """async (pixels) => {
            await Lab.network("untrained");
            const picture = Float32Array.from(pixels, (value) => value / 255);
            const job = {network: "untrained", scramble: 0, seed: 0, size: 32, picture, target: 0};
            const seen = [];
            const told = (name) => ({progress: () => seen.push(name), result: () => seen.push(`${name} done`)});
            Lab.ask("a", {...job, method: "smoothgrad", options: {n: 100}}, told("old"));
            while (!seen.length) await new Promise((go) => setTimeout(go, 20));
            const before = seen.length;
            await Lab.explained("a", {...job, method: "gradient", options: {}});
            seen.splice(0, before);
            await new Promise((go) => setTimeout(go, 400));
            return [before, seen];
        }""",
        pixels,
    )
    assert seen[0] < 100 and seen[1] == []


def test_two_panels_take_turns(page):
    pixels = data.scenes(1).images[0].flatten().tolist()
    order = page.evaluate(
        """async (pixels) => {
            const picture = Float32Array.from(pixels, (value) => value / 255);
            const job = {network: "untrained", scramble: 0, seed: 0, size: 32, picture, target: 0};
            const order = [];
            const ask = async (panel, n) => {
                await Lab.explained(panel, {...job, method: "smoothgrad", options: {n}});
                order.push(panel);
            };
            await Promise.all([ask("long", 20), ask("short", 2)]);
            return order;
        }""",
        pixels,
    )
    assert order == ["short", "long"]


def test_a_file_that_was_cut_short_is_told_of(page):
    script = laboratory.weights_script("small_cnn")
    text = json.loads(script.split(", ", 1)[1].removesuffix(");\n"))
    for length in (0, 8, 4000, len(text) - 400):
        with pytest.raises(Exception, match="incomplete"):
            page.evaluate("text => Lab.readNetwork(Lab.decode(text))", text[:length])
