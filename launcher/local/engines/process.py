"""The process engine: the same entry points as the images', in locked environments, with no Docker at all.

A job's private folder stands in for /opt/ml (``SAGEMAKER_BASE_DIR``); what a container would mount is a
symbolic link in it. Every start is a process group of its own, so that a stop takes the whole tree.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from launcher.errors import EngineError
from launcher.local.engines.base import Run, Say, Workload, handle_documents, handles_of
from launcher.local.engines.environments import Environments, find_uv, uv_environment
from launcher.local.engines.ports import Port
from launcher.local.processes import Handle, descendants, kill_tree
from launcher.local.settings import Settings

_ROOT = "/opt/ml"

# What a training or serving process may inherit. Credentials and the caller's own Python are not in it.
_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "TORCH_HOME", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "JAVA_HOME",
)  # fmt: skip


def clean_environment(source: Mapping[str, str]) -> dict[str, str]:
    """The part of ``source`` that work may see."""
    return {name: value for name, value in source.items() if name in _INHERITED or name.startswith("LC_")}


class ProcessEngine:
    """Runs a workload as processes of this machine."""

    name = "process"

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
        """Start the one host's process."""
        if len(workload.folders) != 1:
            raise EngineError("The process engine runs one instance; use --local docker for several.")
        ((host, folder),) = workload.folders.items()
        for mount in workload.mounts:
            _link(folder, mount.target, mount.source)
        port = Port() if workload.role == "serve" else None
        environment = {
            **clean_environment(os.environ),
            "PYTHONPATH": str(self._settings.checkout),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "SAGEMAKER_BASE_DIR": str(folder),
            # As with a container, GPUs are seen when they were asked for.
            **({} if workload.gpu else {"CUDA_VISIBLE_DEVICES": ""}),
            **self._role_environment(workload, port),
            **workload.environment,
        }
        with workload.logs[host].open("ab") as log:
            try:
                process = subprocess.Popen(
                    self._argv(workload), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    env=environment, cwd=folder, start_new_session=True,
                )  # fmt: skip
            except OSError as exc:
                if port:
                    port.close()
                raise EngineError(f"The {workload.role} command cannot be started: {exc}.") from exc
        run = ProcessRun(process, port)
        note(run.handles)
        return run

    def sweep(self, handles: Mapping[str, Any]) -> None:
        """Kill the process groups of a supervisor that died."""
        for handle in handles_of(handles):
            kill_tree(handle)

    def _argv(self, workload: Workload) -> list[str]:
        command = self._settings.commands.get(workload.role)
        if command:
            return list(command)
        binaries = self._environments.place(workload.role, gpu=workload.gpu) / "bin"
        if workload.role == "train":
            # A console script is a Python file: naming the interpreter works where a path is too long for "#!".
            return [str(binaries / "python"), str(binaries / "train")]
        return [str(binaries / "python"), "-P", "-m", "container.serve.start"]

    def _role_environment(self, workload: Workload, port: Port | None) -> dict[str, str]:
        folders = [os.environ.get("PATH", os.defpath)]
        java = None
        if workload.role not in self._settings.commands:
            place = self._environments.place(workload.role, gpu=workload.gpu)
            java = self._environments.java(place) if workload.role == "serve" else None
            folders = [*([str(java / "bin")] if java else []), str(place / "bin"), *folders]
        if workload.role == "train":
            return {"PATH": os.pathsep.join(folders), "SAGEMAKER_TRAINING_MODULE": "container.train.entry:main"}
        assert port is not None
        (private,) = workload.folders.values()
        installing: dict[str, str] = {}
        if (private / "model" / "code" / "requirements.txt").is_file():
            uv, installing = _installer()
            folders += uv
        return {
            "PATH": os.pathsep.join(folders),
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


class ProcessRun:
    """One started process and all that it starts."""

    def __init__(self, process: subprocess.Popen[bytes], port: Port | None) -> None:
        self._process = process
        self._port = port
        self._leader = Handle.of(process.pid)
        self._listens = False

    @property
    def handles(self) -> dict[str, Any]:
        """The process group's leader."""
        return {"processes": handle_documents([self._leader])}

    def poll(self) -> int | None:
        """The exit status; a process ended by a signal gives 128 + its number, as a container does."""
        status = self._process.poll()
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
        kill_tree(self._leader, known=descendants(self._process.pid))
        self._process.wait()
        if self._port:
            self._port.close()


def _link(folder: Path, target: str, source: Path) -> None:
    if not target.startswith(_ROOT + "/"):
        raise EngineError(f"The process engine cannot show {source} at {target}; give a path under {_ROOT}.")
    place = folder / target.removeprefix(_ROOT + "/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    place.symlink_to(source)
