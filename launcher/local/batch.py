"""Looking after one batch transform job: start the server as SageMaker starts it for a batch, send it every object.

The server is told SAGEMAKER_BATCH and what the request says of payloads and of requests at once; what the request
leaves open it is asked (/execution-parameters), and else SageMaker's defaults hold. Two logs: the server's own, and the
data log, which tells of the objects.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from container.common.metrics import Progress, format_progress
from launcher.errors import EngineError
from launcher.local import objects, store
from launcher.local.dispatch import (
    CONCURRENT,
    PAYLOAD,
    RETRIES,
    TIMEOUT,
    Dispatch,
    Fault,
    Item,
    Manner,
    parameters,
    rate,
)
from launcher.local.engines.base import Cancelled, Run
from launcher.local.records import TransformRecord
from launcher.local.serving import Serving, variables
from launcher.local.settings import Settings
from launcher.local.supervisor import sentence
from launcher.local.uris import to_path

SERVER_LOG, DATA_LOG = "server.log", "server-data-log.log"
_STAGE = "transform"
_PROGRESS_SECONDS = 1.0
# Of objects that failed, so many are named in the reason; the data log names all.
_NAMED = 3

Stop = Callable[[], bool]


def supervise_transform(
    folder: Path, settings: Settings, stop: Stop, *, clock: Callable[[], float] = time.time
) -> None:
    """Run the job in ``folder`` to its end, whatever the end is; its record says which."""
    record = TransformRecord(folder, clock=clock)
    try:
        _Batch(folder, settings, stop, record).run()
    except Cancelled:
        record.end("Stopped")
    except Exception as exc:
        traceback.print_exc()
        record.end("Failed", reason=sentence(exc, folder))


class _Batch:
    def __init__(self, folder: Path, settings: Settings, stop: Stop, record: TransformRecord) -> None:
        self.settings, self.stop, self.record = settings, stop, record
        self.request: dict[str, Any] = store.read_json(folder / store.REQUEST) or {}
        container = self.request["Container"]
        self.data_log = folder / "logs" / DATA_LOG
        self.data_log.parent.mkdir(parents=True, exist_ok=True)
        self.serving = Serving(
            folder=folder,
            settings=settings,
            container=container,
            environment=variables(
                container.get("Environment", {}), self.request.get("Environment", {}), batch_variables(self.request)
            ),
            log=folder / "logs" / SERVER_LOG,
            gpu=self.request["TransformResources"]["InstanceType"] == "local_gpu",
            say=self._log,
            stop=stop,
        )

    def _log(self, line: str) -> None:
        with self.data_log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def run(self) -> None:
        items = items_of(self.request)
        output = to_path(self.request["TransformOutput"]["S3OutputPath"])
        output.mkdir(parents=True, exist_ok=True)
        with self.serving.started() as run:
            self.record.begin()
            if not self.serving.await_health(run, self.settings.startup_seconds):
                raise Cancelled
            dispatch = self._sent(run, items, output)
            self.serving.end(run)
        if dispatch.faults:
            self.record.end("Failed", reason=reason(dispatch.faults, dispatch.total))
        else:
            self.record.end("Completed")

    def _sent(self, run: Run, items: list[Item], output: Path) -> Dispatch:
        address = run.address()
        assert address is not None  # it has answered there
        manner = manner_of(self.request, parameters(address))
        self._log(f"MaxConcurrentTransforms={manner.concurrent}, MaxPayloadInMB={manner.payload}")
        dispatch = Dispatch(address, items, output, manner)
        began, told, named = time.monotonic(), time.monotonic(), 0

        def tell() -> None:
            nonlocal named
            # What is common to several that failed since the last look is told once.
            new = dispatch.faults[named:]
            for why in dict.fromkeys((each.kind, each.why) for each in new):
                keys = ", ".join(each.key for each in new if (each.kind, each.why) == why)
                self._log(f"{keys}: {': '.join(why)}")
            named += len(new)

        def look() -> None:
            nonlocal told
            self.serving.check(run, f"after {dispatch.done} of {dispatch.total} objects")
            tell()
            if time.monotonic() - told >= _PROGRESS_SECONDS:
                told = time.monotonic()
                speed = rate(dispatch.done, began)
                self._log(format_progress(Progress(stage=_STAGE, done=dispatch.done, total=dispatch.total, rate=speed)))

        finished = dispatch.run(stop=self.stop, look=look)
        tell()
        seconds = time.monotonic() - began
        good = dispatch.done - len(dispatch.faults)
        self._log(f"{good} of {dispatch.total} objects transformed in {seconds:.1f} s, {good / seconds:.1f} a second")
        if not finished:
            raise Cancelled
        return dispatch


def items_of(request: dict[str, Any]) -> list[Item]:
    """The objects that the request names, in order. Raises EngineError."""
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    place = to_path(source["S3Uri"])
    if source["S3DataType"] == "ManifestFile":
        found = _listed(place)
    elif place.is_file():
        found = [Item(place.name, place)]
    else:
        found = [Item(path.relative_to(place).as_posix(), path) for path in objects.files(place)]
    if not found:
        raise EngineError(f"There is nothing to transform at {source['S3Uri']}; give a folder that holds pictures.")
    return found


def _listed(manifest: Path) -> list[Item]:
    """Of SageMaker's manifest: [{"prefix": …}, key, key, …]."""
    wanted = f'{manifest} is no manifest; write one as [{{"prefix": "file:///DIR/"}}, "KEY", "KEY", …].'
    try:
        head, *keys = json.loads(manifest.read_text(encoding="utf-8"))
        folder = to_path(head["prefix"])
    except FileNotFoundError as exc:
        raise EngineError(f"There is no manifest at {manifest}.") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise EngineError(wanted) from exc
    for key in keys:
        if not isinstance(key, str) or PurePosixPath(key).is_absolute() or ".." in PurePosixPath(key).parts:
            raise EngineError(f"{wanted} {key!r} is no key below the prefix.")
    return [Item(key, folder / key) for key in keys]


