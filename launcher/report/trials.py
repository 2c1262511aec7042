"""What a report tells of a search, read from SageMaker's answers and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from container.common.charts.scales import EMPTY, Category, Linear, Logarithmic, ReverseLogarithmic, Scale
from launcher.local.tuning.scales import LOGARITHMIC, REVERSE, scale_of
from launcher.sagemaker import TRIAL_NAME

Answer = Mapping[str, Any]
State = Literal["completed", "early stopped", "stopped", "out of time", "failed", "running"]

_STATES: Mapping[str, State] = {"Completed": "completed", "Failed": "failed"}
_RANGES = ("ContinuousParameterRanges", "IntegerParameterRanges", "CategoricalParameterRanges")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A tuned hyperparameter and the scale it is searched on."""

    name: str
    scale: Scale
    # As a person says it: 0.0001 to 0.1, logarithmic.
    words: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training job of the search."""

    number: int
    name: str
    values: Mapping[str, str]
    objective: float | None
    state: State
    seconds: float | None
    billable: float | None
    # Seconds from the search's beginning to this trial's end.
    ended_after: float | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Search:
    """The search as a whole; ``trials`` by their numbers."""

    name: str
    status: str
    reason: str
    metric: str
    maximize: bool
    parameters: Sequence[Parameter]
    trials: Sequence[Trial]
    best: Trial | None
    # A trial of a parent of the warm start that did better yet: its name and objective.
    better_before: tuple[str, float] | None
    seconds: float
    limit: int | None
    # How it was searched, and what was not tuned; both as a person reads them.
    settings: Mapping[str, str]
    fixed: Mapping[str, str]

    @property
    def running(self) -> bool:
        return self.status in ("InProgress", "Stopping")

    @property
    def measured(self) -> list[Trial]:
        """The trials that have an objective."""
        return [trial for trial in self.trials if trial.objective is not None]

    def count(self, *states: State) -> int:
        return sum(trial.state in states for trial in self.trials)


def read(search: Answer, summaries: Sequence[Answer], jobs: Mapping[str, Answer], *, now: datetime) -> Search:
    """The search of a describe answer, its trials' summaries, and their own describe answers by name."""
    config = search.get("HyperParameterTuningJobConfig", {})
    definitions = [search["TrainingJobDefinition"]] if search.get("TrainingJobDefinition") else []
    definitions += search.get("TrainingJobDefinitions", [])
    goals = [config.get("HyperParameterTuningJobObjective"), *(each.get("TuningObjective") for each in definitions)]
    goal: Answer = next((each for each in goals if each), {})
    ordered = _numbered(summaries)
    last = max((each["CreationTime"] for each in summaries), default=now)
    trials = []
    for number, each in ordered:
        job = jobs.get(each["TrainingJobName"], {})
        state = _state(each, job, search, made=len(summaries), last=last)
        trials.append(_trial(number, each, job, state, began=search["CreationTime"], now=now))
    maximize = goal.get("Type") != "Minimize"
    ended = search.get("HyperParameterTuningEndTime") or now
    return Search(
        name=search["HyperParameterTuningJobName"],
        status=search["HyperParameterTuningJobStatus"],
        reason=search.get("FailureReason", ""),
        metric=goal.get("MetricName", "objective"),
        maximize=maximize,
        parameters=_parameters(config, definitions, trials),
        trials=trials,
        best=_best(search, trials, maximize=maximize),
        better_before=_better_before(search, trials),
        seconds=max(0.0, (ended - search["CreationTime"]).total_seconds()),
        limit=config.get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs"),
        settings=dict(_settings(search, config)),
        fixed={
            name: _plain(value)
            for definition in definitions
            for name, value in definition.get("StaticHyperParameters", {}).items()
            if not name.startswith(("_", "sagemaker_"))
        },
    )


def _numbered(summaries: Sequence[Answer]) -> list[tuple[int, Answer]]:
    """Numbers from the trials' names, or by creation where the names do not tell."""
    by_time = sorted(summaries, key=lambda each: (each["CreationTime"], each["TrainingJobName"]))
    found = [TRIAL_NAME.fullmatch(each["TrainingJobName"]) for each in by_time]
    numbers = [int(match["number"]) for match in found if match]
    if len(set(numbers)) < len(by_time):
        numbers = list(range(1, len(by_time) + 1))
    return sorted(zip(numbers, by_time, strict=True), key=lambda pair: pair[0])


def _trial(number: int, summary: Answer, job: Answer, state: State, *, began: datetime, now: datetime) -> Trial:
    metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    started, ended = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    until = ended or (now if state == "running" else None)
    # Neither a trial that failed after it had reported a value nor a value that is no number can be the best.
    counts = (
        metric is not None
        and math.isfinite(metric)
        and state != "failed"
        and summary.get("ObjectiveStatus", "Succeeded") == "Succeeded"
    )
    return Trial(
        number=number,
        name=summary["TrainingJobName"],
        values={name: _plain(value) for name, value in summary.get("TunedHyperParameters", {}).items()},
        objective=float(metric) if counts and metric is not None else None,
        state=state,
        seconds=(until - started).total_seconds() if started and until else None,
        billable=job.get("BillableTimeInSeconds"),
        ended_after=(ended - began).total_seconds() if ended else None,
        reason=summary.get("FailureReason") or job.get("FailureReason", ""),
    )


