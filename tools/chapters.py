"""The chapters and their twins.

A chapter is written in ``book/NN-name.md``. Its twin ``book/NN-name.ipynb`` holds the same cells with the outputs of
a full run: that is what the book, GitHub and Colab show. Run as ``python -m tools.chapters``:

    sync [NN ...]     carry the sources into the twins; outputs are kept, and a notebook with edits is left alone
    execute [NN ...]  run chapters from top to bottom and keep the outputs
    try [NN ...]      run chapters in the fast profile and write nothing
    check             say what is wrong with the twins
    setup             print the set-up cell that every chapter begins with
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from copy import deepcopy
from functools import partial
from itertools import chain
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from . import address, cells, links, records

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
REFUSED = ROOT / "_build" / "refused"
MAX_BYTES = 1_500_000
# Texts in a cell's "mystnb" that have markers: where they stand, and under which names the twin keeps both versions.
IN_METADATA = (("image", "alt", "shown"), ("figure", "caption", "caption_shown"))

# What Jupyter writes after a run, less the version of Python: the record has that.
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3", "file_extension": ".py", "mimetype": "text/x-python"}

# Run in the chapter's kernel after its last cell: what it ran on, in words for the record, and how much memory it held
# at most, in MB. Of the system's counters only VmHWM begins at zero with the kernel.
PROBE = """
import importlib.metadata, json, os, pathlib, platform, re, torch
from salkit.data import ImageSet
from salkit.course.session import Run
values = list(globals().values())
runs = [value for value in values if isinstance(value, Run)]
device = torch.device(runs[-1].device).type if runs else "none"
status = pathlib.Path("/proc/self/status")
peak = re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text()) if status.exists() else None
print(json.dumps({
    "profile": runs[-1].profile if runs else "none: the chapter never called course.start()",
    "device": torch.cuda.get_device_name() if device == "cuda" else f"{device}, {os.cpu_count()} cores",
    "memory_mb": round(int(peak[1]) / 1024) if peak else None,
    "gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20) if device == "cuda" else None,
    "data": sorted({value.source for value in values if isinstance(value, ImageSet)}),
    "versions": {"python": platform.python_version()} | {
        name: importlib.metadata.version(name)
        for name in ("salkit", "torch", "torchvision", "captum", "numpy", "matplotlib")
    },
}))
"""


def chapters(book: Path = BOOK) -> list[Path]:
    """The sources of all chapters, in order."""
    return sorted(book.glob("[0-9][0-9]-*.md"))


def twin_of(source: Path) -> Path:
    """The notebook that belongs to a chapter."""
    return source.with_suffix(".ipynb")


def read_twin(source: Path) -> NotebookNode:
    """The stored twin; an empty notebook where there is none yet."""
    path = twin_of(source)
    return nbformat.read(path, as_version=4) if path.exists() else nbformat.v4.new_notebook()


def write_twin(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook whole or not at all."""
    _write(path, nbformat.writes(notebook) + "\n")


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        # Imported here, because it takes torch along, and most commands only read.
        from salkit._cache import replacing

        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def regenerate(source: Path) -> NotebookNode:
    """The twin as it should be, from the source and the outputs of the stored twin."""
    return assemble(source, source.read_text(encoding="utf-8"), read_twin(source))


