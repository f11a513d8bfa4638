"""Begin a chapter: ``make new-chapter NAME=deconvolution`` writes ``book/NN-deconvolution.md``.

The skeleton is a small chapter that runs, in both profiles and without a network: every part of a chapter is there
once, with a line that says what belongs there. So its tests pass from the first minute, and each edit can be seen to
keep them so. ``NAME=14-deconvolution`` chooses the number; otherwise it is the next one.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from . import address, chapters

SKELETON = '''\
---
description: what the chapter is about, in one line.
jupytext:
  formats: md:myst
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# TITLE

**The question.** One question that a reader can hold in mind to the end of the chapter.
Two or three sentences on why it is worth an hour.

```{code-cell} ipython3
:tags: [remove-cell]

SETUP
```

```{code-cell} ipython3
import torch

import salkit
from salkit import course, data, display, models
from salkit.course import check

run = course.start(seed=0)
network = models.trained("resnet18", run.device)
scenes = data.scenes(run.pick(full=200, fast=8), seed=0)
images = scenes.pixels().to(run.device)
```

## The idea in one picture

Say the idea in words that a reader could repeat, before any symbol.

```{code-cell} ipython3
---
mystnb:
  image:
    alt: Four drawn images and below each its gradient map; say here what your figure shows,
      the finding and not the kind of plot.
---
shown = images[:4]
maps = display.heatmap(salkit.gradient(network, shown).cpu(), channel="max_abs")
display.grid([scenes.images[:4], maps], row_labels=["image", "map"])
```

Say what the figure shows, and what it does not.

## The formula

$$
M_{hw} = \\max_k \\left| \\frac{\\partial S_c(x)}{\\partial x_{khw}} \\right|
$$

Name every symbol that is not on the page [Notation](notation.md). Then the same as a function of about ten lines:

```{code-cell} ipython3
def written_out(model, images, labels):
    """(N, C, H, W) images and (N,) labels -> (N, H, W) maps."""
    images = images.clone().requires_grad_()
    scores = model(images).gather(1, labels[:, None])
    (grad,) = torch.autograd.grad(scores.sum(), images)
    return grad.abs().amax(dim=1)
```

The library's function gives the same:

```{code-cell} ipython3
# NBVAL_CHECK_OUTPUT
labels = network(shown).argmax(1)
theirs = salkit.gradient(network, shown, labels).abs().amax(dim=1)
torch.testing.assert_close(written_out(network, shown, labels), theirs)
print("equal")
```

> **Commit to a guess.** Ask for a prediction here, with a number or a choice, before the measurement below.

## A measurement

Many images, an interval, and what chance would give. Budgets are visible: `run.pick(full=200, fast=8)`.

## Where it fails

A case in which the method misleads, shown and not only told.

## Exercises

**1. A function to write.** Say its arguments with their shapes, and what it returns.
`check` says whether it is right, and if not, what went wrong.

```{code-cell} ipython3
def my_saliency(model, images, labels):
    ...  # your code


check.saliency(my_saliency)
```

```{code-cell} ipython3
:tags: [solution]

# @title Solution
def my_saliency(model, images, labels):
    images = images.clone().requires_grad_()
    scores = model(images).gather(1, labels[:, None])
    (grad,) = torch.autograd.grad(scores.sum(), images)
    return grad.abs().amax(dim=1)


assert check.saliency(my_saliency)
```

**2. To think about.** A question with an answer that is not in the text above.

<details><summary>Answer</summary>

The answer, with its reason.

</details>

## To take away

- Three to five sentences, each of them shown above.
'''

NEXT = """\
wrote {path}

Next:
  1. _toc.yml: add "- file: book/{stem}" where it belongs; description: in {path}: a line for the list of chapters.
  2. Write. Every part is there once, with a line that says what belongs there; new papers go to book/references.bib.
  3. make execute CHAPTER={number}    run it in full and keep the outputs (SALKIT_PROFILE=fast is for tests)
  4. make test, make book              and look at the page
CONTRIBUTING.md says more."""


def new_chapter(name: str, book: Path = chapters.BOOK) -> Path:
    """Write the skeleton of a chapter.

    Args:
        name: in lower case with hyphens, ``deconvolution`` or ``14-deconvolution``.
        book: the folder of the chapters.

    Returns:
        the new source.

    Raises:
        ValueError: the name can't be one, or the number or the name is taken.
    """
    match = re.fullmatch(r"(?:(\d\d)-)?([a-z][a-z0-9]*(?:-[a-z0-9]+)*)", name)
    if not match:
        raise ValueError(f"{name!r} is no name: use lower-case words with hyphens, such as NAME=smooth-maps")
    taken = {path.stem[:2]: path.stem[3:] for path in chapters.chapters(book)}
    number = match[1] or f"{max(map(int, taken), default=0) + 1:02}"
    if number in taken or match[2] in taken.values():
        there = ", ".join(f"{key}-{value}" for key, value in taken.items())
        raise ValueError(f"there is a chapter {number} or a chapter {match[2]!r} already: {there}")
    path = book / f"{number}-{match[2]}.md"
    title = match[2].replace("-", " ").capitalize()
    path.write_text(SKELETON.replace("TITLE", title).replace("SETUP", address.current().setup_cell))
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.new_chapter", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", default="", help="lower-case words with hyphens, such as smooth-maps")
    try:
        path = new_chapter(parser.parse_args().name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(NEXT.format(path=path.relative_to(chapters.ROOT), stem=path.stem, number=path.stem[:2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
