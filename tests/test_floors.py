"""The floors of the package: each module imports only from those under its own."""

import ast
import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "salkit"
FLOORS = [
    {"errors", "_state", "_device", "targets", "_cache", "_distributed"},
    {"data"},
    {"models"},
    {"attribution"},
    {"synthesis", "attack"},
    {"sanity", "evaluation"},
    {"display"},
    {"reporting"},
    {"course"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}
# A method works on anybody's model: it must not know our data, networks or figures.
NEVER = {"attribution": {"data", "models", "display"}}

TESTS = Path(__file__).resolve().parent
OWN_TESTS = sorted(path for path in TESTS.rglob("*.py") if TESTS / "book" not in path.parents)
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module_of(path):
    """The part of the package that a file belongs to: ``data`` for ``data/download.py``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(tree, package):
    """The parts of salkit that a file imports anywhere, also inside its functions.

    ``package`` is where a relative import starts: ``("salkit", "data")`` for ``salkit/data/download.py``.
    """
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = list(package[: len(package) - node.level + 1]) if node.level else []
            start = above + (node.module.split(".") if node.module else [])
            names += [[*start, alias.name] for alias in node.names]
    return {name[1] for name in names if name[0] == "salkit" and len(name) > 1 and name[1] in FLOOR_OF}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_the_floors_below(path):
    module = module_of(path)
    assert module in FLOOR_OF, f"{module} has no floor yet: give it one in this test"
    used = imported_modules(ast.parse(path.read_text()), ("salkit", *path.relative_to(PACKAGE).parts[:-1])) - {module}
    floor = FLOOR_OF[module]
    # The modules of the ground floor may lean on one another.
    too_high = {name for name in used if FLOOR_OF[name] > floor or FLOOR_OF[name] == floor > 0}
    assert not too_high, f"{module} (floor {floor}) imports {sorted(too_high)}"
    assert not used & NEVER.get(module, set())


@pytest.mark.parametrize(
    "line",
    [
        "from ..data import ImageSet",
        "from .. import data",
        "from salkit.data import x",
        "import salkit.data",
        "from salkit import data",
        "def f():\n    from ..data.imageset import ImageSet",
    ],
)
def test_every_way_of_importing_is_seen(line):
    assert imported_modules(ast.parse(line), ("salkit", "attribution")) == {"data"}


def test_the_terminal_reaches_into_the_course_only_inside_its_commands():
    tree = ast.parse((PACKAGE / "cli.py").read_text())
    tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert imported_modules(tree, ("salkit",)) <= {"errors"}


@pytest.mark.parametrize("path", OWN_TESTS, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_test_of_the_package_imports_neither_tools_nor_benchmarks(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names |= {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()
        names |= {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()
    assert not names & {"tools", "benchmarks"}, "test chapters, pages and tools in tests/book"


def test_no_module_is_hidden_by_something_else_of_its_name():
    for path in (PACKAGE, *(path.parent for path in PACKAGE.rglob("*/__init__.py"))):
        package = importlib.import_module(".".join(path.relative_to(PACKAGE.parent).parts))
        inside = [p.stem for p in path.glob("*.py") if p.stem != "__init__"]
        inside += [p.name for p in path.iterdir() if (p / "__init__.py").is_file()]
        for name in set(inside) & set(dir(package)):
            assert isinstance(getattr(package, name), types.ModuleType), f"{package.__name__}.{name}"


@pytest.mark.parametrize("path", [PACKAGE / "__init__.py", *FILES], ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_valid_in_the_oldest_python(path):
    ast.parse(path.read_text(), feature_version=(3, 11))


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("salkit", ["captum", "torchvision", "matplotlib", "skimage"]),
        ("salkit.reporting", ["jinja2", "tqdm.auto"]),
        ("salkit.course.training", ["captum", "torchvision", "matplotlib", "skimage", "torch._dynamo"]),
    ],
)
def test_an_import_is_light(module, heavy):
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    assert done.stdout.strip() == "[]"
