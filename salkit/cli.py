"""The command ``salkit``: ``doctor``, ``data get``, ``explain``, ``report``, ``train``, ``compare``, ``grade``.

It ends with 0, with 1 after an error that is told in one line, with 2 when it was called wrongly, and
with 130 after Ctrl-C. What takes long to import is imported inside the commands, so ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shlex
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from . import __version__
from .errors import InputError, SalkitError, SalkitWarning

Argument = tuple[tuple[str, ...], dict]
"""Names of an argument, and how it is read."""
FORMATS = {"figure": (".png", ".svg", ".pdf", ".jpg"), "overlay": (".png", ".jpg"), "map": (".npy",)}
"""What ``explain`` can write, and in which files."""
_MODELS = (
    "a torchvision ImageNet classifier, a checkpoint file (.safetensors), cifar10-NAME (or another name that salkit "
    "doctor lists) for a network that comes with salkit, or MODULE:FUNCTION, a function of your own that returns a "
    "network"
)


def _argument(*flags: str, **options) -> Argument:
    """What ``argparse.ArgumentParser.add_argument`` is to be called with."""
    return flags, options


def _output(words: str, **options) -> Argument:
    return _argument("-o", "--output", type=Path, metavar="FILE", help=words, **options)


def _size(words: str) -> Argument:
    return _argument("--size", type=int, metavar="PIXELS", help=words)


def _methods(default: str, more: str = "") -> Argument:
    return _argument(
        "--methods",
        type=lambda text: [name.strip() for name in text.split(",")],
        metavar="A,B,...",
        help=f"names with commas between them (default: {default}){more}",
    )


_CLASSES = _argument("--classes", type=Path, metavar="FILE", help="a text file with the name of a class on each line")


def main(argv: list[str] | None = None) -> int:
    """Run the command with these arguments (by default the process's own); returns the exit code."""
    arguments = _parser().parse_args(argv)
    command = shlex.join(["salkit", *(sys.argv[1:] if argv is None else argv)])
    try:
        with _warnings_as_sentences():
            arguments.run(arguments, command)
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


@contextmanager
def _warnings_as_sentences() -> Generator[None]:
    """Each warning once, in words, and not as Python shows it, with a file and a line of code."""
    told = set()

    def show(message, *_where, **_more) -> None:
        text = " ".join(str(message).split())
        if text not in told:
            told.add(text)
            print(f"salkit: warning: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", SalkitWarning)
        warnings.showwarning = show  # ty: ignore[invalid-assignment]  # its type is the very function that it replaces
        yield


def _one_line(error: Exception) -> str:
    named = isinstance(error, OSError) and error.strerror and error.filename
    text = f"{error.strerror}: {error.filename}" if named else str(error)
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
    _command(
        commands,
        "doctor",
        _doctor,
        _argument("--json", action="store_true", help="print it as JSON"),
        help="show versions, device, data and disk",
        description="Show what salkit finds on this machine: versions, device, data and where, disk, networks.",
        epilog="example:\n  salkit doctor --json > machine.json",
    )
    data = commands.add_parser("data", help="fetch datasets", description="Fetch datasets.")
    _command(
        data.add_subparsers(metavar="ACTION", required=True),
        "get",
        _get_data,
        _argument("name", choices=("cifar10", "mnist"), help="cifar10 or mnist"),
        help="download a dataset, unless it is there, and verify it",
        description="Find a dataset in $SALKIT_DATA or the cache, or download it into the cache, and verify it.",
        epilog="example:\n  salkit data get cifar10",
    )
    _command(
        commands,
        "explain",
        _explain,
        _argument(
            "images",
            metavar="IMAGE",
            nargs="+",
            help="pictures (JPEG, PNG, or what else Pillow reads), or folders of them",
        ),
        _argument("--model", default="resnet18", help=f"{_MODELS}; default: resnet18"),
        _argument(
            "--method",
            default="gradient",
            help="gradient (the default), smoothgrad, integrated_gradients, gradcam, occlusion, ...; a wrong name "
            "lists them all",
        ),
        _argument(
            "--target",
            metavar="CLASS",
            help="the class to explain, by number or name (default: the one predicted; of a single output, that one)",
        ),
        _argument(
            "--layer", metavar="NAME", help="the layer that gradcam and its kin read, as net.layer3 (default: the last)"
        ),
        _CLASSES,
        _size("side of the square the network sees (default: what it was made for)"),
        _argument(
            "--as",
            dest="kind",
            choices=FORMATS,
            help="figure (the default); overlay: the map over the whole picture, at its full size; map: the numbers, "
            "for numpy.load",
        ),
        _output("the file to write; for several pictures a folder (default: IMAGE-METHOD.png, here)"),
        help="draw what a network looks at in a picture",
        description="Write a figure with the picture, the map, and the map over the picture; or the latter alone, or "
        "the numbers. The square in the middle of the picture is what the network sees.",
        epilog="examples:\n"
        "  salkit explain cat.jpg --model resnet18 --method smoothgrad -o cat-map.png\n"
        '  salkit explain cat.jpg --model mobilenet_v2 --method gradcam --target "tabby"\n'
        "  salkit explain photos --model my_model:make --classes names.txt --as overlay -o maps\n"
        "  salkit explain frog.png --model my-network.safetensors -o frog.npy",
    )
    _command(
        commands,
        "report",
        _report,
        _argument("model", metavar="MODEL", help=_MODELS),
        _argument(
            "images",
            metavar="IMAGES",
            nargs="+",
            help="pictures, or folders of them; the network sees the middle square",
        ),
        _output("default: report.html, here", default=Path("report.html")),
        _methods(
            "gradient, smoothgrad, guided_backprop, integrated_gradients, gradcam and occlusion, as far as they apply",
            "; an edge map and a random map are always added",
        ),
        _argument(
            "--target", metavar="CLASS", help="the class to explain, by number or name (default: each picture's own)"
        ),
        _CLASSES,
        _size("as for explain"),
        _argument(
            "--at-most", type=int, default=16, metavar="N", help="look at so many pictures, evenly chosen (default: 16)"
        ),
        _argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)"),
        help="write a page on a network: maps side by side, sanity checks, scores, verdicts",
        description="Write one self-contained HTML page on a network: what it sees in the pictures, its maps by "
        "several methods, whether they change when the weights are scrambled, how they score beside a random map, and "
        "what all of that allows to say.",
        epilog="examples:\n"
        "  salkit report cifar10-small_cnn photos -o report.html\n"
        "  salkit report my-network.safetensors a.jpg b.jpg --methods gradient,gradcam\n"
        "  salkit report my_model:make photos --size 128 --classes names.txt",
    )
    _command(
        commands,
        "train",
        _train,
        [
            _argument("--recipe", metavar="NAME", help="a recipe that comes with salkit, or a file that ends in .json"),
            _argument("--list", action="store_true", help="list the recipes that come with salkit"),
        ],
        _output("the file to write (default: NAME.safetensors, here)"),
        _argument("--epochs", type=int, metavar="N", help="so many, in the recipe's last stage"),
        _argument("--seed", type=int, metavar="S", help="another than the recipe's"),
        _argument("--device", metavar="D", help="such as cpu or cuda:1 (default: a GPU if there is one)"),
        _argument("--resume", action="store_true", help="go on where a training of this recipe was interrupted"),
        help="train a network by a recipe, from a file",
        description="Train a network by a recipe; write its weights, and a card that says how it came to be. Under "
        "torchrun, all processes train one network together.",
        epilog="examples:\n"
        "  salkit train --list\n"
        "  salkit train --recipe resnet18 -o resnet18.safetensors\n"
        "  salkit train --recipe my/own.json --epochs 3 --seed 1\n"
        "  torchrun --nproc-per-node=2 -m salkit train --recipe shallow_cnn",
    )
    _command(
        commands,
        "compare",
        _compare,
        _argument(
            "model",
            metavar="MODEL",
            nargs="?",
            default="scenes-small_cnn_128",
            help=f"{_MODELS}; it must know classes that Scenes has (default: scenes-small_cnn_128)",
        ),
        _methods("as for report, and the controls"),
        _argument("-n", type=int, default=100, metavar="N", help="draw so many scenes (default: 100)"),
        _size("as for explain"),
        _argument(
            "--seed",
            type=int,
            default=2,
            help="of the scenes and of all that is drawn (default: 2; with 0 and 1 the network was trained and tested)",
        ),
        _output("also write every number, to a .csv or .json file"),
        _argument(
            "--save", type=Path, metavar="FOLDER", help="keep finished parts there, and go on from those that are there"
        ),
        help="score methods on drawn scenes, where the right answer is known",
        description="Draw scenes with the classes that a network knows, and score every method's maps by how well they "
        "find the object, and by deletion and insertion. Under torchrun, the processes share the work.",
        epilog="examples:\n"
        "  salkit compare --methods gradient,gradcam -n 50\n"
        "  salkit compare cifar10-small_cnn -o scores.csv\n"
        "  torchrun --nproc-per-node=2 -m salkit compare -o scores.json --save chunks",
    )
    _command(
        commands,
        "grade",
        _grade,
        _argument("folder", metavar="FOLDER", type=Path, help="with LEARNER/NOTEBOOK.ipynb, or LEARNER.ipynb"),
        _output("the table to write (default: marks.csv, here)", default=Path("marks.csv")),
        _argument("--seed", type=int, help="of the cases, for everybody (default: a new one, which the table has)"),
        _argument("--seconds", type=float, default=60, metavar="N", help="for one answer (default: 60)"),
        _argument("--memory", type=float, default=2, metavar="GB", help="for one answer (default: 2)"),
        _argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="at once (default: one a core)"),
        help="mark the exercises in the notebooks of a class",
        description="Call the functions that learners wrote, on cases that nobody has seen, each in a process of its "
        "own; write a row for each answer, and say which mistake was made how often. On Linux the processes have no "
        "network; everywhere they can read and write your files, so mark people whom you don't trust in a container. "
        "That somebody passes shows that the function is right, and not who wrote it.",
        epilog="example:\n  salkit grade submissions -o marks.csv",
    )
    return parser


