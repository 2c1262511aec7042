"""Looking after one endpoint: unpack the model, start the server, wait for /ping, keep it until deleted."""

from __future__ import annotations

import http.client
import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.errors import EngineError
from launcher.local import engines, packing, store
from launcher.local.engines.base import Cancelled, Run, Workload
from launcher.local.engines.commands import last_words
from launcher.local.records import EndpointRecord
from launcher.local.settings import Settings
from launcher.local.supervisor import sentence
from launcher.local.uris import to_path

_POLL_SECONDS = 0.1
_PING_SECONDS = 2.0

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
        self.folder, self.settings, self.stop, self.record = folder, settings, stop, record
        request: dict[str, Any] = store.read_json(folder / store.REQUEST) or {}
        self.variant = request["Variant"]
        self.container = request["Container"]
        self.log = folder / "logs" / f"{self.variant['VariantName']}.log"
        self.gpu = self.variant.get("InstanceType") == "local_gpu"

    def run(self) -> None:
        engine = engines.load(self.settings)
        image = self.container.get("Image", "")
        engine.prepare("serve", image, gpu=self.gpu, cancelled=self.stop, say=self._say)
        if self.stop():
            raise Cancelled
        self._say("Unpacking the model")
        private = self.folder / "ml"
        self._unpack(private / "model")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        workload = Workload(
            name=self.folder.name,
            role="serve",
            image=image,
            folders={"server": private},
            logs={"server": self.log},
            environment={str(k): str(v) for k, v in self.container.get("Environment", {}).items()},
            gpu=self.gpu,
        )
        self._say(f"Starting the server with the {engine.name} engine")
        run = engine.start(workload, note=lambda handles: store.write_json(self.folder / store.HANDLES, handles))
        try:
            self._serve(run)
            self._end(run)
        finally:
            run.close()

    def _say(self, text: str) -> None:
        self.record.move("Creating", message=text)

    def _unpack(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        uri = model_uri(self.container)
        place = to_path(uri) if uri else None
        if place is not None and place.is_dir():
            shutil.copytree(place, folder, dirs_exist_ok=True)
        elif place is not None:
            packing.unpack(place, folder)
        # The server may run as the image's own user, who must be able to read what we unpacked. The folder around
        # it stays closed: a container's user comes to what is mounted without passing through it.
        for path in (folder.parent, folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))

    def _serve(self, run: Run) -> None:
        seconds = float(self.variant.get("ContainerStartupHealthCheckTimeoutInSeconds", self.settings.startup_seconds))
        deadline = time.monotonic() + seconds
        while not _healthy(run.address()):
            self._still_running(run, "before it was ready")
            if self.stop():
                return
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The server did not pass its health check in {seconds:g} s; its log ends with: {self._words()}"
                )
            time.sleep(_POLL_SECONDS)
        address = run.address()
        self.record.move("InService", message="Answering", Address=list(address or ()))
        while not self.stop():
            self._still_running(run, "while in service")
            time.sleep(_POLL_SECONDS)

    def _still_running(self, run: Run, when: str) -> None:
        status = run.poll()
        if status is not None:
            raise EngineError(f"The server ended with status {status} {when}: {self._words()}")

    def _words(self) -> str:
        return last_words(self.log.read_text(encoding="utf-8", errors="replace")[-20_000:])

    def _end(self, run: Run) -> None:
        self.record.move("Deleting", message="Ending the server")
        run.terminate()
        deadline = time.monotonic() + self.settings.grace_seconds
        while run.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def model_uri(container: dict[str, Any]) -> str:
    """Where a container's model lies, packed or not; "" for a container without one."""
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return str(container.get("ModelDataUrl") or source.get("S3Uri", ""))


def _healthy(address: tuple[str, int] | None) -> bool:
    """Whether GET /ping answers 200."""
    if address is None:
        return False
    connection = http.client.HTTPConnection(*address, timeout=_PING_SECONDS)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