def assemble(source: Path, text: str, stored: NotebookNode) -> NotebookNode:
    """The twin of a chapter with this text: a first cell that says where it belongs, then the text's cells.

    Markers are filled, roles are plain links, and code cells have the stored outputs of the same code.

    Outputs of code that the text doesn't have now are kept aside in the twin's metadata: put the code back, and it has
    them again. The ids follow from the cells' text, so the same source always gives the same twin.
    """
    notebook = jupytext.reads(text, fmt="md:myst")
    of_run = stored.metadata.get("salkit", {})
    outputs = defaultdict(list)
    for cell in [*code_cells(stored), *of_run.get("kept", [])]:
        if cell.execution_count:
            outputs[_fingerprint(cell)].append(cell)
    for cell in code_cells(notebook):
        if outputs[_fingerprint(cell)]:
            found = outputs[_fingerprint(cell)].pop(0)
            cell.outputs, cell.execution_count = found.outputs, found.execution_count
    tree, _ = records.stored(notebook)
    seen = defaultdict(int)
    for cell in notebook.cells:
        name = records.emptied(cell.source)
        seen[name] += 1
        cell.id = _sha(f"{cell.cell_type} {seen[name]} {name}")[:12]
        if cell.cell_type == "markdown":
            cell.source = links.plain(records.fill(cell.source, tree)[0])
        else:
            cells.fold(cell)
            _fill_metadata(cell, tree)
    aside = [
        {"source": cell.source, "outputs": cell.outputs, "execution_count": cell.execution_count}
        for cell in chain(*outputs.values())
    ]
    notebook.metadata["language_info"] = LANGUAGE
    kept = {"kept": aside} if aside else {}
    of_run = {key: value for key, value in of_run.items() if key != "kept"}
    notebook.metadata["salkit"] = of_run
    notebook.cells.insert(0, cells.head(source, chapters(source.parent), notebook))
    notebook.metadata["salkit"] = {**of_run, "written": contents(notebook), **kept}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _fill_metadata(cell: NotebookNode, tree: dict) -> None:
    """Fill the markers in what stands in a code cell's metadata, and keep there what it was filled from."""
    for part, field, shown in IN_METADATA:
        text = cell.metadata.get("mystnb", {}).get(part, {}).get(field, "")
        if records.IN_ALT.search(text):
            filled, _ = records.fill(text, tree, records.IN_ALT)
            cell.metadata["mystnb"][part][field] = filled
            cell.metadata.setdefault("salkit", {}).update({field: text, shown: filled})


def _alt(cell: NotebookNode) -> str:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def contents(notebook: NotebookNode) -> str:
    """A digest of what people write in a notebook: cells, tags, alt texts; not what is filled in, and no outputs."""
    found = [
        (cell.cell_type, records.emptied(_prose(cell)).strip(), sorted(as_written(cell).items()))
        for cell in cells.without_head(notebook)
        if cell.source.strip()
    ]
    return _sha(json.dumps(found, sort_keys=True))[:16]


def _prose(cell: NotebookNode) -> str:
    """A cell's text as the source has it."""
    return links.written(cell.source) if cell.cell_type == "markdown" else cell.source


def as_written(cell: NotebookNode) -> dict:
    """A cell's metadata as the source has it: with the markers of its texts, and without what an editor added."""
    metadata = deepcopy({key: cell.metadata[key] for key in ("tags", "mystnb", "cellView") if key in cell.metadata})
    metadata = cells.unfold(metadata, cells.kind(cell))
    template = cell.metadata.get("salkit", {})
    for part, field, shown in IN_METADATA:
        if field in template and metadata.get("mystnb", {}).get(part, {}).get(field) == template[shown]:
            metadata["mystnb"][part][field] = template[field]
    return metadata


def is_edited(source: Path) -> bool:
    """Whether somebody wrote into the twin what its source doesn't have."""
    stored = read_twin(source)
    known = (stored.metadata.get("salkit", {}).get("written"), regenerate(source).metadata["salkit"]["written"])
    return twin_of(source).exists() and contents(stored) not in known


