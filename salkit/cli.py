"""The command ``salkit``: ``doctor``, ``data get``, ``explain``, ``report``, ``train``, ``compare``.

It ends with 0, with 1 after an error that is told in one line, with 2 when it was called wrongly, and
with 130 after Ctrl-C. What takes long to import is imported inside the commands, so ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from . import __version__
from .errors import InputError, SalkitError, TargetError

FORMATS = ("png", "svg", "pdf", "jpg")
_MODELS = (
    "a torchvision ImageNet classifier, a checkpoint file (.safetensors), cifar10-NAME (or another name that salkit "
    "doctor lists) for a network that comes with salkit, or MODULE:FUNCTION, a function of your own that returns a "
    "network"
)


def main(argv: list[str] | None = None) -> int:
    """Run the command with these arguments (by default the process's own); returns the exit code."""
    arguments = _parser().parse_args(argv)
    arguments.words = sys.argv[1:] if argv is None else argv
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # as in ``salkit doctor | head -1``: nobody reads on, and nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (SalkitError, OSError) as error:
        print(f"salkit: error: {_one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interruption:
        print(": ".join(["salkit: interrupted", *interruption.args]), file=sys.stderr)
        return 130
    return 0


def _one_line(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.strerror}: {error.filename}"
    return " ".join(text.split())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="salkit",
        description="Saliency maps, and what they need, from the terminal.",
        epilog="example:\n  salkit explain cat.jpg --model resnet18 --method gradcam -o cat-map.png",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"salkit {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    doctor = _command(
        commands,
        "doctor",
        _doctor,
        help="show versions, device, data and disk",
        description="Show what salkit finds on this machine: versions, device, data and where, disk, networks.",
        epilog="example:\n  salkit doctor --json > machine.json",
    )
    doctor.add_argument("--json", action="store_true", help="print it as JSON")

    data = commands.add_parser("data", help="fetch datasets", description="Fetch datasets.")
    actions = data.add_subparsers(metavar="ACTION", required=True)
    get = _command(
        actions,
        "get",
        _get_data,
        help="download a dataset, unless it is there, and verify it",
        description="Find a dataset in $SALKIT_DATA or the cache, or download it into the cache, and verify it.",
        epilog="example:\n  salkit data get cifar10",
    )
    get.add_argument("name", choices=("cifar10", "mnist"), help="cifar10 or mnist")

    explain = _command(
        commands,
        "explain",
        _explain,
        help="draw what a network looks at in a picture",
        description="Write a figure with the picture, the map, and the map over the picture. The square in the "
        "middle of the picture is what the network sees.",
        epilog="examples:\n"
        "  salkit explain cat.jpg --model resnet18 --method smoothgrad -o cat-map.png\n"
        '  salkit explain cat.jpg --model mobilenet_v2 --method gradcam --target "tabby"\n'
        "  salkit explain frog.png --model my-network.safetensors",
    )
    explain.add_argument("image", metavar="IMAGE", type=Path, help="a picture: JPEG, PNG, or what else Pillow reads")
    explain.add_argument(
        "--model",
        default="resnet18",
        help=f"{_MODELS}; default: resnet18",
    )
    explain.add_argument(
        "--method",
        default="gradient",
        help="gradient (the default), smoothgrad, integrated_gradients, gradcam, occlusion, ...; a wrong name "
        "lists them all",
    )
    explain.add_argument(
        "--target", metavar="CLASS", help="the class to explain, by number or name (default: the one predicted)"
    )
    explain.add_argument(
        "--size", type=int, metavar="PIXELS", help="side of the square the network sees (default: what it was made for)"
    )
    explain.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the figure to write (default: IMAGE-METHOD.png, here)"
    )

    report = _command(
        commands,
        "report",
        _report,
        help="write a page on a network: maps side by side, sanity checks, scores, verdicts",
        description="Write one self-contained HTML page on a network: what it sees in the pictures, its maps by "
        "several methods, whether they change when the weights are scrambled, how they score beside a random map, and "
        "what all of that allows to say.",
        epilog="examples:\n"
        "  salkit report cifar10-small_cnn photos -o report.html\n"
        "  salkit report my-network.safetensors a.jpg b.jpg --methods gradient,gradcam\n"
        "  salkit report my_model:make photos --size 128 --classes names.txt",
    )
    report.add_argument("model", metavar="MODEL", help=_MODELS)
    report.add_argument(
        "images", metavar="IMAGES", nargs="+", help="pictures, or folders of them; the network sees the middle square"
    )
    report.add_argument(
        "-o", "--output", type=Path, metavar="FILE", default=Path("report.html"), help="default: report.html, here"
    )
    report.add_argument(
        "--methods",
        metavar="A,B,...",
        help="names with commas between them (default: gradient, smoothgrad, guided_backprop, integrated_gradients, "
        "gradcam and occlusion, as far as they apply); an edge map and a random map are always added",
    )
    report.add_argument(
        "--target", metavar="CLASS", help="the class to explain, by number or name (default: each picture's own)"
    )
    report.add_argument(
        "--classes", type=Path, metavar="FILE", help="a text file with the name of a class on each line"
    )
    report.add_argument("--size", type=int, metavar="PIXELS", help="as for explain")
    report.add_argument(
        "--at-most", type=int, default=16, metavar="N", help="look at so many pictures, evenly chosen (default: 16)"
    )
    report.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")

    train = _command(
        commands,
        "train",
        _train,
        help="train a network by a recipe, from a file",
        description="Train a network by a recipe; write its weights, and a card that says how it came to be. Under "
        "torchrun, all processes train one network together.",
        epilog="examples:\n"
        "  salkit train --list\n"
        "  salkit train --recipe resnet18 -o resnet18.safetensors\n"
        "  salkit train --recipe my/own.json --epochs 3 --seed 1\n"
        "  torchrun --nproc-per-node=2 -m salkit train --recipe shallow_cnn",
    )
    what = train.add_mutually_exclusive_group(required=True)
    what.add_argument("--recipe", metavar="NAME", help="a recipe that comes with salkit, or a file that ends in .json")
    what.add_argument("--list", action="store_true", help="list the recipes that come with salkit")
    train.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the file to write (default: NAME.safetensors, here)"
    )
    train.add_argument("--epochs", type=int, metavar="N", help="so many, in the recipe's last stage")
    train.add_argument("--seed", type=int, metavar="S", help="another than the recipe's")
    train.add_argument("--device", metavar="D", help="such as cpu or cuda:1 (default: a GPU if there is one)")
    train.add_argument("--resume", action="store_true", help="go on where a training of this recipe was interrupted")

    compare = _command(
        commands,
        "compare",
        _compare,
        help="score methods on drawn scenes, where the right answer is known",
        description="Draw scenes with the classes that a network knows, and score every method's maps by how well they "
        "find the object, and by deletion and insertion. Under torchrun, the processes share the work.",
        epilog="examples:\n"
        "  salkit compare --methods gradient,gradcam -n 50\n"
        "  salkit compare cifar10-small_cnn -o scores.csv\n"
        "  torchrun --nproc-per-node=2 -m salkit compare -o scores.json --save chunks",
    )
    compare.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        default="scenes-small_cnn_128",
        help=f"{_MODELS}; it must know classes that Scenes has (default: scenes-small_cnn_128)",
    )
    compare.add_argument(
        "--methods", metavar="A,B,...", help="names with commas between them (default: as for report, and the controls)"
    )
    compare.add_argument("-n", type=int, default=100, metavar="N", help="draw so many scenes (default: 100)")
    compare.add_argument("--size", type=int, metavar="PIXELS", help="as for explain")
    compare.add_argument(
        "--seed",
        type=int,
        default=2,
        help="of the scenes and of all that is drawn (default: 2; with 0 and 1 the network was trained and tested)",
    )
    compare.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="also write every number, to a .csv or .json file"
    )
    compare.add_argument(
        "--save", type=Path, metavar="FOLDER", help="keep finished parts there, and go on from those that are there"
    )
    return parser


