"""Starting, watching and ending searches (hyperparameter tuning jobs), and reading what they found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from botocore.exceptions import ClientError

from launcher.config.tuning import Tuning
from launcher.doors import Door
from launcher.errors import ConfigError, JobFailed, JobStopped, LauncherError, NotFound
from launcher.requests import create_hyper_parameter_tuning_job
from launcher.sagemaker import TRAINING_ENDED, TRIAL_NAME, TUNING_ENDED
from launcher.verbs import named, training
from launcher.verbs.named import is_missing
from launcher.verbs.remedies import with_remedy
from launcher.verbs.training import Description

# A table that is read by people need not be drawn more often, and looking takes time from the trials.
_INTERVAL = 1.0
_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training job of a search, as it stands."""

    number: int
    name: str
    values: dict[str, str]
    status: str
    # The last value, while it runs, and the final one then; None before the first epoch's end.
    objective: float | None
    epoch: int | None
    seconds: float
    best: bool = False
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether it is at its end."""
        return self.status in TRAINING_ENDED


@dataclass(frozen=True)
class Look:
    """A search and its trials at one moment, in their order."""

    description: Description
    trials: list[Trial]

    @property
    def ended(self) -> bool:
        """Whether the search is at its end."""
        return self.description["HyperParameterTuningJobStatus"] in TUNING_ENDED

    @property
    def seconds(self) -> float:
        """How long the search has run: without the time between its end and its going on, where that is known."""
        consumed = self.description.get("ConsumedResources", {}).get("RuntimeInSeconds")
        if consumed is not None:
            return float(consumed)
        began, ended = self.description["CreationTime"], self.description.get("HyperParameterTuningEndTime")
        return (ended - began).total_seconds() if ended else max((trial.seconds for trial in self.trials), default=0.0)


def start(door: Door, tuning: Tuning) -> str:
    """Start the search and return its name."""
    door.sagemaker.create_hyper_parameter_tuning_job(**create_hyper_parameter_tuning_job(tuning))
    return tuning.name


def describe(door: Door, name: str) -> Description:
    """The search's description. Raises NotFound."""
    call = door.sagemaker.describe_hyper_parameter_tuning_job
    return named.describe(call, "search", HyperParameterTuningJobName=name)


def exists(door: Door, name: str) -> bool:
    """Whether there is a search of this name."""
    return named.exists(partial(describe, door, name))


def trials(door: Door, name: str) -> list[Description]:
    """Summaries of the search's trials, oldest first."""
    found: list[Description] = []
    token: dict[str, str] = {}
    while True:
        answer = door.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, SortBy="CreationTime", SortOrder="Ascending", MaxResults=_PAGE, **token
        )
        found += answer["TrainingJobSummaries"]
        if not answer.get("NextToken"):
            return found
        token = {"NextToken": answer["NextToken"]}


def described(door: Door, names: Sequence[str]) -> list[Description]:
    """What the trials' training jobs say of themselves, without those that are gone."""
    found = []
    for name in names:
        try:
            found.append(training.describe(door, name))
        except NotFound:
            continue  # deleted since
    return found