def _command(commands, name: str, run: Callable, *arguments: Argument | list[Argument], **texts: str) -> None:
    """Add a command; of the arguments in a list exactly one must be given."""
    parser = commands.add_parser(name, formatter_class=argparse.RawDescriptionHelpFormatter, **texts)
    parser.set_defaults(run=run)
    for argument in arguments:
        alone = not isinstance(argument, list)
        place = parser if alone else parser.add_mutually_exclusive_group(required=True)
        for flags, options in [argument] if alone else argument:
            place.add_argument(*flags, **options)


# --------------------------------------------------------------------------- doctor


def _doctor(arguments, _command) -> None:
    from .reporting import machine

    facts = machine.facts()
    if arguments.json:
        print(json.dumps(facts, indent=2))
        return
    for heading, entries in facts.items():
        print(heading)
        for name, value in entries.items():
            shown = ", ".join(value) if isinstance(value, list) else value
            print(f"  {name:<14} {shown if shown else 'none'}")


# --------------------------------------------------------------------------- data get


def _get_data(arguments, _command) -> None:
    from . import data

    load, find = {"cifar10": (data.cifar10, data.find_cifar10), "mnist": (data.mnist, data.find_mnist)}[arguments.name]
    # Decoding reads every byte, so what ends without an error is whole.
    sets = [load(split) for split in ("train", "test")]
    print(f"{sets[0].source}: {len(sets[0]):,} training and {len(sets[1]):,} test images")
    print(f"read from {find()}")


