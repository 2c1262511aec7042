"""One container's server, for an endpoint or a batch transform job: the model unpacked, started, healthy, ended."""

from __future__ import annotations

import http.client
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.errors import EngineError
from launcher.local import engines, packing, store
from launcher.local.engines.base import Cancelled, Run, Workload
from launcher.local.engines.commands import last_words
from launcher.local.settings import Settings
from launcher.local.uris import to_path
from launcher.sagemaker import model_uri

POLL_SECONDS = 0.1
_PING_SECONDS = 2.0
_LONGEST = 20_000


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What is served in a resource's ``folder``; ``say`` is told what is done, ``stop`` asked whether to end."""

    folder: Path
    settings: Settings
    container: dict[str, Any]
    environment: Mapping[str, str]
    log: Path
    gpu: bool
    say: Callable[[str], None]
    stop: Callable[[], bool]

    @contextmanager
    def started(self) -> Iterator[Run]:
        """The server, started and not yet ready; nothing of it is left behind. Raises EngineError and Cancelled."""
        engine = engines.load(self.settings)
        image = self.container.get("Image", "")
        engine.prepare("serve", image, gpu=self.gpu, cancelled=self.stop, say=self.say)
        if self.stop():
            raise Cancelled
        self.say("Unpacking the model")
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
            environment=self.environment,
            gpu=self.gpu,
        )
        self.say(f"Starting the server with the {engine.name} engine")
        run = engine.start(workload, note=lambda handles: store.write_json(self.folder / store.HANDLES, handles))
        try:
            yield run
        finally:
            run.close()
            try:
                store.discard(private)
            except EngineError as exc:
                self.say(f"The server's folder stays: {exc}")

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

    def await_health(self, run: Run, seconds: float) -> bool:
        """Wait until the server answers; False when a stop was asked for before. Raises EngineError."""
        deadline = time.monotonic() + seconds
        while not _healthy(run.address()):
            self.check(run, "before it was ready")
            if self.stop():
                return False
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The server did not pass its health check in {seconds:g} s; its log ends with: {self._words()}"
                )
            time.sleep(POLL_SECONDS)
        return True

    def check(self, run: Run, when: str) -> None:
        """Raises EngineError, with the last it printed, for a server that has ended."""
        status = run.poll()
        if status is not None:
            raise EngineError(f"The server ended with status {status} {when}: {self._words()}")

    def _words(self) -> str:
        return last_words(self.log.read_text(encoding="utf-8", errors="replace")[-_LONGEST:])

    def end(self, run: Run) -> None:
        """Ask the server to end, and give it its time to."""
        run.terminate()
        deadline = time.monotonic() + self.settings.grace_seconds
        while run.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def variables(*given: Mapping[str, Any]) -> dict[str, str]:
    """Environments as one, the later before the earlier."""
    return {str(name): str(value) for each in given for name, value in each.items()}


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
