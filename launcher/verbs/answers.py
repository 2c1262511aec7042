"""What a batch transform job has answered: how many pictures, how quickly, where, and how often it was right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from launcher.doors import Door
from launcher.verbs import transforms
from launcher.verbs.models import class_names
from launcher.verbs.prediction import predictions_of
from launcher.verbs.scoring import Scored, Tally, scored
from launcher.verbs.selection import SUFFIX
from launcher.verbs.transforms import Description

# Of S3, so many answers are read at once.
_AT_ONCE = 16


@dataclass(frozen=True)
class Transformed:
    """A batch transform job at its end. A notebook shows it as a table."""

    name: str
    status: str
    # Asked about, and answered.
    pictures: int
    answered: int
    seconds: float
    output: str
    tally: Tally | None = None

    @property
    def rate(self) -> float:
        """Pictures a second, the start of the server included."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def accuracy(self) -> float | None:
        """Of the pictures whose class is known, the share that was recognized."""
        return self.tally.accuracy if self.tally else None

    def rows(self) -> list[tuple[str, str]]:
        """As a small table."""
        found = [
            ("job", f"{self.name} {self.status}"),
            ("pictures", f"{self.answered} of {self.pictures}"),
            ("took", f"{self.seconds:.1f} s, {self.rate:.1f} a second"),
        ]
        if self.tally and self.tally.accuracy is not None:
            found.append(("right", f"{self.tally.right} of {self.tally.known} ({self.tally.accuracy:.1%})"))
        return [*found, ("answers", self.output)]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        score: dict[str, Any] = {}
        if self.tally and self.tally.accuracy is not None:
            score = {"known": self.tally.known, "right": self.tally.right, "accuracy": self.tally.accuracy}
        return {"job": self.name, "status": self.status, "pictures": self.pictures, "answered": self.answered,
                "seconds": self.seconds, "output": self.output, **score}  # fmt: skip

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in self.rows())
        return f"<table>{rows}</table>"


@dataclass(frozen=True)
class _Job:
    """The keys that a job was asked about, below ``prefix``, and where each one's answer lies, if there is one."""

    prefix: str
    places: dict[str, str | None]


def result(door: Door, description: Description, *, score: bool = False) -> Transformed:
    """What has come of a job; with ``score`` the answers are read, and compared with what the pictures say they are."""
    job = _job(door, description)
    return Transformed(
        name=description["TransformJobName"],
        status=description["TransformJobStatus"],
        pictures=len(job.places),
        answered=sum(place is not None for place in job.places.values()),
        seconds=transforms.seconds(description),
        output=description["TransformOutput"]["S3OutputPath"],
        tally=Tally.of(list(_scored(door, description, job))) if score else None,
    )


def rows(door: Door, description: Description) -> Iterator[Scored]:
    """Each picture's prediction beside the truth, where that is known, in the order of their keys."""
    return _scored(door, description, _job(door, description))


def _job(door: Door, description: Description) -> _Job:
    source = description["TransformInput"]["DataSource"]["S3DataSource"]
    prefix, keys = source["S3Uri"], []
    if source["S3DataType"] == "ManifestFile":
        with door.read(prefix) as file:
            head, *keys = json.load(file)
        prefix = head["prefix"]
    else:
        keys = [each.key for each in door.listing(prefix)]
    output = description["TransformOutput"]["S3OutputPath"].rstrip("/") + "/"
    # What an earlier job has left there, and this one could not answer anew, is no answer of this one.
    since = description["CreationTime"].timestamp()
    there = {each.key for each in door.listing(output) if each.written >= since}
    return _Job(prefix, {key: _below(output, f"{key}{SUFFIX}") if f"{key}{SUFFIX}" in there else None for key in keys})


def _below(prefix: str, key: str) -> str:
    """The address of a key: file:// ones are quoted, s3:// ones are not."""
    return prefix + (quote(key) if prefix.startswith("file://") else key)


def _path(prefix: str) -> Path:
    """The address of a prefix as a path, whose parts are the folders' names."""
    scheme, _, place = prefix.partition("://")
    return Path(unquote(place) if scheme == "file" else f"/{place}")


def _scored(door: Door, description: Description, job: _Job) -> Iterator[Scored]:
    labels = class_names(door, description["ModelName"])
    accept = str(description["TransformOutput"].get("Accept", "")).partition(";")[0]
    answered = [(key, place) for key, place in job.places.items() if place is not None]
    folder = _path(job.prefix)

    def read(place: str) -> bytes:
        with door.read(place) as file:
            return file.read()

    for (key, _place), payload in zip(answered, _several(read, [place for _key, place in answered]), strict=True):
        yield from scored(folder / key, predictions_of(accept, payload), labels)


def _several(read: Callable[[str], bytes], places: list[str]) -> Iterator[bytes]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(read, places)
