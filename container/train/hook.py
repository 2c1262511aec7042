"""The smdebug hook and the rules beside it: attached when somebody asks for them, otherwise not there at all.

The hook is asked for by input/config/debughookconfig.json, by SMDEBUG_CONFIG_FILE_PATH, by debug-hook=true,
which writes losses, weights, gradients and biases to output/data/debug, by debug-include-regex, which writes what it
names, or by rules, which need less there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import nn

from container.common.errors import ContainerError, HyperparameterError, first_line
from container.common.hyperparameters import Hyperparameters
from container.common.rules import parse
from container.train.console import Console
from container.train.evaluate import Evaluation
from container.train.optim import CrossEntropyLoss
from container.train.paths import Paths
from container.train.rules.lightly import lightly
from container.train.stopping import JobStopped

if TYPE_CHECKING:  # smdebug is not imported where nobody asks for it
    from container.train.rules.live import LiveRules
    from container.train.rules.recorder import Recorder

COLLECTIONS = ("losses", "weights", "gradients", "biases")

_PATH_VARIABLE = "SMDEBUG_CONFIG_FILE_PATH"

# Where smdebug writes when a configuration does not say.
_LOCAL_PATH = "/opt/ml/output/tensors"


# A job waits so long for the rules to see its last steps, which they have had all the export to do.
_SECONDS_FOR_RULES = 60.0


class Watcher(Protocol):
    """Told which phase training is in."""

    def describe(self, facts: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """What there is to know of the training images; asked for when somebody wants it."""

    def watch(self, module: nn.Module, criterion: CrossEntropyLoss) -> None:
        """Look at ``module`` and the loss from now on."""

    def begin(self, *, trained: int, evaluated: int, total: int, an_epoch: int) -> None:
        """So many training and evaluation steps were done before, by a job this one goes on from.

        ``total`` and ``an_epoch`` are the training steps that the job has.
        """

    def training(self) -> None:
        """Training steps follow."""

    def evaluating(self) -> None:
        """Evaluation follows."""

    def evaluated(self, result: Evaluation) -> None:
        """What came of the evaluation."""

    def reason_to_stop(self) -> str | None:
        """What a rule that is to stop the training has found."""

    def seconds(self) -> float:
        """What looking has cost so far."""

    def close(self) -> None:
        """Write what is left, and look no more."""

    def conclude(self) -> None:
        """Wait, not for long, for what the rules have still to say."""


@contextlib.contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Until training and evaluation are over: the export runs the network too, and is not to be watched.

    Of a training that fails the rules' last word is waited for: what they have found is often why, and the page of the
    job that failed tells of it.
    """
    try:
        yield
    except JobStopped:
        watcher.close()
        raise
    except Exception:
        watcher.close()
        watcher.conclude()
        raise
    watcher.close()


class NoWatcher:
    """Nobody looks."""

    def describe(self, facts: Callable[[], Mapping[str, np.ndarray]]) -> None: ...

    def watch(self, module: nn.Module, criterion: CrossEntropyLoss) -> None: ...

    def begin(self, *, trained: int, evaluated: int, total: int, an_epoch: int) -> None: ...

    def training(self) -> None: ...

    def evaluating(self) -> None: ...

    def evaluated(self, result: Evaluation) -> None: ...

    def reason_to_stop(self) -> str | None:
        return None

    def seconds(self) -> float:
        return 0.0

    def close(self) -> None: ...

    def conclude(self) -> None: ...


class DebugHook:
    """smdebug's hook, and the rules that look at what it saves.

    Its folder is emptied of another run's tensors when ``own`` says that it is the job's own. With ``needs``
    the hook saves what the rules need; without, what its configuration says.
    """

    def __init__(
        self,
        hook: Recorder,
        hyperparameters: Hyperparameters,
        *,
        own: bool,
        needs: bool,
        rules: LiveRules | None,
        console: Console,
    ) -> None:
        import smdebug.pytorch as smd

        self._hook, self._modes, self._own, self._needs, self._rules = hook, smd.modes, own, needs, rules
        self._h, self._console = hyperparameters, console
        self._facts: Callable[[], Mapping[str, np.ndarray]] = dict
        self._watched: list[nn.Module] = []

    def describe(self, facts: Callable[[], Mapping[str, np.ndarray]]) -> None:
        self._facts = facts

    def watch(self, module: nn.Module, criterion: CrossEntropyLoss) -> None:
        self._watched = [*module.modules(), criterion]
        self._hook.attach(module, criterion, probes=self._needs)

    def begin(self, *, trained: int, evaluated: int, total: int, an_epoch: int) -> None:
        if trained or evaluated:
            # smdebug counts from -1 and names its files by the sum; steps done again replace their files.
            self._hook.mode_steps[self._modes.TRAIN] = trained - 1
            self._hook.mode_steps[self._modes.EVAL] = evaluated - 1
            self._hook.step = self._hook.mode_steps[self._modes.GLOBAL] = trained + evaluated - 1
        elif self._own and Path(self._hook.out_dir).exists():
            shutil.rmtree(self._hook.out_dir)
        if self._needs:
            self._hook.plan(
                total=total,
                an_epoch=an_epoch,
                most=self._h.debug_save_interval,
                whole=self._h.debug_hook,
                evaluated=self._h.debug_eval_interval,
                facts=self._facts(),
            )
        if self._rules is not None and (trouble := self._rules.start()):
            self._console.warn(trouble)

    def training(self) -> None:
        self._hook.set_mode(self._modes.TRAIN)

    def evaluating(self) -> None:
        self._hook.set_mode(self._modes.EVAL)

    def evaluated(self, result: Evaluation) -> None:
        self._hook.evaluated(result.loss, result.labels, result.logits.argmax(axis=1))

    def reason_to_stop(self) -> str | None:
        return None if self._rules is None else self._rules.reason_to_stop()

    def seconds(self) -> float:
        return self._hook.seconds

    def close(self) -> None:
        self._hook.close()
        if self._rules is not None:
            self._rules.end()
        if self._hook.broken:
            self._console.warn(
                f"no more tensors were saved after a fault of the debugger hook ({self._hook.broken}); the rules have "
                "seen what came before it"
            )
        # smdebug keeps no handles to what it registered.
        for module in self._watched:
            for hooks in (module._forward_pre_hooks, module._forward_hooks):
                for number in [n for n, hook in hooks.items() if getattr(hook, "__self__", None) is self._hook]:
                    del hooks[number]

    def conclude(self) -> None:
        if self._rules is not None and (trouble := self._rules.finish(_SECONDS_FOR_RULES)):
            self._console.warn(trouble)


