"""What a search is on the disk: its trials.

A trial is an ordinary training job with a further document, ``trial.json``: which search it belongs to, its number
and its values. It appears together with the job's folder, before the job starts, so that a search killed at any
moment finds every trial again and none twice. A search also keeps what became of its ended trials
(``trials.json``), so that deleting one's training job takes nothing from the count.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.local import store
from launcher.local.store import Document, Store
from launcher.local.tuning.space import Values
from launcher.sagemaker import TRAINING_ENDED

_LEDGER = "trials.json"
# What a summary and a count need of a training job's record.
_KEPT = ("TrainingJobArn", "TrainingJobStatus", "CreationTime", "TrainingStartTime", "TrainingEndTime",
         "LastModifiedTime", "FailureReason")  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One value of the objective and when it was read."""

    value: float
    time: float


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training job of a search, as it stands."""

    number: int
    name: str
    values: Values
    record: Document
    points: tuple[Point, ...]

    @property
    def status(self) -> str:
        """The training job's."""
        return str(self.record["TrainingJobStatus"])

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TRAINING_ENDED

    @property
    def objective(self) -> float | None:
        """The last value of the objective, once the job has ended well or was stopped."""
        return self.points[-1].value if self.ended and self.status != "Failed" and self.points else None

    @property
    def objective_status(self) -> str:
        """SageMaker's word for it."""
        if not self.ended:
            return "Pending"
        return "Failed" if self.objective is None else "Succeeded"


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a search goes by."""

    metric: str
    maximize: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Objective:
        """From HyperParameterTuningJobConfig."""
        given = config["HyperParameterTuningJobObjective"]
        return cls(metric=given["MetricName"], maximize=given["Type"] == "Maximize")

    def better(self, one: float, other: float) -> bool:
        """Whether ``one`` is better than ``other``."""
        return one > other if self.maximize else one < other

    def best(self, trials: list[Trial]) -> Trial | None:
        """The trial of the best objective, the earliest of equals."""
        found: tuple[float, Trial] | None = None
        for trial in trials:
            value = trial.objective
            if value is not None and (found is None or self.better(value, found[0])):
                found = value, trial
        return found[1] if found else None


class Trials:
    """The trials of one search. ``record`` gives a training job's present record by its name."""

    def __init__(
        self, store_: Store, name: str, identity: str, objective: Objective, record: Callable[[str], Document | None]
    ) -> None:
        self._store, self._name, self._identity, self._objective = store_, name, identity, objective
        self._record = record
        self._ledger = store_.folder(store.TUNING_JOBS, name) / _LEDGER

    def all(self) -> list[Trial]:
        """Every trial, by number."""
        found = {trial.name: trial for trial in self._kept()}
        for name in self._store.names(store.TRAINING_JOBS):
            if name.startswith(f"{self._name}-") and name not in found:
                trial = self._read(name)
                if trial is not None:
                    found[name] = trial
        return sorted(found.values(), key=lambda trial: trial.number)

    def keep(self, trials: list[Trial]) -> None:
        """Note what became of those that have ended."""
        store.write_json(self._ledger, {"Trials": [_document(trial) for trial in trials if trial.ended]})

    def forget(self, name: str) -> None:
        """Take back what was noted of a trial that is to start again."""
        kept = [trial for trial in self._kept() if trial.name != name]
        self.keep(kept)

    def new(self, number: int, values: Values) -> tuple[str, Document]:
        """Name and ``trial.json`` of a trial to be."""
        document = {
            "TuningJobName": self._name,
            "TuningJobId": self._identity,
            "Number": number,
            "TunedHyperParameters": values,
        }
        return f"{self._name}-{number:03d}-{uuid.uuid4().hex[:8]}", document

    def _kept(self) -> list[Trial]:
        return [_trial(each) for each in (store.read_json(self._ledger) or {}).get("Trials", [])]

    def _read(self, name: str) -> Trial | None:
        folder = self._store.folder(store.TRAINING_JOBS, name)
        document = store.read_json(folder / store.TRIAL)
        if document is None or document["TuningJobId"] != self._identity:
            return None
        # The record before the points: all of them are written before it says that the job has ended.
        record = self._record(name)
        if record is None:
            return None
        return Trial(
            number=int(document["Number"]),
            name=name,
            values=document["TunedHyperParameters"],
            record={key: record[key] for key in _KEPT if key in record},
            points=_points(folder / store.METRICS, self._objective.metric),
        )


def summary(trial: Trial, tuning: str, objective: Objective) -> dict[str, Any]:
    """HyperParameterTrainingJobSummary."""
    kept = {key: value for key, value in trial.record.items() if key != "LastModifiedTime"}
    value = trial.objective
    final = {"MetricName": objective.metric, "Value": value}
    return {
        "TrainingJobName": trial.name,
        "TuningJobName": tuning,
        **kept,
        "TunedHyperParameters": trial.values,
        **({} if value is None else {"FinalHyperParameterTuningJobObjectiveMetric": final}),
        "ObjectiveStatus": trial.objective_status,
    }


def counters(trials: list[Trial]) -> dict[str, dict[str, int]]:
    """TrainingJobStatusCounters and ObjectiveStatusCounters."""
    states = {"Completed": 0, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0}
    objectives = {"Succeeded": 0, "Pending": 0, "Failed": 0}
    for trial in trials:
        states[{"Failed": "NonRetryableError", "Stopping": "InProgress"}.get(trial.status, trial.status)] += 1
        objectives[trial.objective_status] += 1
    return {"TrainingJobStatusCounters": states, "ObjectiveStatusCounters": objectives}


def _points(series: Path, metric: str) -> tuple[Point, ...]:
    try:
        lines = series.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return ()
    # The last line may still be on its way.
    read = [json.loads(line) for line in lines if line.endswith("\n")]
    return tuple(
        Point(float(each["Value"]), float(each["Timestamp"]))
        for each in read
        if each["MetricName"] == metric and math.isfinite(each["Value"])
    )


def _document(trial: Trial) -> Document:
    return {
        "Number": trial.number,
        "Name": trial.name,
        "TunedHyperParameters": trial.values,
        "Record": trial.record,
        "Points": [[point.value, point.time] for point in trial.points],
    }


def _trial(document: Document) -> Trial:
    return Trial(
        number=int(document["Number"]),
        name=document["Name"],
        values=document["TunedHyperParameters"],
        record=document["Record"],
        points=tuple(Point(*each) for each in document["Points"]),
    )
