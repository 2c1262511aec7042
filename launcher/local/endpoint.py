"""Looking after one endpoint: start the server, wait for /ping, keep it until deleted."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.local import store
from launcher.local.engines.base import Cancelled, Run
from launcher.local.records import EndpointRecord
from launcher.local.serving import POLL_SECONDS, Serving, variables
from launcher.local.settings import Settings
from launcher.local.supervisor import sentence

Stop = Callable[[], bool]


def supervise_endpoint(folder: Path, settings: Settings, stop: Stop) -> None:
    """Serve until a stop is asked for, then take the endpoint away; a failure stays to be read."""
    record = EndpointRecord(folder)
    try:
        _Endpoint(folder, settings, stop, record).run()
    except Cancelled:
        pass  # deleted while it was being made ready: there is nothing more to say
    except Exception as exc:
        traceback.print_exc()
        record.move("Failed", reason=sentence(exc, folder))
        return
    store.discard(folder)


class _Endpoint:
    def __init__(self, folder: Path, settings: Settings, stop: Stop, record: EndpointRecord) -> None:
        self.settings, self.stop, self.record = settings, stop, record
        request: dict[str, Any] = store.read_json(folder / store.REQUEST) or {}
        self.variant = request["Variant"]
        container = request["Container"]
        self.serving = Serving(
            folder=folder,
            settings=settings,
            container=container,
            environment=variables(container.get("Environment", {})),
            log=folder / "logs" / f"{self.variant['VariantName']}.log",
            gpu=self.variant.get("InstanceType") == "local_gpu",
            say=lambda text: record.move("Creating", message=text),
            stop=stop,
        )

    def run(self) -> None:
        with self.serving.started() as run:
            self._serve(run)
            self.record.move("Deleting", message="Ending the server")
            self.serving.end(run)

    def _serve(self, run: Run) -> None:
        seconds = float(self.variant.get("ContainerStartupHealthCheckTimeoutInSeconds", self.settings.startup_seconds))
        if not self.serving.await_health(run, seconds):
            return
        self.record.move("InService", message="Answering", Address=list(run.address() or ()))
        while not self.stop():
            self.serving.check(run, "while in service")
            time.sleep(POLL_SECONDS)
