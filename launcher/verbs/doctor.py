"""Looking over this machine: what the launcher needs, what it has, what to do about the rest."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from launcher.aws.presence import credentials_found
from launcher.local.engines.choice import answers, candidates
from launcher.local.engines.environments import Environments, java_installed
from launcher.local.settings import Settings
from launcher.local.tuning import interpreter

# What a job leaves: its model, packed and not, its checkpoints, its log.
WORK_GB = 1
NEEDED_MEMORY_GB = 4


@dataclass(frozen=True)
class Finding:
    """One line: fine, worth knowing (note) or in the way (BAD)."""

    subject: str
    ok: bool
    message: str
    weight: str = "note"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def examine(settings: Settings, state: Path, environment: Mapping[str, str]) -> list[Finding]:
    """All findings, in the order in which they matter."""
    return [
        _python(),
        _engine(environment),
        *_environments(settings),
        _java(),
        _disk(settings),
        _memory(),
        _writable(state),
    ]


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info[:2] == (3, 11):
        return Finding("python", True, version)
    return Finding("python", False, f"{version}, and the locks are made for 3.11; make .venv with it", "BAD")


def _engine(environment: Mapping[str, str]) -> Finding:
    reasons = []
    for command in candidates(environment):
        refusal = answers(command)
        if refusal is None:
            return Finding("container engine", True, f"{' '.join(command)} answers; --local uses it")
        reasons.append(f"{command[0]}: {refusal}")
    why = "; ".join(reasons) or "neither docker nor podman is installed"
    return Finding("container engine", False, f"{why}; --local uses processes, which need none")


def _environments(settings: Settings) -> Iterator[Finding]:
    environments = Environments(settings)
    for role, verb in (("train", "train"), ("serve", "deploy")):
        place = environments.place(role)
        ready = environments.ready(role)
        text = str(place) if ready else f"not made yet; the first `{verb} --local process` makes it (a minute or two)"
        yield Finding(f"{role} environment", ready, text)
    yield _tune_environment(environments)
    roles = (("train", False), ("serve", False), ("serve", True), (interpreter.ROLE, False))
    used = {environments.place(role, gpu=gpu) for role, gpu in roles}
    folder = settings.cache / "envs"
    stale = [p for p in folder.iterdir() if p.is_dir() and p not in used] if folder.is_dir() else []
    if stale:
        yield Finding("old environments", False, f"no longer used, rm -r {shlex.join(map(str, stale))} frees the disk")


def _tune_environment(environments: Environments) -> Finding:
    subject = f"{interpreter.ROLE} environment"
    if environments.ready(interpreter.ROLE):
        return Finding(subject, True, str(environments.place(interpreter.ROLE)))
    if not interpreter.wanted({"Strategy": "Bayesian"}):
        return Finding(subject, True, "not needed: a Bayesian search finds torch beside the launcher")
    gigabytes = environments.missing_bytes(interpreter.ROLE) / 1e9
    text = f"not made yet; the first Bayesian search with --local makes it (about {gigabytes:.1f} GB, a minute or two)"
    return Finding(subject, False, text)


def _java() -> Finding:
    if java_installed():
        return Finding("java", True, str(shutil.which("java")))
    return Finding("java", True, "none installed; the serve environment brings its own")


def _disk(settings: Settings) -> Finding:
    """Room for the environments that are not made yet, and for a job."""
    folder = settings.cache
    place = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(place).free / 1e9
    environments = Environments(settings)
    needed = WORK_GB + sum(environments.missing_bytes(role) for role in ("train", "serve")) / 1e9
    if free >= needed:
        return Finding("disk", True, f"{free:.1f} GB free under {place}")
    return Finding("disk", False, f"{free:.1f} GB free under {place}, and {needed:.1f} GB are needed; make room", "BAD")


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if total >= NEEDED_MEMORY_GB:
        return Finding("memory", True, f"{total:.0f} GB, {os.cpu_count()} processors")
    return Finding(
        "memory", False, f"{total:.1f} GB; training wants {NEEDED_MEMORY_GB} GB, take a smaller --image-size"
    )


def _writable(state: Path) -> Finding:
    place = next(p for p in (state.absolute(), *state.absolute().parents) if p.exists())
    if os.access(place, os.W_OK | os.X_OK):
        return Finding("state", True, str(state))
    return Finding("state", False, f"{place} cannot be written; give another folder with --state", "BAD")


def credentials() -> Finding:
    """Whether AWS is set up here at all; ``launcher.verbs.account`` asks AWS itself."""
    if credentials_found():
        return Finding("aws credentials", True, "found (doctor --aws tries them)")
    return Finding("aws credentials", False, "none; needed only without --local: run `aws configure`")
