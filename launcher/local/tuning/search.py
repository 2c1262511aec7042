"""Looking after one search: start trials, watch them, end those that lose, and say when it is enough.

All that a search knows lies on the disk (``trials``), so each round begins with reading it: a search that is killed
and resumed takes up the very state in which it was.
"""

from __future__ import annotations

import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from botocore.exceptions import ClientError

from container.common.errors import THREE_WAYS
from launcher.local import reconcile, store
from launcher.local.client import LocalSageMaker
from launcher.local.engines.base import Cancelled
from launcher.local.engines.warm import WarmPool
from launcher.local.records import TuningRecord, new_training_record
from launcher.local.settings import Settings
from launcher.local.store import Document
from launcher.local.supervisor import sentence
from launcher.local.tuning import completion, interpreter, median, strategies, warmstart
from launcher.local.tuning.epochs import epochs_of
from launcher.local.tuning.hyperband import Hyperband, resources
from launcher.local.tuning.request import trial_request
from launcher.local.tuning.space import Values
from launcher.local.tuning.trials import Objective, Trial

_POLL_SECONDS = 0.1
_INTERRUPTED = "InternalServerError: "

Stop = Callable[[], bool]


def supervise_search(folder: Path, settings: Settings, stop: Stop, *, clock: Callable[[], float] = time.time) -> None:
    """Run the search in ``folder`` to its end, whatever the end is; its record says which."""
    record = TuningRecord(folder, clock=clock)
    record.begin()
    request = store.read_json(folder / store.REQUEST) or {}
    try:
        interpreter.enter(request["HyperParameterTuningJobConfig"], settings, stop=stop, folder=folder)
        with _pool(folder, request, settings, stop) as pool:
            client = LocalSageMaker(folder.parents[1], pool.settings, clock=clock)
            _Search(folder, request, client, stop, record).run()
    except Cancelled:
        record.end("Stopped")
    except Exception as exc:
        traceback.print_exc()
        again = f"`launch.py tune --resume {folder.name}` goes on with it."
        record.end("Failed", reason=f"{sentence(exc, folder)} {again}")


def _pool(folder: Path, request: Document, settings: Settings, stop: Stop) -> WarmPool:
    """What the trials are forked from."""
    any_trial = trial_request(request, folder.name, {})
    return WarmPool(
        settings,
        log=folder / "warm.log",
        environment=any_trial.get("Environment", {}),
        gpu=any_trial["ResourceConfig"].get("InstanceType") == "local_gpu",
        cancelled=stop,
    )


class Stopper(Protocol):
    """Says which running trials are to end."""

    def doomed(self, trials: Sequence[Trial]) -> list[Trial]: ...


class Never:
    """TrainingJobEarlyStoppingType Off."""

    def doomed(self, trials: Sequence[Trial]) -> list[Trial]:
        """None of them."""
        return []