class Observer:
    """Looks at a search again and again; what a trial that has ended says is read once."""

    def __init__(self, door: Door, name: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._door = door
        self._name = name
        self._clock = clock
        self._final: dict[str, dict[str, float]] = {}

    def look(self) -> Look:
        """The search as it is now. Raises NotFound."""
        description = describe(self._door, self._name)
        best = description.get("BestTrainingJob", {}).get("TrainingJobName")
        objective = objective_of(description)
        found = [
            self._trial(summary, index, objective, best=summary["TrainingJobName"] == best)
            for index, summary in enumerate(trials(self._door, self._name), start=1)
        ]
        return Look(description, sorted(found, key=lambda trial: trial.number))

    def _trial(self, summary: Description, index: int, objective: str, *, best: bool) -> Trial:
        name = summary["TrainingJobName"]
        metrics = self._metrics(summary)
        final = summary.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
        began: datetime = summary.get("TrainingStartTime") or summary["CreationTime"]
        ended: datetime = summary.get("TrainingEndTime") or (
            began if summary["TrainingJobStatus"] in TRAINING_ENDED else self._clock()
        )
        parts = TRIAL_NAME.fullmatch(name)
        return Trial(
            number=int(parts["number"]) if parts else index,
            name=name,
            values=dict(summary.get("TunedHyperParameters", {})),
            status=summary["TrainingJobStatus"],
            objective=metrics.get(objective) if final is None else float(final),
            epoch=int(metrics["epoch"]) if "epoch" in metrics else None,
            seconds=max((ended - began).total_seconds(), 0.0),
            best=best,
            reason=summary.get("FailureReason", ""),
        )

    def _metrics(self, summary: Description) -> dict[str, float]:
        """The trial's latest metrics; none for one that is gone."""
        name = summary["TrainingJobName"]
        if name in self._final:
            return self._final[name]
        try:
            found = training.metrics(training.describe(self._door, name))
        except NotFound:
            found = {}
        if summary["TrainingJobStatus"] in TRAINING_ENDED:
            self._final[name] = found
        return found


def watch(door: Door, name: str, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Look]:
    """The search now and then, until its end and at its end."""
    observer = Observer(door, name)
    while True:
        look = observer.look()
        yield look
        if look.ended:
            return
        sleep(max(door.interval, _INTERVAL))


def objective_of(description: Description) -> str:
    """The metric that the search is after."""
    return str(description["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"])


def best(description: Description) -> Description:
    """The best trial's summary. Raises JobFailed when there is none."""
    found: Description | None = description.get("BestTrainingJob")
    if found:
        return found
    name, status = description["HyperParameterTuningJobName"], description["HyperParameterTuningJobStatus"]
    reason = f" {description['FailureReason']}" if description.get("FailureReason") else ""
    what = "has no best trial" if status in TUNING_ENDED else "has no best trial yet"
    raise JobFailed(
        f"Search {name} is {status} and {what}: none has given {objective_of(description)}.{reason} "
        f"`launch.py status {name}` lists its trials."
    )


def conclude(door: Door, description: Description) -> Description:
    """The description of a completed search; raises JobFailed or JobStopped for any other."""
    name, status = description["HyperParameterTuningJobName"], description["HyperParameterTuningJobStatus"]
    if status == "Failed":
        reason = with_remedy(description.get("FailureReason", "No reason was given."))
        raise JobFailed(f"Search {name} failed. {reason}")
    if status == "Stopped":
        raise JobStopped(f"Search {name} was stopped; {_go_on(door, name)}.")
    best(description)
    return description


def _go_on(door: Door, name: str) -> str:
    if door.kind == "local":
        return f"`launch.py tune --resume {name}` goes on with it"
    return f"`launch.py tune --warm-start {name} …` begins another from what it found"


def artifact(door: Door, name: str) -> str:
    """Where the model of the search's best trial lies. Raises NotFound, and JobFailed when there is none."""
    description = describe(door, name)
    trial = training.describe(door, best(description)["TrainingJobName"])
    if trial["TrainingJobStatus"] not in TRAINING_ENDED or trial.get("ModelArtifacts", {}).get("S3ModelArtifacts"):
        return training.artifact(trial)
    go_on = "" if description["HyperParameterTuningJobStatus"] == "Completed" else f", and {_go_on(door, name)}"
    raise JobFailed(
        f"The best trial of search {name}, {trial['TrainingJobName']}, is {trial['TrainingJobStatus']} and has left no "
        f"model; `launch.py train --from-tuning {name}` trains with its values{go_on}."
    )


def stop(door: Door, name: str) -> str:
    """Ask the search and its running trials to stop; the status it has now."""
    ask = partial(door.sagemaker.stop_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)
    return named.stop(partial(describe, door, name), "HyperParameterTuningJobStatus", TUNING_ENDED, ask)


def running(door: Door, name: str) -> list[str]:
    """The names of the search's trials that have not ended; those of a search whose supervisor was killed train on."""
    return [each["TrainingJobName"] for each in trials(door, name) if each["TrainingJobStatus"] not in TRAINING_ENDED]


def resume(door: Door, name: str) -> str:
    """Go on with a search that was stopped or killed. Raises NotFound, and ConfigError for one in AWS."""
    if door.kind != "local":
        raise ConfigError(
            f"A search in AWS needs no resuming while it runs, and cannot be resumed once stopped; begin another from "
            f"what it found with `launch.py tune --warm-start {name} …`."
        )
    describe(door, name)
    door.sagemaker.resume_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    return name


def deletable(door: Door, name: str) -> list[str]:
    """The names of the search's trials. Raises LauncherError while one of them runs."""
    every = trials(door, name)
    going = sum(each["TrainingJobStatus"] not in TRAINING_ENDED for each in every)
    if going:
        raise LauncherError(
            f"Search {name} has {going} of its {len(every)} trials running still, and nothing was deleted; stop them "
            f"first with `launch.py stop {name}`."
        )
    return [each["TrainingJobName"] for each in every]


def delete(door: Door, name: str) -> list[str]:
    """Delete an ended search with its trials; the names of the trials. What they put into their output stays.

    Raises LauncherError, and deletes nothing, while one of them runs.
    """
    gone: list[str] = []
    # The search last: what is left by an interruption is still its.
    for trial in deletable(door, name):
        try:
            door.sagemaker.delete_training_job(TrainingJobName=trial)
        except ClientError as exc:
            if not is_missing(exc):
                raise
        gone.append(trial)
    door.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    return gone


def counted(trials: int) -> str:
    """How many trials, in words."""
    return "1 trial" if trials == 1 else f"{trials} trials"


def search_of(job: str) -> str | None:
    """The name of the search whose trial's name this may be; whether there is such a search is another question."""
    parts = TRIAL_NAME.fullmatch(job)
    return parts["search"] if parts else None