# --------------------------------------------------------------------------- explain


def _explain(arguments, _command) -> None:
    kind = arguments.kind or ("map" if arguments.output and arguments.output.suffix == ".npy" else "figure")
    from ._cache import check_output
    from ._device import preferred_device
    from .reporting import explanation
    from .reporting.subjects import check_layer, check_size, find_pictures, load_model, read_pictures

    if arguments.size is not None:
        check_size(arguments.size)
    files = find_pictures(arguments.images)
    outputs = _outputs(files, kind, arguments)
    for output in outputs.values():
        check_output(output, files)
    explanation.check_method(arguments.method, arguments.layer)
    names = _read_names(arguments.classes)
    skipped: list[str] = []
    model = None
    for file, photo in read_pictures(files, skipped):
        if model is None:  # only now, because it may have to be downloaded
            model, made_for = load_model(arguments.model, preferred_device())
            check_layer(model, arguments.layer)
        with _passes_counted(model):
            found = explanation.explain(
                model,
                photo,
                size=arguments.size or made_for,
                method=arguments.method,
                target=arguments.target,
                classes=names,
                layer=arguments.layer,
            )
        explanation.write(found, kind, outputs[file], arguments.model)
        if len(files) > 1:
            print(file)
        likeliest = found.probabilities.topk(min(3, len(found.classes))).indices
        print(f"predicted  {', '.join(found.chance(int(k)) for k in likeliest)}")
        print(f"explained  {found.classes[found.explained]}, by {arguments.method}")
        print(f"written    {outputs[file]}")
    for problem in skipped:
        warnings.warn(f"skipped: {problem}", SalkitWarning, stacklevel=2)


