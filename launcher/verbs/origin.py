"""Whose answers lie under an output: a note beside them, OUTPUT/transform-origin.json, which the first job leaves.

    origin.note(door, transform)                                   # once the job is there
    found = origin.noted(door, transform.output, door.listing(f"{transform.output}/"))
    found.origin == origin.of(door, transform)                     # --resume may go on from what was written since

A job that goes on from answers (--resume) leaves the note as it is, so that all written since are of one model.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from launcher.config.transform import Transform
from launcher.doors import Door, Listed
from launcher.verbs.models import data_of

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
    written = next((each.written for each in there if each.key == NOTE), None)
    if written is None:
        return None
    with door.read(f"{output.rstrip('/')}/{NOTE}") as file:
        try:
            document = json.load(file)
            return Noted(Origin(str(document["model"]), str(document["accept"])), written)
        except (ValueError, KeyError, TypeError):
            return None


def note(door: Door, transform: Transform, origin: Origin) -> None:
    """Write whose answers come to lie under the job's output from now on."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(asdict(origin), file, ensure_ascii=False)
        file.flush()
        door.write(f"{transform.output}/{NOTE}", Path(file.name), key=transform.managed.kms_key)
