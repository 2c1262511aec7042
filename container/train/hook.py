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

# Where smdebug writes when a configuration does not say.
_LOCAL_PATH = "/opt/ml/output/tensors"


class Watcher(Protocol):
    """Told which phase training is in."""

    def watch(self, module: nn.Module, criterion: CrossEntropyLoss) -> None:
        """Look at ``module`` and the loss from now on."""

    def begin(self, *, trained: int, evaluated: int) -> None:
        """So many training and evaluation steps were done before, by a job this one goes on from."""

    def training(self) -> None:
        """Training steps follow."""

    def evaluating(self) -> None:
        """Evaluation follows."""

    def close(self) -> None:
        """Write what is left, and look no more."""


class NoWatcher:
    """Nobody looks."""

    def watch(self, module: nn.Module, criterion: CrossEntropyLoss) -> None: ...

    def begin(self, *, trained: int, evaluated: int) -> None: ...

    def training(self) -> None: ...

    def evaluating(self) -> None: ...

    def close(self) -> None: ...


class DebugHook:
    """smdebug's hook; its folder is emptied of another run's tensors when ``own`` says that it is the job's own."""

    def __init__(self, hook: Any, *, own: bool) -> None:
        import smdebug.pytorch as smd

        self._hook, self._modes, self._own = hook, smd.modes, own
        self._watched: list[nn.Module] = []

    def watch(self, module: nn.Module, criterion: CrossEntropyLoss) -> None:
        self._hook.register_module(module)
        self._hook.register_loss(criterion)
        self._watched = [*module.modules(), criterion]

    def begin(self, *, trained: int, evaluated: int) -> None:
        if trained or evaluated:
            # smdebug counts from -1 and names its files by the sum; steps done again replace their files.
            self._hook.mode_steps[self._modes.TRAIN] = trained - 1
            self._hook.mode_steps[self._modes.EVAL] = evaluated - 1
            self._hook.step = self._hook.mode_steps[self._modes.GLOBAL] = trained + evaluated - 1
        elif self._own and Path(self._hook.out_dir).exists():
            shutil.rmtree(self._hook.out_dir)

    def training(self) -> None:
        self._hook.set_mode(self._modes.TRAIN)

    def evaluating(self) -> None:
        self._hook.set_mode(self._modes.EVAL)

    def close(self) -> None:
        self._hook.close()
        # smdebug keeps no handles to what it registered.
        for module in self._watched:
            for hooks in (module._forward_pre_hooks, module._forward_hooks):
                for number in [n for n, hook in hooks.items() if getattr(hook, "__self__", None) is self._hook]:
                    del hooks[number]


def watcher(paths: Paths, hyperparameters: Hyperparameters) -> Watcher:
    """The hook that was asked for, or one that does nothing.

    Raises ContainerError, in one sentence, when a hook is asked for and cannot be built.
    """
    config = _config_file(paths)
    if config is None and not hyperparameters.debug_hook:
        return NoWatcher()
    where = str(config) if config else "debug-hook=true"
    try:
        hook = _from_file(config) if config else _default(paths, hyperparameters)
        return DebugHook(hook, own=config is None)
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

    content = json.loads(path.read_text(encoding="utf-8"))
    # smdebug takes a file that is no object for an empty one and writes to nowhere.
    if not isinstance(content, dict):
        raise ValueError("a JSON object is expected")
    _quieten()
    _free(Path(content.get("LocalPath", _LOCAL_PATH)))
    hook = smd.Hook.create_from_json_file(str(path))
    return _made(hook)


def _default(paths: Paths, hyperparameters: Hyperparameters) -> Any:
    import smdebug.pytorch as smd

    _quieten()
    folder = paths.output / "debug"
    _free(folder)
    hook = smd.Hook(
        out_dir=str(folder),
        save_config=smd.SaveConfig(save_interval=hyperparameters.debug_save_interval),
        include_collections=list(COLLECTIONS),
    )
    return _made(hook)


def _free(folder: Path) -> None:
    """Take away what an earlier run left for a sign that it is at work there, or has ended there.

    With the one smdebug writes nothing, with the other it refuses to start.
    """
    for name in ("claim.smd", "training_job_end.ts"):
        (folder / name).unlink(missing_ok=True)


def _made(hook: Any) -> Any:
    # Its constructor logs an error and goes on half made, where it is told to catch errors.
    if not hasattr(hook, "out_dir") or not hasattr(hook, "module_set"):
        raise ValueError("smdebug logged an error while the hook was made")
    return hook


def _quieten() -> None:
    """smdebug logs a line for every parameter; warnings are what a job's log is for."""
    from smdebug.core.logger import get_logger

    get_logger().setLevel(logging.WARNING)
