"""Which engine runs the work: Docker (or podman) when one answers, processes otherwise."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from launcher.errors import EngineError
from launcher.local.engines.base import Engine
from launcher.local.engines.docker import DockerEngine
from launcher.local.engines.process import ProcessEngine
from launcher.local.settings import Settings

# A command to use in place of the `docker` found on PATH, such as "sudo docker" or "/usr/bin/podman".
COMMAND_VARIABLE = "BYOC_DOCKER"
# For developers: a command line to run in place of the training or serving environment.
ROLE_VARIABLES = {"train": "BYOC_TRAIN_COMMAND", "serve": "BYOC_SERVE_COMMAND"}

# What a client says after its reason.
_NO_REASON = "errors pretty printing info"
_NOBODY_THERE = ("cannot connect to the docker daemon", "failed to connect", "dial unix")
_LONGEST = 80


def _command(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A variable's command line; () when it is not set. Raises EngineError when it cannot be split into words."""
    try:
        return tuple(shlex.split(environment.get(name, "")))
    except ValueError as exc:
        raise EngineError(f"{name} is {environment[name]!r}, which is no command line ({exc}); correct it.") from exc


def candidates(environment: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Engine clients worth asking, in order: the named one alone, or every docker on PATH, then podman."""
    named = _command(environment, COMMAND_VARIABLE)
    if named:
        return [named]
    found: list[tuple[str, ...]] = []
    for name in ("docker", "podman"):
        for folder in environment.get("PATH", os.defpath).split(os.pathsep):
            path = shutil.which(name, path=folder) if folder else None
            if path and (path,) not in found and Path(path).resolve() not in [Path(f[0]).resolve() for f in found]:
                found.append((path,))
    return found


def answers(command: tuple[str, ...], *, seconds: float = 10.0) -> str | None:
    """None when an engine answers `info`, or why not."""
    try:
        asked = subprocess.run([*command, "info"], capture_output=True, text=True, timeout=seconds)
    except OSError as exc:
        return exc.strerror or str(exc)
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds:g} s"
    said = [line for line in (asked.stderr or asked.stdout).strip().splitlines() if not line.startswith(_NO_REASON)]
    # An old client prints the server's refusal and still ends with 0.
    refused = [line for line in said if line.startswith(("ERROR", "Cannot connect"))]
    if asked.returncode != 0 or refused:
        return (refused or said or [f"exit status {asked.returncode}"])[-1].removeprefix("ERROR: ")
    return None


def shortened(refusal: str) -> str:
    """A refusal in a few words, for a notice that stands before every job."""
    words = refusal.lower()
    if "permission denied" in words:
        return "you may not ask its daemon"
    if any(part in words for part in _NOBODY_THERE):
        return "its daemon does not run"
    return refusal if len(refusal) <= _LONGEST else refusal[:_LONGEST].rsplit(" ", 1)[0] + " …"


def choose(wish: str, base: Settings, environment: Mapping[str, str]) -> tuple[Settings, str]:
    """Settings with an engine, and a sentence that says which and why.

    ``wish`` is auto, docker or process. Raises EngineError when docker is insisted on and none answers.
    """
    commands = {role: _command(environment, name) for role, name in ROLE_VARIABLES.items()}
    base = replace(base, commands={role: command for role, command in commands.items() if command})
    if wish == "process":
        return replace(base, engine="process"), "Using processes of this machine (asked for)"
    reasons, short = [], []
    for command in candidates(environment):
        refusal = answers(command)
        if refusal is None:
            shown = shlex.join(command)
            return replace(base, engine="docker", engine_command=command), f"Using the container engine of {shown}"
        reasons.append(f"{shlex.join(command)}: {refusal}")
        short.append(f"{shlex.join((Path(command[0]).name, *command[1:]))}: {shortened(refusal)}")
    none = "neither docker nor podman is installed"
    if wish == "docker":
        raise EngineError(
            f"No container engine answers ({'; '.join(reasons) or none}); start one, name its client in "
            f"{COMMAND_VARIABLE}, or use --local process."
        )
    why = "; ".join(short) or none
    return replace(base, engine="process"), f"Using processes of this machine: no container engine answers ({why})"


def load(settings: Settings) -> Engine:
    """The engine that settings name."""
    return DockerEngine(settings) if settings.engine == "docker" else ProcessEngine(settings)