def watcher(paths: Paths, hyperparameters: Hyperparameters, console: Console) -> Watcher:
    """The hook that was asked for, or that the rules need, or one that does nothing.

    Raises ContainerError, in one sentence, when a hook is asked for and cannot be built.
    """
    h, config = hyperparameters, _config_file(paths)
    rules = _rules(paths, h)
    _check(h, rules)
    asked = "debug-hook=true" if h.debug_hook else "debug-include-regex" if h.debug_include_regex else ""
    if config is None and not asked and rules == "none":
        return NoWatcher()
    where = str(config) if config else asked or f"rules={h.rules}"
    try:
        hook = _from_file(config) if config else _default(paths, h)
    except Exception as exc:
        # smdebug raises whatever its parsing meets: KeyError, ValueError, its own classes.
        raise ContainerError(
            f"The debugger hook cannot be made from {where} ({type(exc).__name__}: {first_line(exc)}); correct the "
            "configuration, or leave it out to train without the hook."
        ) from exc
    live = None
    if rules != "none":
        from container.train.rules.live import LiveRules

        live = LiveRules(Path(hook.out_dir), paths.output / "rules.json", rules, stop_on=h.stop_on_rules)
    needs = config is None and live is not None
    return DebugHook(hook, h, own=config is None, needs=needs, rules=live, console=console)


def _check(h: Hyperparameters, rules: str) -> None:
    """Raises HyperparameterError for a rule that is to stop the job and is not evaluated."""
    evaluated = {one.rule for one in parse(rules)}
    wanted = {"all"} if h.stop_on_rules == "all" else {one.rule for one in parse(h.stop_on_rules)}
    missing = sorted(wanted - evaluated - ({"all"} if evaluated else set()))
    if missing:
        raise HyperparameterError(
            f"stop-on-rules says {missing[0]} and rules={h.rules} does not evaluate it; add it to rules, or leave it "
            "out of stop-on-rules."
        )


def _rules(paths: Paths, h: Hyperparameters) -> str:
    """The rules to evaluate; auto is settled."""
    if h.rules != "auto":
        return h.rules if parse(h.rules) else "none"
    if h.stop_on_rules:
        return "default"
    if h.compile:
        return "none"  # a hook in a compiled network costs more than the compiling gains
    given = paths.config / "hyperparameters.json"
    tuning = given.is_file() and "_tuning_objective_metric" in json.loads(given.read_text(encoding="utf-8"))
    return "none" if tuning else "default"


def _config_file(paths: Paths) -> Path | None:
    named = os.environ.get(_PATH_VARIABLE)
    if named:
        return Path(named)
    usual = paths.config / "debughookconfig.json"
    return usual if usual.is_file() else None


def _from_file(path: Path) -> Any:
    with lightly():
        from container.train.rules.recorder import Recorder

    content = json.loads(path.read_text(encoding="utf-8"))
    # smdebug takes a file that is no object for an empty one and writes to nowhere.
    if not isinstance(content, dict):
        raise ValueError("a JSON object is expected")
    _free(Path(content.get("LocalPath", _LOCAL_PATH)))
    hook = Recorder.create_from_json_file(str(path))
    return _made(hook)


def _default(paths: Paths, hyperparameters: Hyperparameters) -> Any:
    with lightly():
        from container.train.rules.recorder import Recorder, saving

    h = hyperparameters
    save_config = saving(h.debug_save_interval, h.debug_eval_interval)
    folder = paths.output / "debug"
    _free(folder)
    hook = Recorder(
        out_dir=str(folder),
        save_config=save_config,
        include_collections=list(COLLECTIONS) if h.debug_hook else [],
    )
    if h.debug_include_regex:
        hook.include(h.debug_include_regex, save_config)
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
