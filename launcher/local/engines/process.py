"""The process engine: the same entry points as the images', in locked environments, with no Docker at all.

A job's private folder stands in for /opt/ml (``SAGEMAKER_BASE_DIR``); what a container would mount is a
symbolic link in it. Every start is a process group of its own, so that a stop takes the whole tree.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from container.common import forks
from container.common.forks import Order
from launcher.errors import EngineError
from launcher.local.engines.base import Run, Say, Workload, handle_documents, handles_of
from launcher.local.engines.environments import Environments, find_uv, uv_environment
from launcher.local.engines.ports import Port
from launcher.local.engines.proxies import PROXIES
from launcher.local.engines.several import HostRuns, meeting_words
from launcher.local.engines.warm import TRAIN, Forked, NotWarm
from launcher.local.processes import Handle, descendants, kill_tree
from launcher.local.settings import Settings

_ROOT = "/opt/ml"
BASE_VARIABLE = "SAGEMAKER_BASE_DIR"

# What a training or serving process may inherit. Credentials and the caller's own Python are not in it.
_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    *PROXIES,
    "TORCH_HOME", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "JAVA_HOME",
)  # fmt: skip


def clean_environment(source: Mapping[str, str]) -> dict[str, str]:
    """The part of ``source`` that work may see."""
    return {name: value for name, value in source.items() if name in _INHERITED or name.startswith("LC_")}


class ProcessEngine:
    """Runs a workload as processes of this machine."""

    name = "process"
    interface = "lo0" if sys.platform == "darwin" else "lo"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environments = Environments(settings)

    def prepare(self, role: str, image: str, *, gpu: bool, say: Say, cancelled: Callable[[], bool]) -> None:
        """Make the role's environment, unless a command of the developer's stands in for it."""
        if role not in self._settings.commands:
            self._environments.ensure(role, gpu=gpu, say=say, cancelled=cancelled)

    def base(self, folder: Path) -> str:
        """The folder itself: nothing is mounted."""
        return str(folder)

    def start(self, workload: Workload, *, note: Callable[[dict[str, Any]], None]) -> Run:
        """Start a process a host."""
        if len(workload.folders) == 1:
            (host,) = workload.folders
            run = self._started(workload, host, {})
            note(run.handles)
            return run
        runs: list[Run] = []
        several = HostRuns(runs, meeting := Port())
        try:
            for host in workload.folders:
                runs.append(self._started(workload, host, meeting_words(meeting)))
                note(several.handles)
        except BaseException:
            several.close()
            raise
        return several

    def _started(self, workload: Workload, host: str, told: Mapping[str, str]) -> ProcessRun:
        folder = workload.folders[host]
        given = {**told, **workload.environment}
        for mount in workload.mounts:
            _link(folder, mount.target, mount.source)
        port = Port() if workload.role == "serve" else None
        if port is None:
            environment = self.training_environment(folder, given, gpu=workload.gpu)
        else:
            serving = self._serving_environment(folder, port, gpu=workload.gpu)
            environment = self._environment(folder, serving, given, gpu=workload.gpu)
        process: Spawned | Forked | None = self._forked(workload, environment, host)
        if process is None:
            try:
                process = self._spawned(workload, environment, host)
            except OSError as exc:
                if port:
                    port.close()
                raise EngineError(f"The {workload.role} command cannot be started: {exc}.") from exc
        return ProcessRun(process, host, folder, port)

    def _spawned(self, workload: Workload, environment: Mapping[str, str], host: str) -> Spawned:
        with workload.logs[host].open("ab") as log:
            return Spawned(
                self._argv(workload), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=environment, cwd=workload.folders[host], start_new_session=True,
            )  # fmt: skip

    def _forked(self, workload: Workload, environment: Mapping[str, str], host: str) -> Forked | None:
        """Forked from the process that has everything imported, where there is one."""
        if self._settings.warm is None or workload.role != "train" or "train" in self._settings.commands:
            return None
        folder = workload.folders[host]
        order = Order(
            argv=tuple(self._argv(workload)[1:]), environment=environment, cwd=str(folder), log=str(workload.logs[host])
        )
        try:
            # The toolkit writes this file when all went well, and nothing else does.
            success = folder / "output" / "success"
            return Forked.order(self._settings.warm / TRAIN, order, judge=lambda: 0 if success.exists() else 1)
        except NotWarm as exc:
            sys.stderr.write(f"Training starts in a process of its own: {exc}.\n")
            return None

    def python(self, folder: Path, image: str) -> tuple[list[str], str]:
        """The training environment's."""
        return [str(self._environments.place("train") / "bin" / "python"), "-P"], str(folder)

    def sweep(self, handles: Mapping[str, Any]) -> None:
        """Kill what a supervisor that died has left, wherever it may have hidden from its process group."""
        for each in handles.get("hosts", [handles]):
            for handle in handles_of(each):
                kill_tree(handle, known=told_to_work_in(Path(each["folder"])) if "folder" in each else ())

    def training_command(self, *, gpu: bool) -> list[str]:
        """The environment's Python and the toolkit's `train`."""
        binaries = self._environments.place("train", gpu=gpu) / "bin"
        # A console script is a Python file: naming the interpreter works where a path is too long for "#!".
        return [str(binaries / "python"), str(binaries / "train")]

    def training_environment(self, folder: Path, given: Mapping[str, str], *, gpu: bool) -> dict[str, str]:
        """All that a training process under ``folder`` has; ``given`` is the request's Environment."""
        path = self._path("train", gpu=gpu)
        return self._environment(
            folder, {"PATH": path, "SAGEMAKER_TRAINING_MODULE": "container.train.entry:main"}, given, gpu=gpu
        )

    def _environment(
        self, folder: Path, role: Mapping[str, str], given: Mapping[str, str], *, gpu: bool
    ) -> dict[str, str]:
        return {
            **clean_environment(os.environ),
            "PYTHONPATH": str(self._settings.checkout),
            "PYTHONUNBUFFERED": "1",
            "PYTHONNOUSERSITE": "1",
            BASE_VARIABLE: str(folder),
            # As with a container, GPUs are seen when they were asked for.
            **({} if gpu else {"CUDA_VISIBLE_DEVICES": ""}),
            **role,
            **given,
        }

    def _path(self, role: str, *, gpu: bool, first: Sequence[str] = (), last: Sequence[str] = ()) -> str:
        own = [] if role in self._settings.commands else [str(self._environments.place(role, gpu=gpu) / "bin")]
        return os.pathsep.join([*first, *own, os.environ.get("PATH", os.defpath), *last])

    def _argv(self, workload: Workload) -> list[str]:
        command = self._settings.commands.get(workload.role)
        if command:
            return list(command)
        if workload.role == "train":
            return self.training_command(gpu=workload.gpu)
        python = self._environments.place(workload.role, gpu=workload.gpu) / "bin" / "python"
        return [str(python), "-P", "-m", "container.serve.start"]

    def _serving_environment(self, folder: Path, port: Port, *, gpu: bool) -> dict[str, str]:
        java = None
        if "serve" not in self._settings.commands:
            java = self._environments.java(self._environments.place("serve", gpu=gpu))
        uv: list[str] = []
        installing: dict[str, str] = {}
        if (folder / "model" / "code" / "requirements.txt").is_file():
            uv, installing = _installer()
        return {
            "PATH": self._path("serve", gpu=gpu, first=[str(java / "bin")] if java else [], last=uv),
            **({"JAVA_HOME": str(java)} if java else {}),
            **installing,
            "SAGEMAKER_BIND_TO_PORT": str(port.number),
            "SERVE_BIND_HOST": "127.0.0.1",
        }


