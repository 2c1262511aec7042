"""The local door's tuning-job calls."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.local import reconcile, store
from launcher.local.ending import ask_to_stop, settle
from launcher.local.processes import wait_until
from launcher.local.records import new_tuning_record
from launcher.local.settings import Settings
from launcher.local.store import Document, Store
from launcher.local.tuning import completion, interpreter, warmstart
from launcher.local.tuning.checks import OPERATION, check_search
from launcher.local.tuning.request import trial_request
from launcher.local.tuning.space import Space
from launcher.local.tuning.trials import Objective, Trial, Trials, counters, summary
from launcher.local.tuning.warmstart import Parent
from launcher.local.wire import Request, Response, check, page, refuse, response, tuning_arn
from launcher.sagemaker import TUNING_ENDED

_SERVICE = "sagemaker"
_LISTED = ("HyperParameterTuningJobArn", "HyperParameterTuningJobStatus", "CreationTime",
           "HyperParameterTuningEndTime", "LastModifiedTime")  # fmt: skip


class TuningCalls:
    """create, describe, list, stop, delete and resume of searches, and the list of their trials."""

    store: Store
    settings: Settings
    clock: Callable[[], float]

    def _supervise(self, folder: Path) -> None:
        raise NotImplementedError

    def _check_training(self, operation: str, request: Request) -> None:
        raise NotImplementedError

    def _record(self, name: str) -> Document | None:
        raise NotImplementedError

    def create_hyper_parameter_tuning_job(self, **request: Any) -> Response:
        """Start a search; its supervisor goes on when this process ends."""
        check(_SERVICE, OPERATION, request)
        check_search(request)
        name = request["HyperParameterTuningJobName"]
        lowest = {each.name: each.lowest for each in Space.of(_config(request)).ranges}
        self._check_training(OPERATION, trial_request(request, name, lowest))
        parents = [self._parent(request, each) for each in warmstart.names(request)]
        interpreter.check_room(_config(request), self.settings)
        documents = {
            store.REQUEST: request,
            store.RECORD: {**new_tuning_record(self.clock()), "HyperParameterTuningJobArn": tuning_arn(name)},
            store.SETTINGS: self.settings.document(),
            # A search of the same name may have been here before, and its trials may be here still.
            store.SEARCH: {"Id": uuid.uuid4().hex, "Seed": _config(request).get("RandomSeed", secrets.randbits(31))},
            store.KNOWN: warmstart.document(request, parents),
        }
        try:
            folder = self.store.create(store.TUNING_JOBS, name, documents)
        except FileExistsError:
            refuse(OPERATION, f"Hyperparameter tuning job names must be unique: {name} exists already.",
                   code="ResourceInUse")  # fmt: skip
        self._supervise(folder)
        return response({"HyperParameterTuningJobArn": tuning_arn(name)})

    def _parent(self, request: Request, name: str) -> Parent:
        folder, record = self._search(OPERATION, name)
        status = record["HyperParameterTuningJobStatus"]
        if status not in TUNING_ENDED:
            refuse(OPERATION, f"The parent tuning job {name} is {status}; a warm start needs one that has ended.")
        parent = Parent(
            name=name, request=store.read_json(folder / store.REQUEST) or {}, trials=self.trials(name).all()
        )
        objection = warmstart.objection(request, parent)
        if objection:
            refuse(OPERATION, f"The tuning job cannot start from {objection}")
        return parent

    def describe_hyper_parameter_tuning_job(self, **request: Any) -> Response:
        """The search's request, its present state, its counts and its best trial."""
        operation = "DescribeHyperParameterTuningJob"
        check(_SERVICE, operation, request)
        name = request["HyperParameterTuningJobName"]
        folder, record = self._search(operation, name)
        asked = store.read_json(folder / store.REQUEST) or {}
        objective = Objective.of(_config(asked))
        trials = self.trials(name).all()
        definition = asked["TrainingJobDefinition"]
        static = {**definition.get("StaticHyperParameters", {}), "_tuning_objective_metric": objective.metric}
        best = objective.best(trials)
        return response(
            {
                "HyperParameterTuningJobName": name,
                "HyperParameterTuningJobConfig": _config(asked),
                "TrainingJobDefinition": {**definition, "StaticHyperParameters": static},
                **({"WarmStartConfig": asked["WarmStartConfig"]} if "WarmStartConfig" in asked else {}),
                **record,
                **counters(trials),
                **({"BestTrainingJob": summary(best, name, objective)} if best else {}),
                **self._overall_best(folder, name, best, objective),
                "TuningJobCompletionDetails": completion.details(trials, objective),
            }
        )

    def _overall_best(self, folder: Path, name: str, best: Trial | None, objective: Objective) -> dict[str, Any]:
        """OverallBestTrainingJob, which AWS gives after a warm start on the same data and algorithm."""
        earlier = (store.read_json(folder / store.KNOWN) or {}).get("Best")
        if earlier is None:
            return {}
        theirs = earlier["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        if best is not None and best.objective is not None and not objective.better(theirs, best.objective):
            earlier = summary(best, name, objective)
        return {"OverallBestTrainingJob": earlier}

    def list_hyper_parameter_tuning_jobs(self, **request: Any) -> Response:
        """Summaries, paged."""
        check(_SERVICE, "ListHyperParameterTuningJobs", request)
        rows = []
        for name in self.store.names(store.TUNING_JOBS):
            record = self._tuning_record(name)
            asked = self.store.read(store.TUNING_JOBS, name, store.REQUEST)
            if record is None or asked is None:
                continue
            config = _config(asked)
            rows.append(
                {
                    "HyperParameterTuningJobName": name,
                    **{key: record[key] for key in _LISTED if key in record},
                    "Strategy": config["Strategy"],
                    "ResourceLimits": config["ResourceLimits"],
                    **counters(self.trials(name).all()),
                }
            )
        return page(rows, request, "HyperParameterTuningJobSummaries", order="Ascending")

    def list_training_jobs_for_hyper_parameter_tuning_job(self, **request: Any) -> Response:
        """Summaries of a search's trials, paged."""
        operation = "ListTrainingJobsForHyperParameterTuningJob"
        check(_SERVICE, operation, request)
        name = request["HyperParameterTuningJobName"]
        folder, _ = self._search(operation, name)
        objective = Objective.of(_config(store.read_json(folder / store.REQUEST) or {}))
        trials = self.trials(name).all()
        value: Callable[[dict[str, Any]], float] | None = None
        if request.get("SortBy") == "FinalObjectiveMetricValue":
            # AWS leaves out the jobs that have none.
            trials = [trial for trial in trials if trial.objective is not None]
            value = _final_value
        rows = [summary(trial, name, objective) for trial in trials]
        return page(rows, request, "TrainingJobSummaries", order="Ascending", by=value)

    def stop_hyper_parameter_tuning_job(self, **request: Any) -> Response:
        """Ask a search to stop: its running trials are stopped, and no more are started."""
        operation = "StopHyperParameterTuningJob"
        check(_SERVICE, operation, request)
        folder, record = self._search(operation, request["HyperParameterTuningJobName"])
        ask_to_stop(operation, folder, record["HyperParameterTuningJobStatus"], TUNING_ENDED, what="tuning job")
        return response()

    def delete_hyper_parameter_tuning_job(self, **request: Any) -> Response:
        """Forget an ended search; as in AWS, its training jobs and their outputs stay."""
        operation = "DeleteHyperParameterTuningJob"
        check(_SERVICE, operation, request)
        name = request["HyperParameterTuningJobName"]
        folder, record = self._search(operation, name)
        settle(operation, folder, record["HyperParameterTuningJobStatus"], TUNING_ENDED, what="Tuning job")
        self.store.remove(store.TUNING_JOBS, name)
        return response()

    def resume_hyper_parameter_tuning_job(self, **request: Any) -> Response:
        """Go on with a search that was killed, or stopped; AWS has no such call.

        Trials that are running still are watched again, and those that were killed with their search start again.
        """
        operation = "ResumeHyperParameterTuningJob"
        # Its shape is describe's: a name.
        check(_SERVICE, "DescribeHyperParameterTuningJob", request)
        name = request["HyperParameterTuningJobName"]
        folder, _ = self._search(operation, name)
        with store.locked(folder / "resume.lock"):
            record = self._search(operation, name)[1]
            status = record["HyperParameterTuningJobStatus"]
            if status == "Completed":
                refuse(operation, f"Tuning job {name} is Completed; another one begins with what it has found by "
                       f"`launch.py tune --warm-start {name}`.")  # fmt: skip
            if status not in ("Failed", "Stopped"):
                refuse(operation, f"Tuning job {name} is {status}; only a failed or stopped one can go on.")
            interpreter.check_room(_config(store.read_json(folder / store.REQUEST) or {}), self.settings)
            wait_until(lambda: not reconcile.supervised(folder), seconds=10.0)
            (folder / store.STOP).unlink(missing_ok=True)
            # In this order: a record in progress without a supervisor is one that was abandoned.
            self._supervise(folder)
            wait_until(lambda: self._goes_on(folder), seconds=30.0)
        return response({"HyperParameterTuningJobArn": tuning_arn(name)})

    def _goes_on(self, folder: Path) -> bool:
        record = store.read_json(folder / store.RECORD) or {}
        return not reconcile.supervised(folder) or record.get("HyperParameterTuningJobStatus") == "InProgress"

    def trials(self, name: str) -> Trials:
        """The trials of a search."""
        folder = self.store.folder(store.TUNING_JOBS, name)
        search, asked = store.read_json(folder / store.SEARCH) or {}, store.read_json(folder / store.REQUEST) or {}
        return Trials(self.store, name, search.get("Id", ""), Objective.of(_config(asked)), self._record)

    def _tuning_record(self, name: str) -> Document | None:
        return reconcile.present(self.store.folder(store.TUNING_JOBS, name), reconcile.tuning_document, self.clock)

    def _search(self, operation: str, name: str) -> tuple[Path, Document]:
        record = self._tuning_record(name)
        if record is None:
            refuse(operation, f"Requested resource not found: tuning job {name}.", code="ResourceNotFound")
        return self.store.folder(store.TUNING_JOBS, name), record


def _config(request: Request) -> dict[str, Any]:
    return dict(request["HyperParameterTuningJobConfig"])


def _final_value(row: dict[str, Any]) -> float:
    return float(row["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