def _command(commands, name: str, run, **texts) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, formatter_class=argparse.RawDescriptionHelpFormatter, **texts)
    parser.set_defaults(run=run)
    return parser


# --------------------------------------------------------------------------- doctor


def _doctor(arguments) -> None:
    facts = _facts()
    if arguments.json:
        print(json.dumps(facts, indent=2))
        return
    for heading, entries in facts.items():
        print(heading)
        for name, value in entries.items():
            shown = ", ".join(value) if isinstance(value, list) else value
            print(f"  {name:<14} {shown if shown else 'none'}")


def _facts() -> dict[str, dict]:
    """What ``doctor`` shows, by heading; values are texts, lists of texts, or ``None`` for what isn't there."""
    import platform
    import shutil

    import torch

    from ._cache import cache_dir, data_dir
    from .data import find_cifar10
    from .models import trained_names

    folder, cache = data_dir(), cache_dir()
    set_to = None if folder is None else f"{folder}{'' if folder.is_dir() else ' (no such folder)'}"
    existing = next(place for place in (cache, *cache.parents) if place.exists())
    packages = ("torch", "torchvision", "captum", "numpy", "scipy", "matplotlib", "scikit-image", "safetensors")
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "versions": {
            "salkit": __version__,
            "Python": platform.python_version(),
            **{name: _version(name) for name in packages},
        },
        "machine": {
            "system": platform.platform(terse=True),
            "device": f"GPU: {cuda}" if cuda else f"CPU, {torch.get_num_threads()} threads",
            "profile": os.environ.get("SALKIT_PROFILE") or "full",
        },
        "data": {
            "SALKIT_DATA": set_to,
            "cache": f"{cache}{'' if cache.is_dir() else ' (not made yet)'}",
            "free disk": f"{shutil.disk_usage(existing).free / 1e9:.1f} GB where the cache is",
            "CIFAR-10": _text(find_cifar10()) or "not found: salkit data get cifar10",
            "MNIST": _text(_find_mnist()) or "not found: salkit data get mnist",
        },
        "networks": {
            "with salkit": [name if "-" in name else f"cifar10-{name}" for name in trained_names()],
            "in SALKIT_DATA": sorted(file.stem for file in folder.glob("weights/*.safetensors")) if folder else [],
        },
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


