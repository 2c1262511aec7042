"""What the verbs give back besides jobs: prepared data, answers, a page, what was deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.notebook import html
from launcher.report import sheet
from launcher.verbs.scoring import Scored, Tally

if TYPE_CHECKING:
    from launcher.data import Prepared

# Pictures that a set shows of itself, the classes in turn.
_SAMPLES = 12


@dataclass(frozen=True)
class Data:
    """A prepared set: what `prepare` made, and its ``folder`` for `train`."""

    prepared: Prepared

    @property
    def folder(self) -> Path:
        """The folder with train/, validation/ and test/."""
        return self.prepared.destination

    def __fspath__(self) -> str:
        return str(self.folder)

    def _repr_html_(self) -> str:
        counts = self.prepared.counts
        labels = sorted({label for of_class in counts.values() for label in of_class})
        rows = [(label, *(of_class.get(label, 0) for of_class in counts.values())) for label in labels]
        total = ("all", *(sum(of_class.values()) for of_class in counts.values()))
        pictures = "".join(
            f"<figure style='display:inline-block;margin:4px;text-align:center'><img src='{uri}' alt='{escape(label)}'>"
            f"<figcaption>{escape(label)}</figcaption></figure>"
            for label, uri in self._samples(labels)
        )
        remarks = "".join(f"<p>{escape(warning)}</p>" for warning in self.prepared.warnings)
        return f"<div>{pictures}</div>{html.table(('class', *counts), [*rows, total], strong=len(rows))}{remarks}"

    def _samples(self, labels: Sequence[str]) -> list[tuple[str, str]]:
        """A training picture of each of the first classes, with its label, as a data URI."""
        found = []
        for label in labels[:_SAMPLES]:
            file = next(iter(sorted((self.folder / "train" / label).glob("*"))), None)
            if file is not None:
                found.append((label, sheet.thumbnail(file)))
        return found


@dataclass(frozen=True)
class Answers:
    """What an endpoint said of pictures, beside the truth where a folder or a name tells it."""

    endpoint: str
    rows: Sequence[Scored] = field(repr=False)
    # Why there is no answer for a picture, in the server's words.
    refused: Sequence[str] = ()

    @property
    def accuracy(self) -> float | None:
        """The share of the pictures whose class is known that were recognized; None where none is known."""
        return Tally.of(self.rows).accuracy

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        page = html.framed(sheet.page(sheet.in_order(self.rows), endpoint=self.endpoint))
        return page + (html.table(("refused",), [(each,) for each in self.refused]) if self.refused else "")


@dataclass(frozen=True)
class Page:
    """A page on this machine, which a notebook shows in a frame."""

    path: Path

    def _repr_html_(self) -> str:
        return html.framed(self.path.read_text(encoding="utf-8"), height=760)


@dataclass(frozen=True)
class Deleted:
    """What is gone, and what stays and where."""

    gone: Sequence[str]
    kept: Sequence[str] = ()

    def _repr_html_(self) -> str:
        return html.table(("deleted",), [(each,) for each in self.gone]) + (
            html.table(("kept",), [(each,) for each in self.kept]) if self.kept else ""
        )
