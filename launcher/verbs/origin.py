"""Whose answers lie under an output: a note beside them, OUTPUT/transform-origin.json, which the first job leaves.

    origin.note(door, transform)                                   # once the job is there
    found = origin.noted(door, transform.output, door.listing(f"{transform.output}/"))
    origin.fault(door, found, origin.of(door, transform)) == ""    # --resume may go on from what was written since

A job of the same model leaves the note as it is where it goes on from answers (--resume), or none is in its way, so
that all written since are of one model. One that was trained again under its name is another, newer than the note.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from launcher.config.transform import Transform
from launcher.doors import Door, Listed
from launcher.verbs.models import data_of, written

NOTE = "transform-origin.json"


@dataclass(frozen=True)
class Origin:
    """What answers are made by, the model's place (its name, where it has its data in its image), and their type."""

    model: str
    accept: str

    def __str__(self) -> str:
        return f"{self.model} as {self.accept}"


@dataclass(frozen=True)
class Noted:
    """A note, and since when (seconds since 1970) what is written there is of that origin."""

    origin: Origin
    since: float


def of(door: Door, transform: Transform) -> Origin:
    """What the job's answers will be of."""
    return of_model(door, transform.model_name, transform.accept, transform.model_data)


def of_model(door: Door, model: str, accept: str, data: str = "") -> Origin:
    """What answers of SageMaker's model of that name are of; its ``data`` are asked for where they are not known."""
    # A folder is a prefix to SageMaker, which ends in a slash.
    return Origin((data or data_of(door, model)).rstrip("/") or model, accept)


def noted(door: Door, output: str, there: Iterable[Listed]) -> Noted | None:
    """The note among what is ``there``, under the output; None where there is none that says it."""
    since = next((each.written for each in there if each.key == NOTE), None)
    if since is None:
        return None
    with door.read(f"{output.rstrip('/')}/{NOTE}") as file:
        try:
            document = json.load(file)
            return Noted(Origin(str(document["model"]), str(document["accept"])), since)
        except (ValueError, KeyError, TypeError):
            return None


def fault(door: Door, found: Noted | None, mine: Origin) -> str:
    """Why what lies under a note is not of ``mine``, as the end of a sentence on it; empty where it is."""
    if found is None:
        return "are noted nowhere to be of any model"
    if found.origin != mine:
        return f"are of {found.origin}"
    when = written(door, mine.model) if "://" in mine.model else 0.0
    if when is None:
        return f"may be older than the model at {mine.model}, which cannot be looked at"
    return f"were written before the model at {mine.model} was" if when > found.since else ""


def note(door: Door, transform: Transform, origin: Origin) -> None:
    """Write whose answers come to lie under the job's output from now on."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(asdict(origin), file, ensure_ascii=False)
        file.flush()
        door.write(f"{transform.output}/{NOTE}", Path(file.name), key=transform.managed.kms_key)
