"""Starting, watching and ending training jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from launcher.config.run import Training
from launcher.doors import Door
from launcher.errors import JobFailed, JobStopped
from launcher.requests import create_training_job
from launcher.sagemaker import TRAINING_ENDED
from launcher.verbs import named
from launcher.verbs.logs import LogFollower
from launcher.verbs.remedies import with_remedy

Description = named.Description


@dataclass(frozen=True)
class Moved:
    """The job entered a state, or says more about the one it is in."""

    status: str
    message: str


@dataclass(frozen=True)
class Logged:
    """The job's log grew by a line."""

    line: str


@dataclass(frozen=True)
class Ended:
    """The job is at its end."""

    description: Description


# Secondary statuses of jobs that ran into a limit of theirs.
_LIMITS = {
    "MaxRuntimeExceeded": "it ran for its --max-runtime",
    "MaxWaitTimeExceeded": "spot instances were not to be had within its --max-wait",
}

Event = Moved | Logged | Ended


def start(door: Door, training: Training) -> str:
    """Start the job and return its name."""
    door.sagemaker.create_training_job(**create_training_job(training))
    return training.name


def describe(door: Door, name: str) -> Description:
    """The job's description. Raises NotFound."""
    return named.describe(door.sagemaker.describe_training_job, "training job", TrainingJobName=name)


def watch(
    door: Door, name: str, *, sleep: Callable[[float], None] = time.sleep, follow: bool = True
) -> Iterator[Event]:
    """What happens to a job, as it happens, until its end; from its beginning when it began earlier."""
    follower = LogFollower.of_job(door.logs, name)
    told: list[tuple[str, str]] = []
    while True:
        description = describe(door, name)
        moves = [
            (each["Status"], each.get("StatusMessage", ""))
            for each in description.get("SecondaryStatusTransitions", [])
        ]
        # A state's message may change while the state lasts.
        for index, move in enumerate(moves):
            if index >= len(told) or told[index] != move:
                yield Moved(*move)
        told = moves
        for line in follower.lines() if follow else ():
            yield Logged(line)
        if description["TrainingJobStatus"] in TRAINING_ENDED:
            yield Ended(description)
            return
        sleep(door.interval)


def conclude(description: Description) -> Description:
    """The description of a completed job; raises JobFailed or JobStopped for any other."""
    name, status = description["TrainingJobName"], description["TrainingJobStatus"]
    if status == "Failed":
        reason = with_remedy(description.get("FailureReason", "No reason was given."))
        raise JobFailed(f"Training job {name} failed. {reason}")
    if status == "Stopped":
        why = _LIMITS.get(description["SecondaryStatus"], "on request")
        raise JobStopped(f"Training job {name} was stopped, {why}; {_go_on(description)}")
    return description


def _go_on(description: Description) -> str:
    checkpoints = description.get("CheckpointConfig", {}).get("S3Uri")
    return f"to go on, train again with --checkpoints {checkpoints}" if checkpoints else "train again to start anew."


def stop(door: Door, name: str) -> str:
    """Ask the job to stop; the status it has now."""
    ask = partial(door.sagemaker.stop_training_job, TrainingJobName=name)
    return named.stop(partial(describe, door, name), "TrainingJobStatus", TRAINING_ENDED, ask)


def artifact(description: Description) -> str:
    """Where the job's model.tar.gz lies. Raises JobFailed when there is none."""
    uri = str(description.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""))
    status = description["TrainingJobStatus"]
    name = description["TrainingJobName"]
    if status not in TRAINING_ENDED:
        raise JobFailed(
            f"Training job {name} is {status} and has left no model yet; wait for it (`launch.py logs {name} -f`), or "
            "choose a completed one."
        )
    if not uri:
        raise JobFailed(f"Training job {name} is {status} and has left no model; {_go_on(description)}")
    return uri


def metrics(description: Description) -> dict[str, float]:
    """Last value of each metric."""
    return {each["MetricName"]: float(each["Value"]) for each in description.get("FinalMetricDataList", [])}
