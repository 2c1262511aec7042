"""The local door's batch transform calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.errors import LauncherError
from launcher.local import reconcile, store
from launcher.local.ending import ask_to_stop, settle
from launcher.local.records import new_transform_record
from launcher.local.settings import Settings
from launcher.local.store import Store
from launcher.local.uris import to_path
from launcher.local.wire import Request, Response, arn, check, page, refuse, response
from launcher.sagemaker import TRANSFORM_ENDED, model_uri

_SERVICE = "sagemaker"
# What describe gives back of the request, in SageMaker's own words.
_DESCRIBED = (
    "ModelName", "MaxConcurrentTransforms", "ModelClientConfig", "MaxPayloadInMB", "BatchStrategy", "Environment",
    "TransformInput", "TransformOutput", "TransformResources",
)  # fmt: skip
# SageMaker's own limits, in MB.
_MOST_PAYLOAD = 100


class TransformCalls:
    """create, describe, list, stop and delete of batch transform jobs."""

    store: Store
    settings: Settings
    clock: Callable[[], float]

    def _supervise(self, folder: Path) -> None:
        raise NotImplementedError

    def _document(self, operation: str, kind: str, name: str, word: str) -> dict[str, Any]:
        raise NotImplementedError

    def create_transform_job(self, **request: Any) -> Response:
        """Start a batch transform job; its supervisor goes on when this process ends."""
        operation = "CreateTransformJob"
        check(_SERVICE, operation, request)
        name = request["TransformJobName"]
        container = self._document(operation, store.MODELS, request["ModelName"], "model")["PrimaryContainer"]
        _check_numbers(operation, request)
        _check_places(operation, request, model_uri(container))
        _check_manner(operation, request)
        record = {**new_transform_record(self.clock()), "TransformJobArn": arn("transform-job", name)}
        documents = {
            # A copy: the model may be deleted while the job runs.
            store.REQUEST: {**request, "Container": container},
            store.RECORD: record,
            store.SETTINGS: self.settings.document(),
        }
        try:
            folder = self.store.create(store.TRANSFORM_JOBS, name, documents)
        except FileExistsError:
            refuse(operation, f"Job name must be unique: {name} exists already.", code="ResourceInUse")
        self._supervise(folder)
        return response({"TransformJobArn": record["TransformJobArn"]})

    def describe_transform_job(self, **request: Any) -> Response:
        """The job's request and its present state."""
        operation = "DescribeTransformJob"
        check(_SERVICE, operation, request)
        name = request["TransformJobName"]
        folder, record = self._transform(operation, name)
        asked = store.read_json(folder / store.REQUEST) or {}
        shown = {key: value for key, value in record.items() if key != "LastModifiedTime"}
        kept = {key: asked[key] for key in _DESCRIBED if key in asked}
        return response({"TransformJobName": name, **kept, **shown})

    def list_transform_jobs(self, **request: Any) -> Response:
        """Summaries, newest first, paged."""
        check(_SERVICE, "ListTransformJobs", request)
        kept = ("TransformJobArn", "CreationTime", "TransformEndTime", "LastModifiedTime", "TransformJobStatus",
                "FailureReason")  # fmt: skip
        rows = []
        for name in self.store.names(store.TRANSFORM_JOBS):
            record = self._transform_record(name)
            if record is not None:
                rows.append({"TransformJobName": name, **{key: record[key] for key in kept if key in record}})
        return page(rows, request, "TransformJobSummaries")

    def stop_transform_job(self, **request: Any) -> Response:
        """Ask a job to stop; the answers that are written stay."""
        operation = "StopTransformJob"
        check(_SERVICE, operation, request)
        folder, record = self._transform(operation, request["TransformJobName"])
        ask_to_stop(operation, folder, record["TransformJobStatus"], TRANSFORM_ENDED)
        return response()

    def delete_transform_job(self, **request: Any) -> Response:
        """Forget an ended job and its folder; its answers stay. AWS has no such call, and keeps its records."""
        operation = "DeleteTransformJob"
        name = request["TransformJobName"]
        folder, record = self._transform(operation, name)
        settle(operation, folder, record["TransformJobStatus"], TRANSFORM_ENDED)
        self.store.remove(store.TRANSFORM_JOBS, name)
        return response()

    def _transform_record(self, name: str) -> dict[str, Any] | None:
        return reconcile.present(
            self.store.folder(store.TRANSFORM_JOBS, name), reconcile.transform_document, self.clock
        )

    def _transform(self, operation: str, name: str) -> tuple[Path, dict[str, Any]]:
        record = self._transform_record(name)
        if record is None:
            refuse(operation, f"Could not find requested job with name: {name}")
        return self.store.folder(store.TRANSFORM_JOBS, name), record


def _check_numbers(operation: str, request: Request) -> None:
    concurrent, payload = request.get("MaxConcurrentTransforms") or 1, request.get("MaxPayloadInMB") or 0
    if payload > _MOST_PAYLOAD or concurrent * payload > _MOST_PAYLOAD:
        refuse(operation, f"MaxPayloadInMB {payload}, and its product with MaxConcurrentTransforms {concurrent}, may "
               f"be {_MOST_PAYLOAD} at most.")  # fmt: skip
    if request["TransformResources"]["InstanceCount"] != 1:
        refuse(operation, "The local door is one machine; ask for one instance.")


def _check_places(operation: str, request: Request, model: str) -> None:
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    for place in (source["S3Uri"], request["TransformOutput"]["S3OutputPath"], *([model] if model else [])):
        try:
            to_path(place)
        except LauncherError as exc:
            refuse(operation, str(exc))
    if not to_path(source["S3Uri"]).exists():
        refuse(operation, f"There is nothing at {source['S3Uri']}.")


def _check_manner(operation: str, request: Request) -> None:
    """Refuse what pictures do not need, and what would be passed over in silence otherwise."""
    source, taken = request["TransformInput"]["DataSource"]["S3DataSource"], request["TransformInput"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        refuse(operation, f"The local door takes S3Prefix and ManifestFile, and no {source['S3DataType']}.")
    for word, value in (("SplitType", taken.get("SplitType")), ("CompressionType", taken.get("CompressionType")),
                        ("AssembleWith", request["TransformOutput"].get("AssembleWith"))):  # fmt: skip
        if value not in (None, "None"):
            refuse(operation, f"{word} is {value}, and the local door sends each object whole; leave it out.")
    for word in ("DataProcessing", "DataCaptureConfig"):
        if request.get(word):
            refuse(operation, f"{word} is AWS's alone; leave it out.")
