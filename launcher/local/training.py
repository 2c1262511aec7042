"""The local door's training-job calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.errors import EngineError, LauncherError
from launcher.local import debugger, reconcile, store, verdicts
from launcher.local.ending import ask_to_stop, settle
from launcher.local.layout import own_checkpoints
from launcher.local.records import new_training_record
from launcher.local.settings import Settings
from launcher.local.store import Document, Store
from launcher.local.uris import to_path
from launcher.local.wire import Request, Response, arn, check, page, refuse, response, tuning_arn
from launcher.sagemaker import TRAINING_ENDED

_SERVICE = "sagemaker"
# What describe gives back of the request, in SageMaker's own words.
_DESCRIBED = (
    "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig",
    "VpcConfig", "StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining", "CheckpointConfig", "DebugHookConfig", "DebugRuleConfigurations",
    "TensorBoardOutputConfig", "ProfilerConfig", "ProfilerRuleConfigurations", "Environment", "RetryStrategy",
)  # fmt: skip


class TrainingCalls:
    """create, describe, list, stop and delete of training jobs."""

    store: Store
    settings: Settings
    clock: Callable[[], float]

    def _supervise(self, folder: Path) -> None:
        raise NotImplementedError

    def create_training_job(self, **request: Any) -> Response:
        """Start a training job; its supervisor goes on when this process ends."""
        return self._create_job(request, {}, {})

    def create_trial(self, request: Request, trial: Document) -> Response:
        """Start a training job that is a search's trial; ``trial`` appears together with its folder."""
        return self._create_job(request, {store.TRIAL: trial}, {"TuningJobArn": tuning_arn(trial["TuningJobName"])})

    def supervise_again(self, folder: Path) -> None:
        """Give a job that nobody looks after a supervisor."""
        self._supervise(folder)

    def _create_job(self, request: Request, further: dict[str, Document], recorded: Document) -> Response:
        operation = "CreateTrainingJob"
        check(_SERVICE, operation, request)
        self._check_training(operation, request)
        name = request["TrainingJobName"]
        record = {**new_training_record(self.clock()), "TrainingJobArn": arn("training-job", name), **recorded}
        documents = {
            store.REQUEST: request,
            store.RECORD: record,
            store.SETTINGS: self.settings.document(),
            **further,
        }
        try:
            folder = self.store.create(store.TRAINING_JOBS, name, documents)
        except FileExistsError:
            refuse(operation, f"Training job names must be unique: {name} exists already.", code="ResourceInUse")
        self._supervise(folder)
        return response({"TrainingJobArn": record["TrainingJobArn"]})

    def _check_training(self, operation: str, request: Request) -> None:
        specification = request.get("AlgorithmSpecification", {})
        if not specification.get("TrainingImage"):
            refuse(operation, "AlgorithmSpecification.TrainingImage is needed; algorithms of AWS do not run locally.")
        if "StoppingCondition" not in request or "ResourceConfig" not in request:
            refuse(operation, "StoppingCondition and ResourceConfig are needed.")
        for definition in specification.get("MetricDefinitions", []):
            try:
                re.compile(definition["Regex"])
            except re.error as exc:
                refuse(operation, f"The regex of metric '{definition['Name']}' cannot be read: {exc}.")
        try:
            debugger.check(request)
        except ValueError as exc:
            refuse(operation, str(exc))
        places = [request["OutputDataConfig"]["S3OutputPath"], *debugger.places(request)]
        places += [c["DataSource"]["S3DataSource"]["S3Uri"] for c in request.get("InputDataConfig", [])]
        places += [request["CheckpointConfig"]["S3Uri"]] if request.get("CheckpointConfig") else []
        for place in places:
            try:
                to_path(place)
            except LauncherError as exc:
                refuse(operation, str(exc))

    def describe_training_job(self, **request: Any) -> Response:
        """The job's request and its present state."""
        check(_SERVICE, "DescribeTrainingJob", request)
        name = request["TrainingJobName"]
        folder, record = self._job("DescribeTrainingJob", name)
        asked = store.read_json(folder / store.REQUEST) or {}
        return response(
            {
                "TrainingJobName": name,
                "ModelArtifacts": {"S3ModelArtifacts": ""},
                **{key: asked[key] for key in _DESCRIBED if key in asked},
                **verdicts.statuses(folder, asked, ended=record["TrainingJobStatus"] in TRAINING_ENDED),
                **record,
            }
        )

    def list_training_jobs(self, *, with_trials: bool = True, **request: Any) -> Response:
        """Summaries, oldest first unless SortOrder says otherwise (AWS's default for jobs alone), paged.

        AWS lists the trials of searches among them; ``with_trials`` False, which AWS does not know, leaves them out.
        """
        check(_SERVICE, "ListTrainingJobs", request)
        rows = []
        for name in self.store.names(store.TRAINING_JOBS):
            record = self._record(name)
            if record is None or not (with_trials or "TuningJobArn" not in record):
                continue
            kept = ("TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus",
                    "SecondaryStatus")  # fmt: skip
            rows.append({"TrainingJobName": name, **{key: record[key] for key in kept if key in record}})
        return page(rows, request, "TrainingJobSummaries", order="Ascending")

    def stop_training_job(self, **request: Any) -> Response:
        """Ask a job to stop: SIGTERM, time for a last checkpoint, then SIGKILL."""
        operation = "StopTrainingJob"
        check(_SERVICE, operation, request)
        folder, record = self._job(operation, request["TrainingJobName"])
        ask_to_stop(operation, folder, record["TrainingJobStatus"], TRAINING_ENDED)
        return response()

    def delete_training_job(self, **request: Any) -> Response:
        """Forget an ended job and its folder; what it put into OutputDataConfig stays.

        But for checkpoints among it: a new job of that name would go on from them. Those kept elsewhere stay, and those
        that another job is at or would go on from.
        """
        operation = "DeleteTrainingJob"
        check(_SERVICE, operation, request)
        name = request["TrainingJobName"]
        folder, record = self._job(operation, name)
        settle(operation, folder, record["TrainingJobStatus"], TRAINING_ENDED)
        asked = store.read_json(folder / store.REQUEST) or {}
        checkpoints = own_checkpoints(asked) if asked else None
        if checkpoints and checkpoints.is_dir() and not self._others_at(checkpoints, name):
            store.discard(checkpoints)
        try:
            self.store.remove(store.TRAINING_JOBS, name)
        except EngineError:
            # A container's files, left when the engine did not answer; perhaps it does now.
            reconcile.sweep(folder)
            self.store.remove(store.TRAINING_JOBS, name)
        return response()

    def _others_at(self, checkpoints: Path, name: str) -> bool:
        """Whether another job than ``name`` keeps its checkpoints there."""
        for other in self.store.names(store.TRAINING_JOBS):
            asked = store.read_json(self.store.folder(store.TRAINING_JOBS, other) / store.REQUEST) or {}
            place = asked.get("CheckpointConfig", {}).get("S3Uri")
            if other != name and place and to_path(place) == checkpoints:
                return True
        return False

    def _record(self, name: str) -> dict[str, Any] | None:
        return reconcile.present(self.store.folder(store.TRAINING_JOBS, name), reconcile.training_document, self.clock)

    def _job(self, operation: str, name: str) -> tuple[Path, dict[str, Any]]:
        record = self._record(name)
        if record is None:
            refuse(operation, f"Requested resource not found: training job {name}.")
        return self.store.folder(store.TRAINING_JOBS, name), record
