"""The Python a search runs in: this one, or one with torch, which Optuna's Gaussian process stands on."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launcher.errors import EngineError
from launcher.local.engines.environments import Environments
from launcher.local.settings import Settings

ROLE = "tune"


def wanted(config: Mapping[str, Any]) -> bool:
    """Whether a search of this HyperParameterTuningJobConfig runs in the environment `tune`."""
    return config["Strategy"] == "Bayesian" and importlib.util.find_spec("torch") is None


def check_room(config: Mapping[str, Any], settings: Settings) -> None:
    """Raise EngineError when the search needs the environment `tune` and the disk has no room for it."""
    if wanted(config):
        Environments(settings).check_room(ROLE)


def missing_bytes(config: Mapping[str, Any], settings: Settings) -> int:
    """What the search will take on the disk for the environment `tune` before its first trial; 0 for none."""
    return Environments(settings).missing_bytes(ROLE) if wanted(config) else 0


def enter(config: Mapping[str, Any], settings: Settings, *, stop: Callable[[], bool], folder: Path) -> None:
    """Go on in the environment `tune` when the strategy is Bayesian and torch cannot be imported here.

    The process stays the same one: its pid and start are what the search's folder says.
    """
    if not wanted(config):
        return
    place = Environments(settings).ensure(ROLE, gpu=False, say=_say, cancelled=stop)
    if Path(sys.prefix) == place:
        raise EngineError(f"The environment {place} has no torch; remove that folder and resume the search.")
    python = str(place / "bin" / "python")
    os.execve(python, [python, "-P", "-m", "launcher.local.supervisor", str(folder)], dict(os.environ))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
