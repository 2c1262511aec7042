"""The Docker engine: plain `docker run` (or podman), one container a host, no Compose.

The private folder is mounted at /opt/ml, input channels read-only inside it. The client process stays
attached, so that the container's output goes straight into the job's log and its status comes back.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.errors import EngineError
from launcher.local.engines.base import Run, Say, Workload, outcome
from launcher.local.engines.images import ensure_image
from launcher.local.engines.ownership import User, take_over
from launcher.local.settings import Settings
from launcher.local.store import write_private

# Decoding and loading workers pass batches through shared memory; Docker's default of 64 MB is too little.
SHARED_MEMORY = "2g"
PORT = 8080
BASE = "/opt/ml"


class DockerEngine:
    """Runs a workload as containers."""

    name = "docker"
    interface = "eth0"

    def __init__(self, settings: Settings, *, user: User | None = None) -> None:
        self._settings = settings
        self._command = settings.engine_command
        self._user = user or User.current()

    def prepare(self, role: str, image: str, *, gpu: bool, say: Say, cancelled: Callable[[], bool]) -> None:
        """See to it that the image is there; our own is built when it is missing or older than its sources."""
        ensure_image(self._command, image, role, checkout=self._settings.checkout, gpu=gpu, say=say,
                     cancelled=cancelled)  # fmt: skip

    def base(self, folder: Path) -> str:
        """Every container's is mounted at the same place."""
        return BASE

    def start(self, workload: Workload, *, note: Callable[[dict[str, Any]], None]) -> Run:
        """Start a container a host, on a network of their own when there are several."""
        key = hashlib.sha256(str(next(iter(workload.folders.values()))).encode()).hexdigest()[:8]
        names = {host: f"byoc-{workload.name}-{host}-{key}" for host in workload.folders}
        network = f"byoc-{workload.name}-{key}" if len(names) > 1 else ""
        run = DockerRun(self._command, workload, names, network, self._user)
        note(run.handles)
        try:
            run.start()
        except BaseException:
            run.close()
            raise
        return run

    def python(self, folder: Path, image: str) -> tuple[list[str], str]:
        """A container's that sees the folder alone, and goes when it ends."""
        seen = "/tensors"
        words = ["run", "--rm", "--network", "none", "--mount", mount_words(folder, seen, read_only=True)]
        return [*self._command, *words, "--user", str(self._user), "--entrypoint", "python", image], seen

    def sweep(self, handles: Mapping[str, Any]) -> None:
        """Remove the containers and the network that a supervisor that died has left; take the files over."""
        _remove(self._command, handles.get("containers", []), handles.get("network", ""))
        if "written" in handles:
            _own(self._command, handles["written"], self._user)