def taken_over(text: str, edited: NotebookNode) -> str:
    """The text of a chapter with what was edited in its notebook; lines that nobody edited stay as they are."""
    base = jupytext.reads(text, fmt="md:myst")
    notebook = deepcopy(base)
    notebook.cells = deepcopy([cell for cell in cells.without_head(edited) if cell.source.strip()])
    for cell in notebook.cells:
        cell.source = _prose(cell)
        cell.metadata = NotebookNode(as_written(cell))
    wanted = jupytext.writes(notebook, fmt="md:myst")
    # jupytext folds long alt texts anew everywhere, so only the difference between two texts of its own is taken over.
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("source", "base", "edited")]
        for path, version in zip(paths, (text, jupytext.writes(base, fmt="md:myst"), wanted)):
            path.write_text(version, encoding="utf-8")
        command = ["git", "merge-file", "-p", "--theirs", *map(str, paths)]
        merged = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    same = contents(jupytext.reads(merged, fmt="md:myst")) == contents(notebook)
    return merged if same else wanted


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells that hold code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def digest(notebook: NotebookNode) -> str:
    """A digest of what runs. Prose, tags and alt texts may change without another run, and so may the address."""
    return _sha("\0".join(_fingerprint(cell) for cell in code_cells(notebook)))[:16]


def _fingerprint(cell: NotebookNode) -> str:
    """A code cell's text; one name for the set-up cell, whatever address it installs from."""
    return "set-up" if re.search(r"^    %pip install -q \"salkit(\[imagenet\])? @ ", cell.source, re.M) else cell.source


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------------------------------------------- execution


def execute(source: Path) -> NotebookNode:
    """Run a chapter in a new kernel, in the profile of the environment.

    Returns:
        the twin with tidy outputs and its record; nothing is written.

    Raises:
        CellExecutionError: when a cell fails.
    """
    text = source.read_text(encoding="utf-8")
    notebook = assemble(source, text, nbformat.v4.new_notebook())
    begun = time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=None,
        startup_timeout=300,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(source.parent)}},
    )
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            started = time.perf_counter()
            client.execute_cell(cell, index)
            if cell.cell_type == "code" and (seconds := time.perf_counter() - started) > 5:
                print(f"  cell {cell.execution_count}: {seconds:.0f} s", flush=True)
        probe = nbformat.v4.new_code_cell(PROBE)
        notebook.cells.append(probe)
        client.execute_cell(probe, len(notebook.cells) - 1, store_history=False)
        notebook.cells.pop()
    for cell in code_cells(notebook):
        cell.outputs = tidy(cell.outputs)
    record = json.loads("".join(output.text for output in probe.outputs if output.get("name") == "stdout"))
    notebook.metadata["salkit"] = {
        "executed": datetime.date.today().isoformat(),
        "seconds": round(time.perf_counter() - begun),
        **record,
        "digest": digest(notebook),
    }
    return assemble(source, text, notebook)


def tidy(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Printed text as a person saw it at the end: neighbouring pieces joined, progress bars in their last state."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            output.text = "\n".join(_overprinted(line) for line in output.text.split("\n"))
    return [output for output in joined if output.output_type != "stream" or output.text.strip()]


def _overprinted(line: str) -> str:
    """What a terminal shows of a line with carriage returns: each piece is printed over the one before."""
    shown = ""
    for piece in line.split("\r"):
        shown = piece + shown[len(piece) :]
    return shown.rstrip() if "\r" in line else line


# ------------------------------------------------------------------------------------------------------- checks

# A path of somebody's machine, this one or another; the same words inside an address are none.
_HERE = [str(path) for path in (ROOT, Path.home(), Path(sys.prefix), Path(tempfile.gettempdir())) if path.name]
_ROOTS = "home|root|Users|tmp|work|workspace|var|mnt|media|opt|srv|scratch"
ABSOLUTE_PATH = re.compile(
    rf"(?<![\w.:/~$}}-])(?:(?:{'|'.join(map(re.escape, _HERE))})\b|/(?:{_ROOTS})/|[A-Z]:\\)[^\s\"'<>]{{0,60}}"
)
REMOTE = re.compile(
    r"""<(?:script|link|img|iframe|video|source)\b[^>]*\b(?:src|href)\s*=\s*["']?\s*(?:https?:)?//"""
    r"""|import\s*\(\s*["']https?:|\bfrom\s+["']https?:|@import\b|url\(\s*["']?(?:https?:)?//""",
    re.I,
)
INLINE_DATA = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=\s]+")
IMG_WITHOUT_ALT = re.compile(r"""<img\b(?![^>]*\balt\s*=\s*["'][^"']*\w)[^>]*>""", re.I)
FILE_NAME = re.compile(r"\S+\.(?:png|jpe?g|svg|gif|webp)|[0-9a-f_-]{16,}", re.I)
MARKDOWN_IMAGE = re.compile(r"!\[\s*\]\(")


