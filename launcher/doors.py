"""A door: the clients and objects a verb deals with, AWS's or this machine's. Nothing above knows which it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from launcher.config.run import Door as Kind

Answer = dict[str, Any]


class SageMaker(Protocol):
    """The calls of boto3.client("sagemaker") that the verbs use."""

    def create_training_job(self, **request: Any) -> Answer: ...
    def describe_training_job(self, **request: Any) -> Answer: ...
    def list_training_jobs(self, **request: Any) -> Answer: ...
    def stop_training_job(self, **request: Any) -> Answer: ...
    def delete_training_job(self, **request: Any) -> Answer: ...
    def create_hyper_parameter_tuning_job(self, **request: Any) -> Answer: ...
    def describe_hyper_parameter_tuning_job(self, **request: Any) -> Answer: ...
    def list_hyper_parameter_tuning_jobs(self, **request: Any) -> Answer: ...
    def list_training_jobs_for_hyper_parameter_tuning_job(self, **request: Any) -> Answer: ...
    def stop_hyper_parameter_tuning_job(self, **request: Any) -> Answer: ...
    def delete_hyper_parameter_tuning_job(self, **request: Any) -> Answer: ...
    # The local door's own: AWS has none of it.
    def resume_hyper_parameter_tuning_job(self, **request: Any) -> Answer: ...
    def create_transform_job(self, **request: Any) -> Answer: ...
    def describe_transform_job(self, **request: Any) -> Answer: ...
    def list_transform_jobs(self, **request: Any) -> Answer: ...
    def stop_transform_job(self, **request: Any) -> Answer: ...
    # AWS has no such call, and keeps the records of such jobs: its door forgets them, the local one deletes them.
    def delete_transform_job(self, **request: Any) -> Answer: ...
    def create_model(self, **request: Any) -> Answer: ...
    def describe_model(self, **request: Any) -> Answer: ...
    def list_models(self, **request: Any) -> Answer: ...
    def delete_model(self, **request: Any) -> Answer: ...
    def create_endpoint_config(self, **request: Any) -> Answer: ...
    def describe_endpoint_config(self, **request: Any) -> Answer: ...
    def delete_endpoint_config(self, **request: Any) -> Answer: ...
    def list_endpoint_configs(self, **request: Any) -> Answer: ...
    def list_tags(self, **request: Any) -> Answer: ...
    def create_endpoint(self, **request: Any) -> Answer: ...
    def update_endpoint(self, **request: Any) -> Answer: ...
    def describe_endpoint(self, **request: Any) -> Answer: ...
    def list_endpoints(self, **request: Any) -> Answer: ...
    def delete_endpoint(self, **request: Any) -> Answer: ...


class Runtime(Protocol):
    """The call of boto3.client("sagemaker-runtime") that the verbs use."""

    def invoke_endpoint(self, **request: Any) -> Answer: ...


class AutoScaling(Protocol):
    """The calls of boto3.client("application-autoscaling") that the verbs use."""

    def register_scalable_target(self, **request: Any) -> Answer: ...
    def put_scaling_policy(self, **request: Any) -> Answer: ...
    def describe_scalable_targets(self, **request: Any) -> Answer: ...
    def deregister_scalable_target(self, **request: Any) -> Answer: ...


class Logs(Protocol):
    """The calls of boto3.client("logs") that the verbs use."""

    def describe_log_streams(self, **request: Any) -> Answer: ...
    def get_log_events(self, **request: Any) -> Answer: ...


class Listed(NamedTuple):
    """An object under a prefix: what follows the prefix in its key, bytes, and when it was written (since 1970)."""

    key: str
    size: int
    written: float = 0.0


class Write(Protocol):
    """Puts a file at an S3Uri, whole or not at all; in AWS encrypted with the KMS ``key``, when one is given."""

    def __call__(self, uri: str, file: Path, *, key: str | None = None) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Door:
    """Clients, and how many seconds to leave between two looks at something that changes.

    ``read`` opens the object at an S3Uri, and raises NotFound where there is none. ``address`` is where a named
    endpoint in service answers HTTP by itself; None behind AWS's door, which answers signed requests alone.
    """

    kind: Kind
    sagemaker: SageMaker
    runtime: Runtime
    logs: Logs
    read: Callable[[str], IO[bytes]]
    write: Write
    interval: float
    # AWS's; none here.
    region: str = ""
    address: Callable[[str], str | None] = lambda _endpoint: None
    # None where nothing scales by itself.
    autoscaling: AutoScaling | None = None
    # The objects under a prefix, in order.
    listing: Callable[[str], Iterable[Listed]] = lambda _uri: ()
    # Bytes under a prefix of S3; counted no further than asked.
    measure: Callable[[str, int], int] = lambda _uri, _enough: 0


def open_local(state: Path, engine: str | None = None) -> tuple[Door, str]:
    """The local door on the folder ``state``, and a sentence on the engine it uses.

    ``engine`` is auto, docker or process; None for verbs that start nothing, which need none.
    """
    import os

    from launcher.local import objects
    from launcher.local.client import LocalSageMaker
    from launcher.local.engines import choose
    from launcher.local.logs import LocalLogs
    from launcher.local.runtime import LocalRuntime
    from launcher.local.settings import Settings
    from launcher.local.store import Store

    settings, sentence = (Settings(), "") if engine is None else choose(engine, Settings(), os.environ)
    store = Store(state)
    runtime = LocalRuntime(store)
    door = Door(
        kind="local",
        sagemaker=LocalSageMaker(state, settings),
        runtime=runtime,
        logs=LocalLogs(store),
        read=objects.read,
        write=objects.write,
        listing=objects.listing,
        interval=0.25,
        address=runtime.address,
    )
    return door, sentence