def _installer() -> tuple[list[str], dict[str, str]]:
    """What a model's own packages are installed with: uv's folder (the environments have no pip), and its settings.

    The folder goes to the end of PATH: what else lies in it is not meant.
    """
    uv = find_uv()
    settings = uv_environment(os.environ)
    chosen = {name: value for name, value in settings.items() if name.startswith("UV_") or name == "SSL_CERT_FILE"}
    return [str(Path(uv).parent)] if uv else [], chosen


class Spawned(subprocess.Popen[bytes]):
    """A process of our own starting."""

    def wait_for(self, seconds: float) -> int | None:
        """``poll``, once it has ended or after ``seconds``."""
        if forks.available():
            # Popen's own waiting looks every 50 ms.
            ending = os.pidfd_open(self.pid) if self.poll() is None else None
            if ending is not None:
                select.select([ending], [], [], seconds)
                os.close(ending)
            return self.poll()
        with suppress(subprocess.TimeoutExpired):
            self.wait(timeout=seconds)
        return self.returncode


class ProcessRun:
    """One started process and all that it starts."""

    def __init__(self, process: Spawned | Forked, host: str, folder: Path, port: Port | None) -> None:
        self._process = process
        self._host = host
        self._folder = folder
        self._port = port
        self._leader = Handle.of(process.pid)
        self._listens = False

    @property
    def handles(self) -> dict[str, Any]:
        """The process group's leader, and the folder that all below it work in."""
        return {"processes": handle_documents([self._leader]), "folder": str(self._folder)}

    @property
    def statuses(self) -> dict[str, int | None]:
        """The one host's."""
        return {self._host: self.poll()}

    def poll(self) -> int | None:
        """The exit status; a process ended by a signal gives 128 + its number, as a container does."""
        return self.wait(0.0)

    def wait(self, seconds: float) -> int | None:
        """``poll``, once it has ended or after ``seconds``."""
        status = self._process.wait_for(seconds)
        return 128 - status if status is not None and status < 0 else status

    def address(self) -> tuple[str, int] | None:
        """Where the server listens, once it is this very one that does."""
        if self._port is None:
            return None
        self._listens = self._listens or self._port.served_by(self._leader)
        return self._port.address if self._listens else None

    def terminate(self) -> None:
        """SIGTERM to the main process, as `docker stop` sends it."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Kill what is left of the tree."""
        kill_tree(self._leader, known=[*descendants(self._process.pid), *told_to_work_in(self._folder)])
        while self._process.wait_for(1.0) is None:
            pass
        if self._port:
            self._port.close()


def told_to_work_in(folder: Path) -> list[Handle]:
    """Living processes whose environment names ``folder`` as their /opt/ml; empty where there is no /proc.

    torchrun gives each worker a session of its own, and a worker whose parents were killed has init for a parent:
    no group and no tree leads to it any more.
    """
    told = f"{BASE_VARIABLE}={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        # Another user's, or one that is ending.
        with suppress(OSError):
            if told in entry.read_bytes().split(b"\0"):
                found.append(Handle.of(int(entry.parent.name)))
    return found


def _link(folder: Path, target: str, source: Path) -> None:
    if not target.startswith(_ROOT + "/"):
        raise EngineError(f"The process engine cannot show {source} at {target}; give a path under {_ROOT}.")
    place = folder / target.removeprefix(_ROOT + "/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    place.symlink_to(source)