# --------------------------------------------------------------------------- data get


def _get_data(arguments) -> None:
    from . import data

    load = {"cifar10": data.cifar10, "mnist": data.mnist}[arguments.name]
    # Decoding reads every byte, so what ends without an error is whole.
    sets = [load(split) for split in ("train", "test")]
    print(f"{sets[0].source}: {len(sets[0]):,} training and {len(sets[1]):,} test images")
    print(f"read from {_source_of(arguments.name)}")


def _source_of(name: str) -> Path | None:
    from .data import find_cifar10

    return {"cifar10": find_cifar10, "mnist": _find_mnist}[name]()


def _find_mnist() -> Path | None:
    """The folder with all four files of MNIST."""
    from ._cache import cache_dir, data_dir
    from .data.handwriting import FOLDER, MNIST_FILES

    folders = [place / FOLDER for place in (data_dir(), cache_dir()) if place]
    names = [name for pair in MNIST_FILES.values() for name in pair]
    return next((folder for folder in folders if all((folder / name).is_file() for name in names)), None)


# --------------------------------------------------------------------------- explain


def _explain(arguments) -> None:
    output = arguments.output or Path(f"{arguments.image.stem}-{arguments.method}.png")
    kind = output.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InputError(f"the figure must end in {', '.join('.' + name for name in FORMATS)}, not {output.name!r}")
    if arguments.size is not None and not 8 <= arguments.size <= 4096:
        raise InputError(f"--size must be between 8 and 4096 pixels, not {arguments.size}")

    from ._device import preferred_device
    from .attribution import METHODS
    from .data import middle_square, read_photo
    from .reporting.subjects import load_model

    photo = read_photo(arguments.image)

    if arguments.method not in METHODS:
        raise InputError(f"there is no method {arguments.method!r}; there are {', '.join(METHODS)}")
    method = METHODS[arguments.method]
    device = preferred_device()
    model, size = load_model(arguments.model, device)
    image = middle_square(photo, arguments.size or size).to(device)

    probabilities = _probabilities(model, image)
    predicted = int(probabilities.argmax())
    names = model.classes or [f"class {i}" for i in range(len(probabilities))]
    target = predicted if arguments.target is None else _find_class(arguments.target, names)
    if reason := method.why_not(model, image):
        raise InputError(f"{arguments.method} can't explain {arguments.model}: {reason}")
    maps = method(model, image, target)

    def chance(index: int) -> str:
        return f"{names[index]} {probabilities[index].item():.1%}"

    title = f"{arguments.model} sees: {chance(predicted)}"
    if target != predicted:
        title += f"\nexplained: {chance(target)}"
    _write_figure(output, kind, image, maps, title, arguments.method)
    print(f"predicted  {', '.join(chance(int(i)) for i in probabilities.topk(min(3, len(names))).indices)}")
    print(f"explained  {names[target]}, by {arguments.method}")
    print(f"written    {output}")


