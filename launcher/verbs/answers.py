"""What a batch transform job has answered: how many pictures, how quickly, where, and how often it was right."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from launcher.config.transform import Transform
from launcher.doors import Door, Listed
from launcher.errors import UnusableData
from launcher.verbs import origin, transforms
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

    # Empty, and the status too, where there was nothing left to do and so no job.
    name: str
    status: str
    # Asked about, and answered.
    pictures: int
    answered: int
    seconds: float
    output: str
    # Of all answers that lie there of this model, those of the jobs that this one goes on from too.
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
        took = f"{self.seconds:.1f} s with the server's start, {self.rate:.1f} pictures a second"
        found = [
            *([("job", f"{self.name} {self.status}")] if self.name else []),
            ("pictures", f"{self.answered} of {self.pictures}"),
            *([("took", took)] if self.name else []),
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
    # What lies under the output, of other jobs too.
    lying: tuple[Listed, ...] = ()


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


def standing(door: Door, transform: Transform, keys: Collection[str], *, score: bool = False) -> Transformed:
    """What answers there are of pictures that all have theirs, so that there is no job."""
    there = {each.key for each in door.listing(f"{transform.output}/")}
    job = _placed(transform.input, keys, f"{transform.output}/", there)
    tally, why = None, ""
    if score:
        kind = _plain(transform.accept)
        labels, fault = class_names(door, transform.model_name, transform.model_data) if kind == JSON else (None, "")
        tally, why = _tallied(door, job, kind, labels, fault)
    return Transformed(name="", status="", pictures=len(keys), answered=sum(map(bool, job.places.values())),
                       seconds=0.0, output=transform.output, tally=tally, unscored=why)  # fmt: skip


def rows(door: Door, description: Description) -> Iterator[Scored]:
    """Each picture's prediction beside the truth, where that is known, in the order of their keys.

    Of answers that are not JSON there is none, and none of answers that are of another model by now.
    """
    if _accept(description) == JSON:
        labels, _ = class_names(door, description["ModelName"])
        job = _job(door, description)
        wide = _widened(door, description, job) if labels else job
        yield from _scored(door, wide, labels) if wide else ()


def _tally(door: Door, description: Description, job: _Job) -> tuple[Tally | None, str]:
    """The score, and why there is none; no more is read than it takes."""
    if not any(job.places.values()):
        return None, ""
    if (accept := _accept(description)) != JSON:
        return _tallied(door, job, accept, None, "")
    labels, why = class_names(door, description["ModelName"])
    wide = _widened(door, description, job) if labels else job
    if wide is None:
        output = description["TransformOutput"]["S3OutputPath"]
        return None, f"The answers at {output} are of another model or type by now, so there is no score."
    return _tallied(door, wide, accept, labels, why)


def _tallied(door: Door, job: _Job, accept: str, labels: Collection[str] | None, why: str) -> tuple[Tally | None, str]:
    """The score of the job's answers; ``why`` says why there are no labels, where there are none."""
    if accept != JSON:
        return None, f"The answers are {accept}, and only JSON is compared with the truth."
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
    return _plain(str(description["TransformOutput"].get("Accept") or JSON))


def _plain(accept: str) -> str:
    return accept.partition(";")[0].strip()


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
    lying = list(door.listing(output))
    there = {each.key for each in lying if each.written >= since}
    return replace(_placed(prefix, keys, output, there), lying=tuple(lying))


def _placed(prefix: str, keys: Collection[str], output: str, there: Collection[str]) -> _Job:
    found = {key: answer_of(key, prefix, there) for key in keys}
    return _Job(prefix, {key: _below(output, place) if place else None for key, place in found.items()})


def _widened(door: Door, description: Description, job: _Job) -> _Job | None:
    """The job with all pictures under its prefix that are answered since the note there was left, which a job that
    goes on from others' answers leaves as it is; None where the note is of another model or type.
    """
    output = description["TransformOutput"]["S3OutputPath"].rstrip("/") + "/"
    found = origin.noted(door, output, job.lying)
    if found is None:
        return job
    accept = str(description["TransformOutput"].get("Accept") or JSON)
    if found.origin != origin.of_model(door, description["ModelName"], accept):
        return None
    since = min(found.since, description["CreationTime"].timestamp())
    there = {each.key for each in job.lying if each.written >= since}
    return _placed(job.prefix, select(door.listing(job.prefix)).keys, output, there)


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