def problems(source: Path, notebook: NotebookNode | None = None) -> list[str]:
    """What keeps a chapter from being published, each with the chapter's name and what to do.

    Args:
        source: the chapter.
        notebook: its twin; the stored one, if none is given.
    """
    if notebook is None:
        if not twin_of(source).exists():
            return [f"{source.stem}: it has no twin: run make execute CHAPTER={source.stem[:2]}"]
        notebook = read_twin(source)
    found = _out_of_step(source, notebook) + _faults(notebook) + _in_text(source, notebook)
    return [f"{source.stem}: {problem}" for problem in found]


def _in_text(source: Path, notebook: NotebookNode) -> list[str]:
    """What the text says that isn't recorded; another run is no remedy."""
    text, (tree, _) = source.read_text(encoding="utf-8"), records.stored(notebook)
    evidence = source.parent / "evidence" / f"{source.stem[:2]}.yml"
    return records.problems(text, notebook) + records.evidence_problems(text, tree, evidence)


def _faults(notebook: NotebookNode) -> list[str]:
    """What is wrong with a notebook by itself."""
    _, twice = records.stored(notebook, notebook.metadata.get("salkit", {}).get("profile", ""))
    found = _not_a_clean_run(notebook) + twice
    code = code_cells(notebook)
    if not code or code[0].source != address.current().setup_cell:
        found.append("the first code cell is not the standard set-up cell that python -m tools.chapters setup prints")
    if any(MARKDOWN_IMAGE.search(cell.source) for cell in notebook.cells if cell.cell_type == "markdown"):
        found.append("an image in the prose has no alt text")
    for number, cell in enumerate(code_cells(notebook), start=1):
        found += [f"code cell {number}: {problem}" for problem in _in_outputs(cell) + cells.problems(cell)]
    size = len(nbformat.writes(notebook).encode())
    if size > MAX_BYTES:
        found.append(f"its twin has {size / 1e6:.2f} MB, the most is {MAX_BYTES / 1e6} MB: fewer or smaller images")
    return found


def _out_of_step(source: Path, notebook: NotebookNode) -> list[str]:
    expected = assemble(source, source.read_text(encoding="utf-8"), notebook)
    found = []
    if _view(notebook) != _view(expected):
        found.append("the twin is out of step with its source: run make sync")
    record = notebook.metadata.get("salkit", {})
    rerun = f"run make execute CHAPTER={source.stem[:2]}"
    if digest(expected) != record.get("digest"):
        found.append(f"code cells changed since the twin was executed: {rerun}")
    if record.get("profile") != "full":
        found.append(f"the twin was executed in the profile {record.get('profile')!r}, not 'full': {rerun}")
    return found