def _probabilities(model, image):
    """``(classes,)`` on the CPU."""
    import torch

    try:
        with torch.no_grad():
            logits = model(image)[0].float().cpu()
    except RuntimeError as error:
        side = image.shape[-1]
        raise InputError(f"the network can't take {side}x{side} pixels (choose another --size): {error}") from error
    return logits.softmax(0)


def _find_class(text: str, names) -> int:
    """The class with this number or name."""
    if text.lstrip("-").isdigit():
        if not 0 <= int(text) < len(names):
            raise TargetError(f"--target must be between 0 and {len(names) - 1}, not {text}")
        return int(text)
    wanted = text.casefold()
    same = [i for i, name in enumerate(names) if name.casefold() == wanted]
    if len(same) == 1:
        return same[0]
    # Two classes of ImageNet have one name ("crane", the bird and the machine); numbers tell them apart.
    words = same or [i for i, name in enumerate(names) if wanted in name.casefold().split()]
    close = words or [i for i, name in enumerate(names) if wanted in name.casefold()]
    if len(close) == 1:
        return close[0]
    if not close:
        raise TargetError(f"the network knows no class {text!r}; its {len(names)} are {', '.join(names[:10])}, ...")
    several = ", ".join(f"{names[i]} ({i})" for i in close[:8])
    raise TargetError(f"{text!r} fits several classes, choose one by number: {several}")


def _write_figure(path: Path, kind: str, image, maps, title: str, method: str) -> None:
    from . import display
    from ._cache import replacing

    heat = display.heatmap(maps)
    shown = display.reduce_channels(maps)[0]
    picture = display.pictures(image)[0]
    over = display.overlay(image, heat)[0]
    figure = display.grid([[picture, shown, over]], column_labels=["image", method, "overlay"], title=title, cell=2.24)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, bbox_inches="tight", pad_inches=0.1)


# --------------------------------------------------------------------------- report


