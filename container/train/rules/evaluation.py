"""Rules over one folder of tensors, step by step, until training has ended; runs in a process of its own."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from smdebug.core.access_layer.utils import has_training_ended
from smdebug.trials.local_trial import LocalTrial

from container.common.errors import first_line
from container.common.rules import Configuration
from container.train.rules.findings import Finding
from container.train.rules.needs import ALIVE
from container.train.rules.rule import TensorRule
from container.train.rules.steps import Step

Make = Callable[[Configuration, Any], TensorRule[Any]]

# A look at the folder costs about a millisecond, one at a new step much more: while training lasts, the rules take no
# more than that share of a core, but look again after MOST_SECONDS at the latest.
SECONDS_BETWEEN_LOOKS, MOST_SECONDS, SHARE = 0.5, 5.0, 0.02

# The words that go over the connection: to the runner, and from it.
BEGINS, FOUND, FINE, FAILED, RESTS, DONE = "begins", "found", "fine", "failed", "rests", "done"
ENDED = "ended"


def evaluate(folder: Path, configurations: Sequence[Configuration], make: Make, connection: Connection) -> None:
    """Look at every step of ``folder`` with every rule, and tell ``connection`` what comes of it.

    Goes on until training has ended there, or until the connection says ENDED; it then looks once more.
    """
    Evaluation(folder, configurations, make, connection).run()


class Evaluation:
    """The rules that are still being evaluated, and the steps they have seen."""

    def __init__(
        self, folder: Path, configurations: Sequence[Configuration], make: Make, connection: Connection
    ) -> None:
        self._folder, self._make, self._connection = folder, make, connection
        self._configurations = configurations
        self._rules: dict[str, TensorRule[Any]] = {}
        self._over = False

    def run(self) -> None:
        """The whole of it."""
        os.environ["SMDEBUG_TRAINING_END_DELAY_REFRESH"] = "0"
        logging.getLogger("smdebug").setLevel(logging.ERROR)
        if self._await_first_step():
            trial = LocalTrial(self._folder.name, str(self._folder))
            for configuration in self._configurations:
                self._begin(configuration, trial)
            self._follow(trial)
        for name, rule in list(self._rules.items()):
            self._tell(name, rule, rule.conclude)
        for name in self._rules:
            self._connection.send((FINE, name, None))
        self._connection.send((DONE, "", None))

    def _ended(self) -> bool:
        """Whether no more steps will come; asked for before looking for the last ones."""
        while not self._over and self._connection.poll():
            self._over = self._connection.recv() == ENDED
        return self._over or has_training_ended(str(self._folder))

    def _sign(self) -> int:
        """When our own hook has last told that training makes steps; 0 for tensors of another's."""
        try:
            return (self._folder / ALIVE).stat().st_mtime_ns
        except OSError:
            return 0

    def _await_first_step(self) -> bool:
        while True:
            ended = self._ended()
            if any((self._folder / "collections").rglob("*_collections.json")):
                return True
            if ended:
                for configuration in self._configurations:
                    self._connection.send((FAILED, configuration.rule, f"no tensors were saved in {self._folder}"))
                return False
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _begin(self, configuration: Configuration, trial: Any) -> None:
        self._connection.send((BEGINS, configuration.rule, None))
        try:
            self._rules[configuration.rule] = self._make(configuration, trial)
        except Exception as exc:
            # A rule is anybody's code, and one that fails must not take the others along.
            self._connection.send((FAILED, configuration.rule, first_line(exc)))

    def _follow(self, trial: LocalTrial) -> None:
        seen: set[int] = set()
        last, sign = time.monotonic(), 0
        while True:
            began = time.process_time()
            ended = self._ended()
            if sign != (sign := self._sign()):
                last = time.monotonic()
            trial.refresh_data()
            # Once for all rules and all they ask. At the end a step counts that not all processes have written.
            trial.dynamic_refresh, trial.loaded_all_steps = False, ended
            new = [number for number in trial.steps() if number not in seen]
            for number in new:
                seen.add(number)
                step = Step(trial, number)
                for name, rule in list(self._rules.items()):
                    self._tell(name, rule, partial(rule.examine, step))
                last = time.monotonic()
            if ended and not new:
                return
            if not new:
                for name, rule in list(self._rules.items()):
                    # Twice a second: the others need not say each time that they have nothing to say.
                    if type(rule).wait is not TensorRule.wait:
                        self._tell(name, rule, partial(rule.wait, time.monotonic() - last))
            # However long the next step takes to come, no rule is at work meanwhile.
            self._connection.send((RESTS, "", None))
            if not ended:
                self._pause((time.process_time() - began) / SHARE)

    def _pause(self, seconds: float) -> None:
        """Until the next look; not a moment longer than training lasts."""
        until = time.monotonic() + min(max(seconds, SECONDS_BETWEEN_LOOKS), MOST_SECONDS)
        while not self._ended() and (left := until - time.monotonic()) > 0:
            self._connection.poll(min(left, SECONDS_BETWEEN_LOOKS))

    def _tell(self, name: str, rule: TensorRule[Any], look: Callable[[], Any]) -> None:
        self._connection.send((BEGINS, name, None))
        try:
            found: list[Finding] = list(look())
        except Exception as exc:
            # As above: whatever it raises is this rule's failure and no other's.
            self._connection.send((FAILED, name, f"{type(exc).__name__}: {first_line(exc)}"))
            del self._rules[name]
            return
        if found:
            rule.note(found)
            self._connection.send((FOUND, name, found))
            del self._rules[name]