class DockerRun:
    """Started containers, by host."""

    def __init__(
        self, command: Sequence[str], workload: Workload, names: dict[str, str], network: str, user: User
    ) -> None:
        self._command = tuple(command)
        self._workload = workload
        self._names = names
        self._network = network
        self._user = user
        self._began = time.time()
        self._clients: dict[str, subprocess.Popen[bytes]] = {}
        self._address: tuple[str, int] | None = None

    @property
    def handles(self) -> dict[str, Any]:
        """Names of the containers and their network; what they write to, when it may become root's."""
        handles = {"containers": list(self._names.values()), "network": self._network}
        return {**handles, "written": self._written} if self._written else handles

    @property
    def _written(self) -> dict[str, Any]:
        # A training container runs as root; a server as the caller, or as the image's own user, and only reads.
        if self._user.uid == 0 or self._workload.role != "train":
            return {}
        folders = [*self._workload.folders.values(), *(m.source for m in self._workload.mounts if not m.read_only)]
        return {"image": self._workload.image, "since": self._began, "folders": [str(folder) for folder in folders]}

    def start(self) -> None:
        """Start every container."""
        _remove(self._command, self._names.values(), self._network)
        if self._network:
            # Hosts without a way out still meet each other.
            closed = ["--internal"] if self._workload.isolated else []
            _call(self._command, "network", "create", *closed, self._network)
        # Docker takes a file's values as they stand, a line each; only one of several lines has to go through the
        # client's own environment, which `sudo` would empty, and in which PATH or DOCKER_HOST mean the client.
        given = self._workload.environment
        environment = {**os.environ, **{name: value for name, value in given.items() if "\n" in value}}
        for host in self._names:
            lines = [f"{name}={value}\n" for name, value in given.items() if "\n" not in value]
            write_private(self._environment_file(host), "".join(lines))
            with self._workload.logs[host].open("ab") as log:
                self._clients[host] = subprocess.Popen(
                    self._argv(host), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    env=environment, start_new_session=True,
                )  # fmt: skip

    @property
    def statuses(self) -> dict[str, int | None]:
        """As the clients give them; a client ended by a signal counts as its container."""
        ended = {host: client.poll() for host, client in self._clients.items()}
        return {host: 128 - status if status is not None and status < 0 else status for host, status in ended.items()}

    def poll(self) -> int | None:
        """The first failed host's status; 0 when all ended well; None while any runs."""
        return outcome(self.statuses)

    def wait(self, seconds: float) -> int | None:
        """The same, as soon as the only host has ended; several are looked at after ``seconds``."""
        if len(self._clients) == 1:
            (client,) = self._clients.values()
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(timeout=seconds)
        else:
            time.sleep(seconds)
        return self.poll()

    def address(self) -> tuple[str, int] | None:
        """The published port of the server."""
        if self._address is None:
            (name,) = self._names.values()
            asked = _ask(self._command, "port", name, f"{PORT}/tcp")
            host, _, port = next(iter(asked.stdout.split()), "").rpartition(":")
            if asked.returncode == 0 and port.isdigit():
                self._address = (host, int(port))
        return self._address

    def terminate(self) -> None:
        """SIGTERM to each container's main process."""
        _ask(self._command, "kill", "--signal", "TERM", *self._names.values())

    def close(self) -> None:
        """Remove the containers and their network, end the clients, take the files over."""
        _remove(self._command, self._names.values(), self._network)
        for client in self._clients.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(timeout=10)
            if client.poll() is None:
                client.kill()
                client.wait()
        for host in self._names:
            self._environment_file(host).unlink(missing_ok=True)
        if self._written:
            _own(self._command, self._written, self._user)

    def _environment_file(self, host: str) -> Path:
        return self._workload.logs[host].with_suffix(".environment")

    def _argv(self, host: str) -> list[str]:
        work = self._workload
        argv = [*self._command, "run", "--name", self._names[host], "--hostname", host, "--shm-size", SHARED_MEMORY]
        argv += ["--mount", mount_words(work.folders[host], BASE)]
        for mount in work.mounts:
            argv += ["--mount", mount_words(mount.source, mount.target, read_only=mount.read_only)]
        # No values here: `ps` would show them.
        argv += ["--env-file", str(self._environment_file(host))]
        for name, value in work.environment.items():
            argv += ["--env", name] if "\n" in value else []
        if work.gpu:
            argv += ["--gpus", "all"]
        if work.role == "serve":
            argv += ["--publish", f"127.0.0.1::{PORT}"]
            # Whoever unpacked the model can read it. The image's own user does so in root's place.
            argv += ["--user", str(self._user)] if self._user.uid else []
        if self._network:
            argv += ["--network", self._network, "--network-alias", host]
        elif work.isolated and work.role == "train":
            argv += ["--network", "none"]
        if work.entrypoint:
            return [*argv, "--entrypoint", work.entrypoint[0], work.image, *work.entrypoint[1:], *work.arguments]
        return [*argv, work.image, *(work.arguments or (work.role,))]


def mount_words(source: Path, target: str, *, read_only: bool = False) -> str:
    """The value of ``--mount``: a CSV line, so that a path may hold the colons that ``--volume`` splits at."""
    line = io.StringIO()
    words = ["type=bind", f"source={source}", f"target={target}", *(["readonly"] if read_only else [])]
    csv.writer(line, lineterminator="").writerow(words)
    return line.getvalue()


def _own(command: Sequence[str], written: Mapping[str, Any], user: User) -> None:
    """Make the caller the owner of what root wrote, by the one who may: root in a container of the same image."""

    def chown(folder: Path, names: Sequence[str]) -> None:
        _ask(
            command, "run", "--rm", "--user", "0:0", "--network", "none", "--mount", mount_words(folder, "/mine"),
            "--entrypoint", "chown", written["image"], "--no-dereference", str(user), "--",
            *(f"/mine/{name}" for name in names),
        )  # fmt: skip

    take_over(map(Path, written["folders"]), user, since=float(written["since"]), chown=chown)


def _remove(command: Sequence[str], containers: Any, network: str) -> None:
    names = list(containers)
    if names:
        # An unknown name is an error to docker and none to us: it is gone, which is what is wanted.
        _ask(command, "rm", "--force", "--volumes", *names)
    if network:
        _ask(command, "network", "rm", network)


def _ask(command: Sequence[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise EngineError(f"The container engine does not answer ({exc}); is it still running?") from exc


def _call(command: Sequence[str], *arguments: str) -> str:
    asked = _ask(command, *arguments)
    if asked.returncode != 0:
        raise EngineError(f"`{Path(command[0]).name} {arguments[0]}` failed: {asked.stderr.strip()}")
    return asked.stdout
