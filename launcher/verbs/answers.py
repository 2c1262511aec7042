"""What a batch transform job has answered: how many pictures, how quickly, where, and how often it was right."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from launcher.doors import Door
from launcher.errors import UnusableData
from launcher.verbs import transforms
from launcher.verbs.models import class_names
from launcher.verbs.prediction import JSON, predictions_of
from launcher.verbs.scoring import Scored, Tally, scored
from launcher.verbs.selection import answer_of, select
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
    # Why there is no score, where one was asked for.
    unscored: str = ""

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
    tally, why = _tally(door, description, job) if score else (None, "")
    return Transformed(
        name=description["TransformJobName"],
        status=description["TransformJobStatus"],
        pictures=len(job.places),
        answered=sum(place is not None for place in job.places.values()),
        seconds=transforms.seconds(description),
        output=description["TransformOutput"]["S3OutputPath"],
        tally=tally,
        unscored=why,
    )


def rows(door: Door, description: Description) -> Iterator[Scored]:
    """Each picture's prediction beside the truth, where that is known, in the order of their keys.

    Of answers that are not JSON there is none.
    """
    if _accept(description) == JSON:
        labels, _ = class_names(door, description["ModelName"])
        yield from _scored(door, _job(door, description), labels)


def _tally(door: Door, description: Description, job: _Job) -> tuple[Tally | None, str]:
    """The score, and why there is none; no more is read than it takes."""
    if not any(job.places.values()):
        return None, ""
    if (accept := _accept(description)) != JSON:
        return None, f"The answers are {accept}, and only JSON is compared with the truth."
    labels, why = class_names(door, description["ModelName"])
    if not labels:
        return None, f"There is no score, for the model's classes cannot be told. {why}"
    tally = Tally.of(list(_scored(door, job, labels)))
    if not tally.pictures:
        return tally, "No answer says its predictions as this server does, so there is nothing to compare."
    if not tally.known:
        why = "No picture lies in a folder that is called as a class of the model, so there is nothing to compare with."
    return tally, why


def _accept(description: Description) -> str:
    """The type of the answers; the server's own where none was asked for."""
    return str(description["TransformOutput"].get("Accept") or JSON).partition(";")[0].strip()


def _job(door: Door, description: Description) -> _Job:
    source = description["TransformInput"]["DataSource"]["S3DataSource"]
    prefix = source["S3Uri"]
    if source["S3DataType"] == "ManifestFile":
        prefix, keys = _listed(door, prefix)
    else:
        # Its answers, and files that are no pictures, may have come to lie there since.
        keys = list(select(door.listing(prefix)).keys)
    output = description["TransformOutput"]["S3OutputPath"].rstrip("/") + "/"
    # What an earlier job has left there, and this one could not answer anew, is no answer of this one.
    since = description["CreationTime"].timestamp()
    there = {each.key for each in door.listing(output) if each.written >= since}
    found = {key: answer_of(key, prefix, there) for key in keys}
    return _Job(prefix, {key: _below(output, place) if place else None for key, place in found.items()})


def _listed(door: Door, manifest: str) -> tuple[str, list[str]]:
    """The prefix and the keys of a manifest. Raises UnusableData."""
    with door.read(manifest) as file:
        try:
            head, *keys = json.load(file)
            return head["prefix"], keys
        except (ValueError, KeyError, TypeError) as exc:
            raise UnusableData(f"{manifest} is no manifest, so which pictures it named cannot be told.") from exc


def _below(prefix: str, key: str) -> str:
    """The address of a key: file:// ones are quoted, s3:// ones are not."""
    return prefix + (quote(key) if prefix.startswith("file://") else key)


def _path(prefix: str) -> Path:
    """The address of a prefix as a path, whose parts are the folders' names."""
    scheme, _, place = prefix.partition("://")
    return Path(unquote(place) if scheme == "file" else f"/{place}")


def _scored(door: Door, job: _Job, labels: Collection[str]) -> Iterator[Scored]:
    answered = [(key, place) for key, place in job.places.items() if place is not None]
    folder = _path(job.prefix)

    def read(place: str) -> bytes:
        with door.read(place) as file:
            return file.read()

    for (key, _place), payload in zip(answered, _several(read, [place for _key, place in answered]), strict=True):
        yield from scored(folder / key, predictions_of(JSON, payload), labels)


def _several(read: Callable[[str], bytes], places: list[str]) -> Iterator[bytes]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(read, places)