def batch_variables(request: dict[str, Any]) -> dict[str, str]:
    """What SageMaker sets in the container of a batch; of what the request leaves open it sets nothing."""
    found = {"SAGEMAKER_BATCH": "true"}
    if request.get("MaxPayloadInMB") is not None:
        found["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(request["MaxPayloadInMB"])
    if request.get("MaxConcurrentTransforms"):
        found["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(request["MaxConcurrentTransforms"])
    strategy = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}.get(request.get("BatchStrategy", ""))
    return {**found, "SAGEMAKER_BATCH_STRATEGY": strategy} if strategy else found


def manner_of(request: dict[str, Any], said: dict[str, int]) -> Manner:
    """How the request wants its objects sent; ``said`` is what the container says where the request does not."""
    client = request.get("ModelClientConfig", {})
    payload = request.get("MaxPayloadInMB")
    headers = {"Content-Type": request["TransformInput"].get("ContentType") or "application/octet-stream"}
    if request["TransformOutput"].get("Accept"):
        headers["Accept"] = request["TransformOutput"]["Accept"]
    return Manner(
        concurrent=request.get("MaxConcurrentTransforms") or said.get("MaxConcurrentTransforms") or CONCURRENT,
        payload=said.get("MaxPayloadInMB", PAYLOAD) if payload is None else payload,
        timeout=client.get("InvocationsTimeoutInSeconds", TIMEOUT),
        retries=client.get("InvocationsMaxRetries", RETRIES),
        headers=headers,
    )


def reason(faults: list[Fault], total: int) -> str:
    """One sentence that names the objects that failed, or the first of many."""
    common = faults[0].why.rstrip(".") if len({each.why for each in faults}) == 1 else ""
    if common and len(faults) > 1:
        keys = ", ".join(each.key for each in faults[:_NAMED]) + (", …" if len(faults) > _NAMED else "")
        return (f"{faults[0].kind}: {len(faults)} of {total} objects have no answer, all for one reason: {common} "
                f"({keys}). What was written stays.")  # fmt: skip
    named = "; ".join(f"{each.key} ({each.why.rstrip('.')})" for each in faults[:_NAMED])
    more = f"; and {len(faults) - _NAMED} more, which the log names" if len(faults) > _NAMED else ""
    return f"{faults[0].kind}: {len(faults)} of {total} objects have no answer: {named}{more}. What was written stays."
