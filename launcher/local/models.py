"""The local door's models and endpoint configurations: documents that an endpoint is made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from launcher.local import store
from launcher.local.store import Store
from launcher.local.wire import Request, Response, arn, check, page, refuse, response

_SERVICE = "sagemaker"


class ModelCalls:
    """create, describe, list and delete of models and of endpoint configurations."""

    store: Store
    clock: Callable[[], float]

    def create_model(self, **request: Any) -> Response:
        """Note a model: an image, its data's URI and its environment."""
        operation = "CreateModel"
        check(_SERVICE, operation, request)
        container = request.get("PrimaryContainer")
        if container is None:
            refuse(operation, "The local door serves models of one PrimaryContainer.")
        if container.get("Mode", "SingleModel") != "SingleModel":
            refuse(operation, "The local door serves SingleModel containers as yet.")
        if not container.get("Image"):
            refuse(operation, "PrimaryContainer.Image is needed.")
        return self._create(operation, store.MODELS, request, "Model", "model")

    def describe_model(self, **request: Any) -> Response:
        """The model as it was created."""
        return self._describe("DescribeModel", store.MODELS, request, "Model")

    def list_models(self, **request: Any) -> Response:
        """Summaries, newest first, paged."""
        check(_SERVICE, "ListModels", request)
        return page(self._rows(store.MODELS, "Model"), request, "Models")

    def delete_model(self, **request: Any) -> Response:
        """Forget a model; its data stays."""
        return self._delete("DeleteModel", store.MODELS, request, "Model")

    def create_endpoint_config(self, **request: Any) -> Response:
        """Note what an endpoint is to run: one variant of one model."""
        operation = "CreateEndpointConfig"
        check(_SERVICE, operation, request)
        variants = request["ProductionVariants"]
        if len(variants) != 1:
            refuse(operation, "The local door serves one production variant an endpoint.")
        self._document("CreateEndpointConfig", store.MODELS, variants[0].get("ModelName", ""), "model")
        return self._create(operation, store.ENDPOINT_CONFIGS, request, "EndpointConfig", "endpoint-config")

    def describe_endpoint_config(self, **request: Any) -> Response:
        """The configuration as it was created."""
        return self._describe("DescribeEndpointConfig", store.ENDPOINT_CONFIGS, request, "EndpointConfig")

    def list_endpoint_configs(self, **request: Any) -> Response:
        """Summaries, newest first, paged."""
        check(_SERVICE, "ListEndpointConfigs", request)
        return page(self._rows(store.ENDPOINT_CONFIGS, "EndpointConfig"), request, "EndpointConfigs")

    def delete_endpoint_config(self, **request: Any) -> Response:
        """Forget a configuration; an endpoint made from it goes on."""
        return self._delete("DeleteEndpointConfig", store.ENDPOINT_CONFIGS, request, "EndpointConfig")

    def list_tags(self, **request: Any) -> Response:
        """None: tags are read by bills and policies, and there are neither."""
        check(_SERVICE, "ListTags", request)
        return response({"Tags": []})

    def _create(self, operation: str, kind: str, request: Request, word: str, resource: str) -> Response:
        name = request[f"{word}Name"]
        document = {key: value for key, value in request.items() if key != "Tags"}
        document |= {f"{word}Arn": arn(resource, name), "CreationTime": self.clock()}
        try:
            self.store.create(kind, name, {store.REQUEST: document})
        except FileExistsError:
            refuse(operation, f"Cannot create already existing {resource} '{document[f'{word}Arn']}'.")
        return response({f"{word}Arn": document[f"{word}Arn"]})

    def _describe(self, operation: str, kind: str, request: Request, word: str) -> Response:
        check(_SERVICE, operation, request)
        return response(self._document(operation, kind, request[f"{word}Name"], word))

    def _delete(self, operation: str, kind: str, request: Request, word: str) -> Response:
        check(_SERVICE, operation, request)
        self._document(operation, kind, request[f"{word}Name"], word)
        self.store.remove(kind, request[f"{word}Name"])
        return response()

    def _rows(self, kind: str, word: str) -> list[dict[str, Any]]:
        documents = (self.store.read(kind, name, store.REQUEST) for name in self.store.names(kind))
        kept = (f"{word}Name", f"{word}Arn", "CreationTime")
        return [{key: document[key] for key in kept} for document in documents if document is not None]

    def _document(self, operation: str, kind: str, name: str, word: str) -> dict[str, Any]:
        document = self.store.read(kind, name, store.REQUEST) if name else None
        if document is None:
            refuse(operation, f"Could not find {word.lower()} '{name}'.")
        return document