def _state(summary: Answer, job: Answer, search: Answer, *, made: int, last: datetime) -> State:
    """What became of a trial; ``made`` trials there are, and ``last`` began the latest."""
    if summary["TrainingJobStatus"] != "Stopped":
        return _STATES.get(summary["TrainingJobStatus"], "running")
    if job.get("SecondaryStatus") in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
        return "out of time"
    config = search.get("HyperParameterTuningJobConfig", {})
    stops = config.get("TrainingJobEarlyStoppingType") == "Auto" or config.get("Strategy") == "Hyperband"
    # SageMaker says Stopped of a trial ended by early stopping and of one ended with its search alike. A search that
    # was ended starts no more trials, so one that ended before the last began was stopped early.
    limit = config.get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs")
    status = search["HyperParameterTuningJobStatus"]
    cut = status in ("Stopped", "Stopping") or (status != "InProgress" and limit is not None and made < limit)
    if stops and (not cut or summary.get("TrainingEndTime", last) < last):
        return "early stopped"
    return "stopped"


def _best(search: Answer, trials: Sequence[Trial], *, maximize: bool) -> Trial | None:
    """The trial that SageMaker calls best; its own choice counts among equals."""
    named = search.get("BestTrainingJob", {}).get("TrainingJobName")
    measured = [(trial.objective, trial) for trial in trials if trial.objective is not None]
    chosen = next((trial for _, trial in measured if trial.name == named), None)
    if chosen is not None or not measured:
        return chosen
    sign = 1 if maximize else -1
    return max(measured, key=lambda pair: (sign * pair[0], -pair[1].number))[1]


def _better_before(search: Answer, trials: Sequence[Trial]) -> tuple[str, float] | None:
    """SageMaker's OverallBestTrainingJob, when it is of another search."""
    overall = search.get("OverallBestTrainingJob", {})
    value = overall.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    if value is None or any(trial.name == overall["TrainingJobName"] for trial in trials):
        return None
    return overall["TrainingJobName"], float(value)


def _parameters(config: Answer, definitions: Sequence[Answer], trials: Sequence[Trial]) -> list[Parameter]:
    found: dict[str, Parameter] = {}
    for ranges in (config.get("ParameterRanges", {}), *(each.get("HyperParameterRanges", {}) for each in definitions)):
        for kind in _RANGES:
            for each in ranges.get(kind, []):
                found.setdefault(each["Name"], _parameter(kind, each))
    # What SageMaker ranged by itself (AutoParameters) is known by the values tried.
    for name in dict.fromkeys(name for trial in trials for name in trial.values if name not in found):
        found[name] = _guessed(name, [trial.values[name] for trial in trials if name in trial.values])
    return list(found.values())


def _parameter(kind: str, given: Answer) -> Parameter:
    name = given["Name"]
    if kind == "CategoricalParameterRanges":
        values = tuple(_plain(value) for value in given["Values"])
        return Parameter(name=name, scale=Category(values), words=", ".join(value or EMPTY for value in values))
    low, high, whole = float(given["MinValue"]), float(given["MaxValue"]), kind == "IntegerParameterRanges"
    scaling = scale_of(given.get("ScalingType", "Auto"), low, high)
    words = f"{given['MinValue']} to {given['MaxValue']}"
    if scaling == REVERSE and 0 <= low <= high < 1:
        return Parameter(name=name, scale=ReverseLogarithmic(low, high), words=f"{words}, reverse logarithmic")
    if scaling == LOGARITHMIC and low > 0:
        return Parameter(name=name, scale=Logarithmic(low, high, whole), words=f"{words}, logarithmic")
    return Parameter(name=name, scale=Linear(low, high, whole), words=words)


def _guessed(name: str, values: Sequence[str]) -> Parameter:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        words = tuple(dict.fromkeys(values))
        return Parameter(name=name, scale=Category(words), words=", ".join(word or EMPTY for word in words))
    return Parameter(name=name, scale=Linear(min(numbers), max(numbers)), words="ranged by SageMaker")


def _settings(search: Answer, config: Answer) -> Iterator[tuple[str, str]]:
    limits, criteria = config.get("ResourceLimits", {}), config.get("TuningJobCompletionCriteria", {})
    warm = search.get("WarmStartConfig", {})
    yield "Strategy", config.get("Strategy", "")
    yield "Early stopping", config.get("TrainingJobEarlyStoppingType", "Off")
    if "MaxNumberOfTrainingJobs" in limits:
        yield "Trials at most", str(limits["MaxNumberOfTrainingJobs"])
    if "MaxParallelTrainingJobs" in limits:
        yield "At once at most", str(limits["MaxParallelTrainingJobs"])
    if "RandomSeed" in config:
        yield "Random seed", str(config["RandomSeed"])
    if "TargetObjectiveMetricValue" in criteria:
        yield "Ends at", f"{criteria['TargetObjectiveMetricValue']:g}"
    if criteria.get("BestObjectiveNotImproving"):
        yield (
            "Ends without gain after",
            f"{criteria['BestObjectiveNotImproving']['MaxNumberOfTrainingJobsNotImproving']}",
        )
    if warm:
        parents = [each["HyperParameterTuningJobName"] for each in warm["ParentHyperParameterTuningJobs"]]
        yield "Warm start", f"{warm['WarmStartType']}: {', '.join(parents)}"


def _plain(value: str) -> str:
    """A value as a person writes it; the Python SDK sends words with quotes around them."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value
