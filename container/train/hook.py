"""The smdebug hook: attached when SageMaker (or a person) asks for it, and otherwise not there at all.

Asked for by input/config/debughookconfig.json, by SMDEBUG_CONFIG_FILE_PATH, or by debug-hook=true,
which writes losses, weights, gradients and biases to output/data/debug.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from container.common.errors import ContainerError, first_line
from container.common.hyperparameters import Hyperparameters
from container.train.optim import CrossEntropyLoss
from container.train.paths import Paths

COLLECTIONS = ("losses", "weights", "gradients", "biases")

_PATH_VARIABLE = "SMDEBUG_CONFIG_FILE_PATH"


class Watcher(Protocol):
    """Told which phase training is in."""

    def watch(self, module: nn.Module, criterion: CrossEntropyLoss) -> None:
        """Look at ``module`` and the loss from now on."""

    def training(self) -> None:
        """Training steps follow."""

    def evaluating(self) -> None:
        """Evaluation follows."""

    def close(self) -> None:
        """Write what is left."""


class NoWatcher:
    """Nobody looks."""

    def watch(self, module: nn.Module, criterion: CrossEntropyLoss) -> None: ...

    def training(self) -> None: ...

    def evaluating(self) -> None: ...

    def close(self) -> None: ...


class DebugHook:
    """smdebug's hook."""

    def __init__(self, hook: Any) -> None:
        import smdebug.pytorch as smd

        self._hook, self._modes = hook, smd.modes

    def watch(self, module: nn.Module, criterion: CrossEntropyLoss) -> None:
        self._hook.register_module(module)
        self._hook.register_loss(criterion)

    def training(self) -> None:
        self._hook.set_mode(self._modes.TRAIN)

    def evaluating(self) -> None:
        self._hook.set_mode(self._modes.EVAL)

    def close(self) -> None:
        self._hook.close()


def watcher(paths: Paths, hyperparameters: Hyperparameters) -> Watcher:
    """The hook that was asked for, or one that does nothing.

    Raises ContainerError, in one sentence, when a hook is asked for and cannot be built.
    """
    config = _config_file(paths)
    if config is None and not hyperparameters.debug_hook:
        return NoWatcher()
    where = str(config) if config else "debug-hook=true"
    try:
        return DebugHook(_from_file(config) if config else _default(paths, hyperparameters))
    except Exception as exc:
        # smdebug raises whatever its parsing meets: KeyError, ValueError, its own classes.
        raise ContainerError(
            f"The debugger hook cannot be made from {where} ({type(exc).__name__}: {first_line(exc)}); correct the "
            "configuration, or leave it out to train without the hook."
        ) from exc


def _config_file(paths: Paths) -> Path | None:
    named = os.environ.get(_PATH_VARIABLE)
    if named:
        return Path(named)
    usual = paths.config / "debughookconfig.json"
    return usual if usual.is_file() else None


def _from_file(path: Path) -> Any:
    import smdebug.pytorch as smd

    # smdebug takes a file that is no object for an empty one and writes to nowhere.
    if not isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
        raise ValueError("a JSON object is expected")
    _quieten()
    hook = smd.Hook.create_from_json_file(str(path))
    return _made(hook)


def _default(paths: Paths, hyperparameters: Hyperparameters) -> Any:
    import smdebug.pytorch as smd

    _quieten()
    folder = paths.output / "debug"
    if (folder / "training_job_end.ts").exists():
        shutil.rmtree(folder)  # of a job that ended here before; smdebug refuses to go on with it
    hook = smd.Hook(
        out_dir=str(folder),
        save_config=smd.SaveConfig(save_interval=hyperparameters.debug_save_interval),
        include_collections=list(COLLECTIONS),
    )
    return _made(hook)


def _made(hook: Any) -> Any:
    # Its constructor logs an error and goes on half made, where it is told to catch errors.
    if not hasattr(hook, "out_dir") or not hasattr(hook, "module_set"):
        raise ValueError("smdebug logged an error while the hook was made")
    return hook


def _quieten() -> None:
    """smdebug logs a line for every parameter; warnings are what a job's log is for."""
    from smdebug.core.logger import get_logger

    get_logger().setLevel(logging.WARNING)