def _outputs(files: list[Path], kind: str, arguments) -> dict[Path, Path]:
    """The file to write for each picture."""
    given, endings = arguments.output, FORMATS[kind]
    if given is not None and given.suffix and not given.is_dir():
        if given.suffix.lower() not in endings:
            raise InputError(f"the {kind} must end in {', '.join(endings)}, not {given.name!r}")
        if len(files) > 1:
            raise InputError(f"for {len(files)} pictures -o must name a folder, not the file {given}")
        return {files[0]: given}
    what = f"{arguments.method}-overlay" if kind == "overlay" else arguments.method
    outputs = {file: (given or Path()) / f"{file.stem}-{what}{endings[0]}" for file in files}
    by_output = {output: file for file, output in outputs.items()}
    for file, output in outputs.items():
        if by_output[output] != file:
            raise InputError(f"{file} and {by_output[output]} would both be written to {output}: rename one")
    return outputs


@contextmanager
def _passes_counted(model) -> Generator[None]:
    """On a terminal, and where it takes more than two seconds: how many images went through the network."""
    import torch
    from tqdm import tqdm

    if not sys.stderr.isatty() or isinstance(model, torch.jit.ScriptModule):  # such a module takes no hooks
        yield
        return
    with (
        tqdm(unit=" images through the network", delay=2, leave=False) as bar,
        model.register_forward_pre_hook(lambda _model, inputs: bar.update(len(inputs[0])) and None),
    ):
        yield


# --------------------------------------------------------------------------- report


def _report(arguments, command: str) -> None:
    from .reporting import report

    path = report(
        arguments.model,
        arguments.images,
        output=arguments.output,
        methods=arguments.methods,
        target=arguments.target,
        classes=_read_names(arguments.classes),
        size=arguments.size,
        at_most=arguments.at_most,
        seed=arguments.seed,
        command=command,
        progress=sys.stderr.isatty(),
    )
    print(f"written    {path}")


def _read_names(path: Path | None) -> list[str] | None:
    """The lines of a text file, without the empty ones."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path else ()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file in UTF-8: {error}") from error
    return [line.strip() for line in lines if line.strip()] or None


# --------------------------------------------------------------------------- train


def _train(arguments, command: str) -> None:
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
        again = command if arguments.resume else f"{command} --resume"
        raise KeyboardInterrupt(f"to go on, {again}") from None
    if is_first():
        test = read_metadata(path)["test"]
        print(f"test       {test['accuracy']:.2%} of {test['images']:,} images")
        print(f"written    {path} and {path.with_suffix('.md').name}")


def _list_recipes() -> None:
    from .course.recipes import read_recipe, recipe_names

    rows = [("recipe", "network", "images", "epochs")] + [
        (
            name,
            recipe.architecture,
            recipe.stages[-1].data["dataset"],
            " + ".join(str(stage.fit["epochs"]) for stage in recipe.stages),
        )
        for name, recipe in {name: read_recipe(name) for name in recipe_names()}.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


# --------------------------------------------------------------------------- compare


def _compare(arguments, _command) -> None:
    if arguments.output and arguments.output.suffix.lower() not in (".csv", ".json"):
        raise InputError(f"the table must end in .csv or .json, not {arguments.output.name!r}")

    from ._device import preferred_device
    from ._distributed import is_first
    from .course.trials import on_scenes
    from .evaluation import compare
    from .reporting.subjects import load_model

    model, size = load_model(arguments.model, preferred_device())
    trials = on_scenes(model, arguments.n, size=arguments.size or size, seed=arguments.seed, methods=arguments.methods)
    table = compare(model, *trials, save=arguments.save, seed=arguments.seed)
    if not is_first():
        return
    print(f"{arguments.model} on {arguments.n} scenes, means with 95 % intervals\n{table}")
    if arguments.output:
        table.save(arguments.output, model=arguments.model, scenes=arguments.n, seed=arguments.seed)
        print(f"written    {arguments.output}")


# --------------------------------------------------------------------------- grade


def _grade(arguments, _command) -> None:
    from tqdm import tqdm

    from ._cache import check_output
    from .course import grading

    if find_spec("psutil") is None:
        raise InputError("To see how much memory an answer holds it needs psutil: pip install psutil.")

    check_output(arguments.output)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # answers are called side by side
    seed = secrets.randbits(31) if arguments.seed is None else arguments.seed
    limits = {"seconds": arguments.seconds, "memory": 1e9 * arguments.memory, "jobs": arguments.jobs}
    marks = list(tqdm(grading.grade(arguments.folder, seed, **limits), unit=" answers", file=sys.stderr))
    grading.write_csv(arguments.output, marks)
    print(grading.summary(marks))
    print(f"\nseed       {seed}\nwritten    {arguments.output}")