def _view(notebook: NotebookNode) -> list:
    """What twin and source share: everything but ids, outputs and the record."""
    metadata = {key: value for key, value in notebook.metadata.items() if key != "salkit"}
    return [metadata, *((cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells)]


def _not_a_clean_run(notebook: NotebookNode) -> list[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if None in counts:
        return [f"{counts.count(None)} of {len(counts)} code cells were not executed"]
    if counts != list(range(1, len(counts) + 1)):
        return [f"the cells were not run once each from top to bottom: {counts}"]
    return []


def _in_outputs(cell: NotebookNode) -> list[str]:
    found = []
    has_image = False
    for output in cell.outputs:
        if output.output_type == "error":
            found.append(f"it ended in an error: {output.ename}: {output.evalue}")
            continue
        if output.get("name") == "stderr":
            found.append(f"it printed a warning or an error message: {output.text.strip()[:200]!r}")
        data = output.get("data", {})
        has_image |= any(kind.startswith("image/") for kind in data)
        if any("widget" in kind for kind in data):
            found.append("a widget needs a running kernel and scripts from another host: use plain tqdm, or a slider")
        texts = [output.get("text", ""), *(text for text in data.values() if isinstance(text, str))]
        text = INLINE_DATA.sub("", "\n".join(texts))
        if REMOTE.search(text):
            found.append("an output loads something from another host")
        if IMG_WITHOUT_ALT.search(text):
            found.append("an <img> in an output has no alt text")
        if match := ABSOLUTE_PATH.search(text):
            found.append(f"an output shows a path of somebody's machine: {match.group()!r}")
    if has_image:
        alt = _alt(cell).strip()
        if not alt:
            found.append("its figure has no alt text: set mystnb.image.alt in the cell's metadata to what it shows")
        elif FILE_NAME.fullmatch(alt):
            found.append(f"the alt text {alt!r} is a file name: say what the figure shows")
    return found


# --------------------------------------------------------------------------------------------- the command line


def chosen(numbers: list[str]) -> list[Path]:
    """The chapters with these numbers (``02``) or names (``02-vanilla-saliency``); all, if there are none."""
    everything = chapters()
    unknown = set(numbers) - {name for path in everything for name in (path.stem, path.stem[:2])}
    if unknown:
        names = ", ".join(path.stem for path in everything)
        raise SystemExit(f"there is no chapter {', '.join(sorted(unknown))}; there are: {names}")
    return [path for path in everything if not numbers or {path.stem, path.stem[:2]} & set(numbers)]


def sync_one(source: Path, *, from_notebook: bool = False, discard: bool = False) -> bool:
    """Carry a chapter's source into its twin, and what is recorded there into the markers of both.

    Args:
        source: the chapter.
        from_notebook: what was edited in the twin is carried into the source before.
        discard: what was edited in the twin is dropped.

    Returns:
        whether that was done; else both files are as they were, and a message says why.
    """
    text, stored = source.read_text(encoding="utf-8"), read_twin(source)
    here = f"CHAPTER={source.stem[:2]}"
    if is_edited(source) and from_notebook:
        before, text = contents(assemble(source, text, stored)), taken_over(text, stored)
        if before != stored.metadata.get("salkit", {}).get("written"):
            aside = REFUSED / source.name
            _write(aside, text)
            print(
                f"{source.stem}: its .md was edited as well, so both are left as they were. The notebook's text is in "
                f"{aside}: carry what you need into the .md, then make sync DISCARD=1 {here}",
                file=sys.stderr,
            )
            return False
    elif is_edited(source) and not discard:
        print(
            f"{source.stem}: its notebook has edits that its .md hasn't, so both are left as they were. "
            f"make sync FROM=notebook {here} takes them over, make sync DISCARD=1 {here} drops them",
            file=sys.stderr,
        )
        return False
    notebook = assemble(source, text, stored)
    _keep(source, text, notebook)
    if notebook.metadata["salkit"].get("kept"):
        bare = [str(i) for i, cell in enumerate(code_cells(notebook), start=1) if not cell.execution_count]
        print(
            f"{source.stem}: code changed (code cells without outputs now: {', '.join(bare) or 'none'}). "
            f"The old outputs are kept aside until make execute {here}; with the old code they come back"
        )
    return True


def _keep(source: Path, text: str, notebook: NotebookNode) -> None:
    _write(source, records.fill(text, records.stored(notebook)[0])[0])
    write_twin(twin_of(source), notebook)


def check_all() -> int:
    found = [problem for source in chapters() for problem in problems(source)]
    print(*found or ["nothing is wrong"], sep="\n")
    return int(bool(found))


def _prepare() -> None:
    """Before a kernel starts."""
    # It runs in book/, and a relative folder would be another one there.
    for variable in ("SALKIT_DATA", "SALKIT_CACHE"):
        if os.environ.get(variable):
            os.environ[variable] = str(Path(os.environ[variable]).expanduser().resolve())
    # matplotlib announces on stderr, once, that it looks for fonts: here and not in a chapter.
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], stderr=subprocess.DEVNULL)


