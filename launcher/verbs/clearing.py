"""Deleting all there is: what can go, what runs still and stays, and the going."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from launcher.aws.ledger import Ledger
from launcher.doors import Door
from launcher.errors import LauncherError, NotFound
from launcher.sagemaker import TRAINING_ENDED, TRANSFORM_ENDED, TUNING_ENDED
from launcher.verbs import endpoints, transforms, tuning
from launcher.verbs.listing import GONE, PARTS
from launcher.verbs.named import is_missing

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Rows of a listing by what becomes of them; nothing is deleted yet."""

    going: list[Row] = field(default_factory=list)
    running: list[Row] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)


def plan(rows: Sequence[Row]) -> Plan:
    """Endpoints, leftovers and what has ended go; what trains still stays."""
    made = Plan()
    ended = {"training job": TRAINING_ENDED, "tuning job": TUNING_ENDED, "transform job": TRANSFORM_ENDED}
    for row in rows:
        if row["status"] == GONE:
            made.gone.append(row)
        elif row["kind"] in ended and row["status"] not in ended[row["kind"]]:
            made.running.append(row)
        else:
            made.going.append(row)
    return made


@dataclass(frozen=True)
class Outcome:
    """What came of one row: what is gone, what of it was kept, and why nothing of it could go; "" where nothing."""

    gone: str = ""
    kept: str = ""
    fault: str = ""


def clear(
    door: Door, made: Plan, ledger: Ledger, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[Row, Outcome]]:
    """Delete what is to go, endpoints first, for they cost most; a fault of one stops none of the others."""
    for row in made.gone:
        _forget(ledger, row, door.region)
    ended = {row["name"] for row in made.going if row["kind"] == "endpoint"}
    first = sorted(made.going, key=lambda row: row["kind"] != "endpoint")
    # What is left is looked for once they are gone.
    for row in chain(first, _left(ledger, door.region, ended)):
        outcome = _delete(door, row, sleep)
        if outcome.gone:
            _forget(ledger, row, door.region)  # also what somebody else has deleted
        yield row, outcome


def _forget(ledger: Ledger, row: Row, region: str) -> None:
    if any((each.kind, each.name) == (row["kind"], row["name"]) for each in ledger.there(region)):
        ledger.note("deleted", row["kind"], row["name"], region)


def _left(ledger: Ledger, region: str, ended: set[str]) -> Iterator[Row]:
    """Configurations and models that are still recorded of endpoints that went: nothing there named them."""
    there = ledger.there(region)
    ended = ended - {each.name for each in there if each.kind == "endpoint"}
    for each in there:
        if each.kind in PARTS and each.endpoint in ended:
            yield {"kind": each.kind, "name": each.name}


def _delete(door: Door, row: Row, sleep: Callable[[float], None]) -> Outcome:
    kind, name, client = row["kind"], row["name"], door.sagemaker
    calls: dict[str, Callable[[], object]] = {
        "training job": lambda: client.delete_training_job(TrainingJobName=name),
        "model": lambda: client.delete_model(ModelName=name),
        "endpoint configuration": lambda: client.delete_endpoint_config(EndpointConfigName=name),
    }
    try:
        if kind == "endpoint":
            deletion = endpoints.delete(door, name, sleep=sleep)
            return Outcome(", ".join(deletion.gone), ", ".join(deletion.kept))
        if kind == "tuning job":
            trials = tuning.delete(door, name)
            return Outcome(f"tuning job {name} and its {tuning.counted(len(trials))}")
        if kind == "transform job":
            return Outcome(", ".join(transforms.delete(door, name)))
        calls[kind]()
    except NotFound:
        return Outcome(f"{kind} {name} (it was gone already)")
    except LauncherError as exc:
        return Outcome(fault=str(exc))
    except ClientError as exc:
        if is_missing(exc):
            return Outcome(f"{kind} {name} (it was gone already)")
        error = exc.response["Error"]
        said = " ".join(error["Message"].split())
        return Outcome(fault=f"{kind} {name}: {exc.operation_name} was refused ({error['Code']}): {said}")
    return Outcome(f"{kind} {name}")
