"""What happened in training, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import InputError

COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds")


@dataclass(repr=False)
class History:
    """What happened in each epoch, as a table.

    Attributes:
        rows: one dict for each finished epoch, with the keys of ``COLUMNS``. Accuracies are shares
            in [0, 1]; the training columns are averages over the augmented batches while the weights move.
        best_epoch: the epoch (counted from 1) whose weights the model holds now; 0 before the first.
        stopped: why training ended: ``"finished"``, ``"interrupted"``, or what a hook said, such as ``"patience"`` or
            ``"loss_delta"``.

    Printed, and shown by a notebook, it is a table with the best epoch marked.

    Example:
        >>> from salkit import course
        >>> rows = [{"epoch": 1, "val_accuracy": 0.5}, {"epoch": 2, "val_accuracy": 0.7}]
        >>> history = course.History(rows, best_epoch=2)
        >>> history.best, history["val_accuracy"]
        ({'epoch': 2, 'val_accuracy': 0.7}, [0.5, 0.7])
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "finished"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        """One column, such as ``history["val_accuracy"]``."""
        return [row[column] for row in self.rows]

    @property
    def best(self) -> dict[str, float]:
        """The row of the best epoch."""
        if not self.best_epoch:
            raise InputError("no epoch has finished yet, so there is no best one")
        return self.rows[self.best_epoch - 1]

    def to_dict(self) -> dict:
        """The same as plain dicts and lists, which JSON can hold; ``History.from_dict`` reads it back."""
        return {"rows": [dict(row) for row in self.rows], "best_epoch": self.best_epoch, "stopped": self.stopped}

    @classmethod
    def from_dict(cls, record: dict) -> History:
        """What ``to_dict`` gave, for example from the record of a checkpoint."""
        return cls([dict(row) for row in record["rows"]], record["best_epoch"], record["stopped"])

    def __repr__(self) -> str:
        lines = ["epoch  train loss  train acc  val loss  val acc       lr  seconds"]
        for row in self.rows:
            mark = "*" if row["epoch"] == self.best_epoch else " "
            epoch, train_loss, train_accuracy, val_loss, val_accuracy, lr, seconds = _cells(row)
            lines.append(
                f"{epoch:>4} {mark} {train_loss:>10} {train_accuracy:>10} "
                f"{val_loss:>9} {val_accuracy:>8} {lr:>8} {seconds:>8}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A plain table: the heading cells say what they head, and the best epoch is marked in words."""
        headings = "".join(f'<th scope="col">{name.replace("_", " ")}</th>' for name in COLUMNS)
        body = []
        for row in self.rows:
            epoch, *cells = _cells(row)
            best = " (best)" if row["epoch"] == self.best_epoch else ""
            body.append(
                f'<tr><th scope="row">{epoch}{best}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
            )
        caption = f"Training, epoch by epoch; ended by: {self.stopped.replace('_', ' ')}"
        return (
            f"<table><caption>{caption}</caption><thead><tr>{headings}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table>"
        )


def _cells(row: dict[str, float]) -> list[str]:
    formats = ("d", ".4f", ".2%", ".4f", ".2%", ".4f", ".1f")
    return [format(row[column], spec) for column, spec in zip(COLUMNS, formats, strict=True)]