def try_one(source: Path) -> bool:
    """Run a chapter in the profile of the environment, say what is wrong with it, and write nothing."""
    try:
        notebook = execute(source)
    except CellExecutionError as error:
        print(f"{source.stem}: a cell failed\n{error}", file=sys.stderr)
        return False
    run = notebook.metadata["salkit"]
    found = _faults(notebook) + records.problems(source.read_text(encoding="utf-8"), notebook, run["profile"])
    print(*(f"{source.stem}: {problem}" for problem in found), sep="\n", file=sys.stderr, end="\n" if found else "")
    memory = f"at most {run['memory_mb']:,} MB" if run["memory_mb"] else "memory not measured"
    print(f"{source.stem}: {run['seconds']} s in the profile {run['profile']}, {memory}; nothing was written")
    return not found


def execute_one(source: Path) -> bool:
    """Execute a chapter and keep the result, if it can be published; a failed or refused one keeps its old twin."""
    if is_edited(source):
        return sync_one(source)  # which refuses, and says so before work is done for nothing
    print(f"{source.stem}: running in profile {os.environ.get('SALKIT_PROFILE') or 'full'}", flush=True)
    started = time.perf_counter()
    try:
        notebook = execute(source)
    except CellExecutionError as error:
        print(f"{source.stem}: a cell failed, the twin stays as it was\n{error}", file=sys.stderr)
        return False
    found = _out_of_step(source, notebook) + _faults(notebook)
    if found:
        refused = REFUSED / twin_of(source).name
        write_twin(refused, notebook)
        print(*(f"{source.stem}: {problem}" for problem in found), sep="\n", file=sys.stderr)
        print(f"{source.stem}: the twin stays as it was; this run is in {refused}", file=sys.stderr)
        return False
    _keep(source, source.read_text(encoding="utf-8"), notebook)
    print(f"{source.stem}: executed in {time.perf_counter() - started:.0f} s")
    unsaid = _in_text(source, notebook)
    print(*(f"{source.stem}: {problem}" for problem in unsaid), sep="\n", file=sys.stderr, end="\n" if unsaid else "")
    return not unsaid


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.chapters", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("sync", "execute", "try", "check", "setup"))
    parser.add_argument("numbers", nargs="*", help="chapters, such as 02; all, if none is given")
    parser.add_argument("--from", dest="take", choices=("notebook",), help="sync: take over what was edited there")
    parser.add_argument("--discard", action="store_true", help="sync: drop what was edited in the notebook")
    options = parser.parse_args()
    if (options.take or options.discard) and not options.numbers:
        parser.error("say for which chapter: CHAPTER=14")
    if options.command == "check":
        return check_all()
    if options.command == "setup":
        print(address.current().setup_cell)
        return 0
    if options.command == "try":
        os.environ["SALKIT_PROFILE"] = "fast"
    if options.command != "sync":
        _prepare()
    synced = partial(sync_one, from_notebook=bool(options.take), discard=options.discard)
    command = {"sync": synced, "execute": execute_one, "try": try_one}[options.command]
    # One that fails doesn't keep the others from their turn.
    done = [command(source) for source in chosen(options.numbers)]
    if options.command == "execute" and any(done):
        from . import performance, reproduction  # the pages that quote the notebooks; both import this module

        performance.main()
        done.append(reproduction.main() == 0)
    return int(not all(done))


if __name__ == "__main__":
    sys.exit(main())
