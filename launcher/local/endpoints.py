"""The local door's endpoint calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from launcher.errors import LauncherError
from launcher.local import reconcile, store
from launcher.local.settings import Settings
from launcher.local.store import Store
from launcher.local.uris import to_path
from launcher.local.wire import Response, arn, check, page, refuse, response
from launcher.sagemaker import model_uri

_SERVICE = "sagemaker"


class EndpointCalls:
    """create, describe, list and delete of endpoints."""

    store: Store
    settings: Settings
    clock: Callable[[], float]

    def _supervise(self, folder: Path) -> None:
        raise NotImplementedError

    def _document(self, operation: str, kind: str, name: str, word: str) -> dict[str, Any]:
        raise NotImplementedError

    def create_endpoint(self, **request: Any) -> Response:
        """Start an endpoint; its supervisor goes on when this process ends."""
        operation = "CreateEndpoint"
        check(_SERVICE, operation, request)
        name = request["EndpointName"]
        config = self._document(operation, store.ENDPOINT_CONFIGS, request["EndpointConfigName"],
                                "endpoint configuration")  # fmt: skip
        variant = config["ProductionVariants"][0]
        container = self._document(operation, store.MODELS, variant["ModelName"], "model")["PrimaryContainer"]
        if model_uri(container):
            try:
                to_path(model_uri(container))
            except LauncherError as exc:
                refuse(operation, str(exc))
        self._endpoint_record(name)  # sweeps a deleted endpoint's folder, were its supervisor gone
        now = self.clock()
        record = {
            "EndpointArn": arn("endpoint", name),
            "EndpointStatus": "Creating",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        documents = {
            # A copy: the configuration and the model may be deleted while the endpoint lives.
            store.REQUEST: {**request, "Variant": variant, "Container": container},
            store.RECORD: record,
            store.SETTINGS: self.settings.document(),
        }
        try:
            folder = self.store.create(store.ENDPOINTS, name, documents)
        except FileExistsError:
            refuse(operation, f"Cannot create already existing endpoint '{record['EndpointArn']}'.")
        self._supervise(folder)
        return response({"EndpointArn": record["EndpointArn"]})

    def describe_endpoint(self, **request: Any) -> Response:
        """The endpoint's present state."""
        check(_SERVICE, "DescribeEndpoint", request)
        name = request["EndpointName"]
        record = self._endpoint("DescribeEndpoint", name)
        asked = self.store.read(store.ENDPOINTS, name, store.REQUEST)
        if asked is None:
            refuse("DescribeEndpoint", f"Could not find endpoint '{name}'.")
        variant = asked["Variant"]
        count = variant.get("InitialInstanceCount", 1)
        message = record.pop("StatusMessage", "")
        record.pop("Address", None)
        state: dict[str, Any] = {"Status": record["EndpointStatus"], "StartTime": record["LastModifiedTime"]}
        if record["EndpointStatus"] not in ("Creating", "Updating", "Deleting"):
            state = {}
        elif message:
            state["StatusMessage"] = message
        summary = {
            "VariantName": variant["VariantName"],
            "DeployedImages": [{"SpecifiedImage": asked["Container"].get("Image", "")}],
            "CurrentWeight": variant.get("InitialVariantWeight", 1.0),
            "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
            "CurrentInstanceCount": count if record["EndpointStatus"] == "InService" else 0,
            "DesiredInstanceCount": count,
            **({"VariantStatus": [state]} if state else {}),
        }
        return response(
            {
                "EndpointName": name,
                "EndpointConfigName": asked["EndpointConfigName"],
                "ProductionVariants": [summary],
                **record,
            }
        )

    def list_endpoints(self, **request: Any) -> Response:
        """Summaries, newest first, paged."""
        check(_SERVICE, "ListEndpoints", request)
        rows = []
        kept = ("EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        for name in self.store.names(store.ENDPOINTS):
            record = self._endpoint_record(name)
            if record is not None:
                rows.append({"EndpointName": name, **{key: record[key] for key in kept}})
        return page(rows, request, "Endpoints")

    def update_endpoint(self, **request: Any) -> Response:
        """Refused: there is one machine, and no second fleet to move to."""
        operation = "UpdateEndpoint"
        check(_SERVICE, operation, request)
        self._endpoint(operation, request["EndpointName"])
        refuse(operation, "The local door updates no endpoint; delete it and make it anew.")

    def delete_endpoint(self, **request: Any) -> Response:
        """Ask an endpoint to end; it is gone when describe no longer finds it."""
        check(_SERVICE, "DeleteEndpoint", request)
        self._endpoint("DeleteEndpoint", request["EndpointName"])
        folder = self.store.folder(store.ENDPOINTS, request["EndpointName"])
        with suppress(FileNotFoundError):
            (folder / store.STOP).touch()
        return response()

    def _endpoint_record(self, name: str) -> dict[str, Any] | None:
        return reconcile.present(self.store.folder(store.ENDPOINTS, name), reconcile.endpoint_document, self.clock)

    def _endpoint(self, operation: str, name: str) -> dict[str, Any]:
        record = self._endpoint_record(name)
        if record is None:
            refuse(operation, f"Could not find endpoint '{name}'.")
        return record
