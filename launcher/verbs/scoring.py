"""Predictions beside the truth: which label a file's place or name says it has, and how often that was seen.

A folder of class folders says it by the folder, Kaggle's flat fingers by the name's end. A word counts as a label only
when the model knows it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FINGERS = re.compile(r".+_([0-5][LR])$")


def true_label(file: Path, labels: Collection[str]) -> str | None:
    """The label that ``file`` says it has, one of ``labels``; None when it says none."""
    by_name = _FINGERS.match(file.stem)
    for word in (file.absolute().parent.name, by_name[1] if by_name else ""):
        if word in labels:
            return word
    return None


@dataclass(frozen=True)
class Scored:
    """One file with its prediction and, where it is known, its true label."""

    file: Path
    true: str | None
    predicted: str
    probability: float
    # (label, probability) of the next best.
    others: tuple[tuple[str, float], ...] = ()

    @property
    def right(self) -> bool | None:
        """None where the truth is not known."""
        return None if self.true is None else self.true == self.predicted


def scored(file: Path, predictions: Sequence[dict[str, Any]], labels: Collection[str]) -> list[Scored]:
    """A row for each of a file's predictions; one that holds several pictures has no single truth."""
    true = true_label(file, labels) if len(predictions) == 1 else None
    return [
        Scored(
            file,
            true,
            str(each["label"]),
            float(each["probability"]),
            tuple((str(other["label"]), float(other["probability"])) for other in each.get("top_k", [])[1:]),
        )
        for each in predictions
    ]


@dataclass(frozen=True)
class Tally:
    """How many of the pictures whose truth is known were recognized."""

    pictures: int
    known: int
    right: int

    @classmethod
    def of(cls, rows: Sequence[Scored]) -> Tally:
        verdicts = [row.right for row in rows if row.right is not None]
        return cls(len(rows), len(verdicts), sum(verdicts))

    @property
    def accuracy(self) -> float | None:
        return self.right / self.known if self.known else None