def _report(arguments) -> None:
    from ._device import preferred_device
    from .reporting import load_model, report
    from .reporting.subjects import find_pictures

    find_pictures(arguments.images)  # before a network is loaded, or downloaded
    names = None if arguments.classes is None else _read_lines(arguments.classes)
    model, size = load_model(arguments.model, preferred_device())
    target = arguments.target
    if target is not None:
        known = names or getattr(model, "classes", None)
        if not known and not target.isdigit():
            raise TargetError("the network's classes have no names: give --target as a number, or --classes")
        target = _find_class(target, known) if known else int(target)
    path = report(
        model,
        arguments.images,
        output=arguments.output,
        methods=None if arguments.methods is None else [name.strip() for name in arguments.methods.split(",")],
        target=target,
        classes=names,
        size=arguments.size or size,
        at_most=arguments.at_most,
        seed=arguments.seed,
        name=arguments.model,
        command=shlex.join(["salkit", *arguments.words]),
    )
    print(f"written    {path}")


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file in UTF-8: {error}") from error
    return [line.strip() for line in lines if line.strip()]


# --------------------------------------------------------------------------- train


def _train(arguments) -> None:
    from dataclasses import replace

    from ._distributed import is_first
    from .course.recipes import read_recipe, train
    from .models import read_metadata

    if arguments.list:
        _list_recipes()
        return
    recipe = read_recipe(arguments.recipe)
    if arguments.epochs is not None:
        recipe = recipe.with_epochs(arguments.epochs)
    if arguments.seed is not None:
        recipe = replace(recipe, seed=arguments.seed)
    output = arguments.output or Path(f"{recipe.name}.safetensors")
    try:
        path = train(recipe, output, device=arguments.device, resume=arguments.resume)
    except KeyboardInterrupt:
        words = [word for word in arguments.words if word != "--resume"]
        raise KeyboardInterrupt(f"to go on, {shlex.join(['salkit', *words, '--resume'])}") from None
    if is_first():
        test = read_metadata(path)["test"]
        print(f"test       {test['accuracy']:.2%} of {test['images']:,} images")
        print(f"written    {path} and {path.with_suffix('.md').name}")


def _list_recipes() -> None:
    from .course.recipes import read_recipe, recipe_names

    rows = [("recipe", "network", "images", "epochs")]
    for name in recipe_names():
        recipe = read_recipe(name)
        epochs = " + ".join(str(stage.fit["epochs"]) for stage in recipe.stages)
        rows.append((name, recipe.architecture, recipe.stages[-1].data["dataset"], epochs))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


# --------------------------------------------------------------------------- compare


def _compare(arguments) -> None:
    kind = arguments.output.suffix.lower() if arguments.output else None
    if kind not in (None, ".csv", ".json"):
        raise InputError(f"the table must end in .csv or .json, not {arguments.output.name!r}")

    from ._device import preferred_device
    from ._distributed import is_first
    from .course.trials import on_scenes
    from .evaluation import compare
    from .reporting.subjects import load_model

    model, size = load_model(arguments.model, preferred_device())
    names = None if arguments.methods is None else [name.strip() for name in arguments.methods.split(",")]
    trials = on_scenes(model, arguments.n, size=arguments.size or size, seed=arguments.seed, methods=names)
    table = compare(model, trials.data, trials.methods, trials.scores, save=arguments.save, seed=arguments.seed)
    if not is_first():
        return
    print(f"{arguments.model} on {len(trials.data)} scenes, means with 95 % intervals\n{table}")
    if arguments.output:
        _write_table(arguments.output, kind, table, arguments)
        print(f"written    {arguments.output}")


def _write_table(path: Path, kind: str, table, arguments) -> None:
    import csv
    from dataclasses import asdict

    from ._cache import replacing

    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        if kind == ".csv":
            writer = csv.DictWriter(file, ("method", "score", "image", "value"))
            writer.writeheader()
            writer.writerows(table.rows())
            return
        means = [
            dict(method=method, score=score, **asdict(table.interval(method, score)))
            for method in table.methods
            for score in table.scores
        ]
        record = dict(model=arguments.model, scenes=arguments.n, seed=arguments.seed)
        json.dump({**record, "means": _nullable(means), "rows": _nullable(table.rows())}, file)


def _nullable(rows: list[dict]) -> list[dict]:
    """The same with ``None`` for NaN, which JSON doesn't have."""
    return [{name: None if value != value else value for name, value in row.items()} for row in rows]