class MedianRule:
    """TrainingJobEarlyStoppingType Auto."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective

    def doomed(self, trials: Sequence[Trial]) -> list[Trial]:
        """Those worse than the median of what the trials before them were."""
        return [trial for trial in trials if not trial.ended and self._is_worse(trial, trials)]

    def _is_worse(self, trial: Trial, trials: Sequence[Trial]) -> bool:
        epoch = len(trial.points)
        # One that runs beside this trial and has not come so far has no average up to this epoch.
        previous = [
            [point.value for point in other.points]
            for other in trials
            if other.number < trial.number and other.status != "Failed" and (other.ended or len(other.points) >= epoch)
        ]
        series = [point.value for point in trial.points]
        return median.is_worse(series, previous, maximize=self._objective.maximize)


def stopper_of(request: Document, objective: Objective) -> Stopper:
    """The early stopping that a request asks for."""
    config, static = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    if config["Strategy"] == "Hyperband":
        least, most = resources(config, static.get("StaticHyperParameters", {}))
        assert most is not None  # checked when the search was created
        return Hyperband(least, most, objective)
    return MedianRule(objective) if config.get("TrainingJobEarlyStoppingType") == "Auto" else Never()


class _Search:
    def __init__(
        self, folder: Path, request: Document, client: LocalSageMaker, stop: Stop, record: TuningRecord
    ) -> None:
        self.folder, self.request, self.client, self.stop, self.record = folder, request, client, stop, record
        self.config = request["HyperParameterTuningJobConfig"]
        self.objective = Objective.of(self.config)
        search = store.read_json(folder / store.SEARCH) or {}
        known = warmstart.known_of(store.read_json(folder / store.KNOWN))
        self.strategy = strategies.load(self.config, int(search["Seed"]), known)
        self.stopper = stopper_of(request, self.objective)
        self.trials = client.trials(folder.name)
        limits = self.config["ResourceLimits"]
        self.at_once = int(limits["MaxParallelTrainingJobs"])
        self.most = limits.get("MaxNumberOfTrainingJobs")
        self.seconds = limits.get("MaxRuntimeInSeconds")
        self.asked_to_end: set[str] = set()
        # Of an earlier run: what it lacked may be there now.
        self.failed_before = {trial.name for trial in self.trials.all() if trial.status == "Failed"}
        self.kept = 0

    def run(self) -> None:
        """Until nothing runs and nothing is to start."""
        there = self.client.store.names(store.TRAINING_JOBS)
        again = {t.name for t in self.trials.all() if t.name in there and (not t.ended or _interrupted(t))}
        exhausted = False
        why = ""
        while True:
            self._restart(again)
            trials = self.trials.all()
            self._keep(trials)
            running = [trial for trial in trials if not trial.ended]
            why = why or self._enough(trials)
            if why:
                self._end(running)
                if not running:
                    break
            else:
                self._end(self._losers(trials))
                if not exhausted and self._room(trials, running):
                    exhausted = not self._start(trials)
                    continue
                if not running:
                    break
            time.sleep(_POLL_SECONDS)
        self._finish(trials, why)

    def _enough(self, trials: list[Trial]) -> str:
        """Why no more is to be tried, before every trial that was asked for has run; "" while there is no reason."""
        if self.stop():
            self.record.move("Stopping")
            return "stopped"
        if self.seconds is not None and self.record.seconds() > self.seconds:
            return f"the search ran for its {self.seconds} s"
        return completion.reached(self.config, trials, self.objective) or self._hopeless(trials)

    def _hopeless(self, trials: list[Trial]) -> str:
        """That a trial has failed for want of weights which every other one asks for as well."""
        tuned = {each["Name"] for kind in self.config.get("ParameterRanges", {}).values() for each in kind}
        if tuned & {"weights", "model"} or self.objective.best(trials):
            return ""
        for trial in trials:
            reason = str(trial.record.get("FailureReason", ""))
            if trial.status == "Failed" and trial.name not in self.failed_before and THREE_WAYS in reason:
                again = f"`launch.py tune --resume {self.folder.name}` goes on"
                return f"no other trial could have the weights; once they are there, {again}"
        return ""

    def _room(self, trials: list[Trial], running: list[Trial]) -> bool:
        return len(running) < self.at_once and (self.most is None or len(trials) < self.most)

    def _start(self, trials: list[Trial]) -> bool:
        """Start one more trial; False when nothing is left to try."""
        number = max((trial.number for trial in trials), default=0) + 1
        values = self.strategy.suggest(number, trials)
        if values is None:
            return False
        start_trial(self.client, self.request, self.folder.name, number, values)
        return True

    def _losers(self, trials: list[Trial]) -> list[Trial]:
        """Running trials that early stopping ends; one that has run all its epochs has nothing left to save."""
        static = self.request["TrainingJobDefinition"].get("StaticHyperParameters", {})
        found = []
        for trial in self.stopper.doomed(trials):
            epochs = epochs_of({**static, **trial.values})
            if epochs is None or len(trial.points) < epochs:
                found.append(trial)
        return found

    def _end(self, trials: list[Trial]) -> None:
        for trial in trials:
            if trial.name in self.asked_to_end:
                continue
            self.asked_to_end.add(trial.name)
            try:
                self.client.stop_training_job(TrainingJobName=trial.name)
            except ClientError as exc:
                if exc.response["Error"]["Code"] != "ValidationException":
                    raise  # it ended a moment ago, which is as good

    def _restart(self, again: set[str]) -> None:
        """Start each of ``again`` once more that ended with its supervisor, not by its own fault."""
        for trial in self.trials.all() if again else ():
            if trial.name in again and _interrupted(trial):
                again.discard(trial.name)
                self.trials.forget(trial.name)
                restart_trial(self.client, trial.name)

    def _keep(self, trials: list[Trial]) -> None:
        ended = sum(trial.ended for trial in trials)
        if ended != self.kept:
            self.trials.keep(trials)
            self.kept = ended
            self.record.save()

    def _finish(self, trials: list[Trial], why: str) -> None:
        if why == "stopped":
            self.record.end("Stopped")
            return
        if trials and self.objective.best(trials) is None:
            ended = f". It ended early: {why}." if why else ""
            self.record.end("Failed", reason=_failure(trials, self.objective) + ended)
            return
        if why:
            sys.stdout.write(f"Completed before its last trial: {why}.\n")
        self.record.end("Completed")


def start_trial(client: LocalSageMaker, request: Document, tuning: str, number: int, values: Values) -> None:
    """Make a trial's training job and start it. The one place where a trial begins."""
    name, document = client.trials(tuning).new(number, values)
    client.create_trial(trial_request(request, name, values), document)


def restart_trial(client: LocalSageMaker, name: str) -> None:
    """Start an interrupted trial again from its beginning, or from its own checkpoints when it keeps them."""
    folder = client.store.folder(store.TRAINING_JOBS, name)
    reconcile.sweep(folder)
    for file in (store.HANDLES, store.STOP, store.METRICS, store.SUPERVISOR):
        (folder / file).unlink(missing_ok=True)
    for place in ("ml", "logs"):
        if (folder / place).exists():
            shutil.rmtree(folder / place)
    record = store.read_json(folder / store.RECORD) or {}
    kept: Document = {key: record[key] for key in ("TrainingJobArn", "TuningJobArn") if key in record}
    store.write_json(folder / store.RECORD, {**new_training_record(client.clock()), **kept})
    # What the trial was forked from before is gone.
    store.write_json(folder / store.SETTINGS, client.settings.document())
    client.supervise_again(folder)


def _interrupted(trial: Trial) -> bool:
    return trial.status == "Failed" and str(trial.record.get("FailureReason", "")).startswith(_INTERRUPTED)


def _failure(trials: list[Trial], objective: Objective) -> str:
    silent = f"no value of {objective.metric} was found in the log; see `launch.py logs {trials[0].name}`"
    reasons = Counter(str(trial.record.get("FailureReason", silent)) for trial in trials)
    reason, times = reasons.most_common(1)[0]
    often = "each time" if times == len(trials) else f"most often, {times} times"
    if len(trials) == 1:
        return f"The only training job gave no objective: {reason}"
    return f"None of the {len(trials)} training jobs gave an objective; {often}: {reason}"
