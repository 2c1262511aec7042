"""Evaluates rules so that none can harm the training, or the others: in a process that may be killed.

The runner (``python -m container.train.rules``) reads what the evaluating process, a fork of it, says. A rule
that takes too long, or takes its process down, becomes an Error; the others begin anew in a new process.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path

from container.common.rules import Configuration
from container.train.rules.board import Board
from container.train.rules.evaluation import BEGINS, DONE, ENDED, FAILED, FINE, FOUND, RESTS, Make, evaluate
from container.train.rules.registry import make as make_rule

# One look of a rule at one step takes milliseconds.
PATIENCE_SECONDS = 60.0


class Runner:
    """Evaluates ``configurations`` over ``folder`` and keeps ``board``.

    ``over`` says whether the training has ended without saying so in the folder.
    """

    def __init__(
        self,
        folder: Path,
        configurations: Sequence[Configuration],
        board: Board,
        *,
        over: Callable[[], bool] = lambda: False,
        make: Make = make_rule,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._folder, self._configurations, self._board = folder, configurations, board
        self._over, self._make, self._patience = over, make, patience
        # What the evaluating process is at: a rule's name, since when.
        self._current, self._since = "", 0.0
        # The last step that was saved when the evaluating process last rested.
        self._saved = ""

    def run(self) -> None:
        """Until every rule has been evaluated to the end."""
        while names := self._board.open():
            chosen = [one for one in self._configurations if one.rule in names]
            reason = self._attempt(chosen)
            if reason is None:
                return
            # Where no rule was at work the reading itself fails, for all alike.
            for name in [self._current] if self._current else self._board.open():
                self._board.error(name, reason)

    def _attempt(self, chosen: Sequence[Configuration]) -> str | None:
        """One evaluating process; why it did not come to its end, or None when it did."""
        self._current, self._since = "", time.monotonic()
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=evaluate, args=(self._folder, chosen, self._make, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            return self._follow(process, ours)
        finally:
            process.kill()
            process.join()
            ours.close()

    def _follow(self, process: ForkProcess, connection: Connection) -> str | None:
        told = False
        while True:
            if not told and self._over():
                # Gone already, it has seen the end by itself or its reason comes next.
                with suppress(OSError):
                    connection.send(ENDED)
                told = True
            try:
                if connection.poll(0.2):
                    if self._heard(*connection.recv()):
                        return None
                    continue
            except (EOFError, ConnectionResetError):
                process.join()
                return f"its process ended with {_ending(process.exitcode)}"
            if self._current and time.monotonic() - self._since > self._patience:
                return f"it took longer than {self._patience:g} seconds at one step"

    def _heard(self, word: str, rule: str, content: object) -> bool:
        """Keep what the evaluating process says; whether it is done."""
        self._current, self._since = "", time.monotonic()
        if word == BEGINS:
            self._current = rule
        elif word == FOUND and isinstance(content, list):
            self._board.issues(rule, content)
        elif word == FINE:
            self._board.fine(rule)
        elif word == FAILED:
            self._board.error(rule, str(content))
        elif word == RESTS:
            # What was there at the rest before has been looked at since.
            if self._saved:
                self._board.reached(self._saved)
            self._saved = _last_step(self._folder)
        return word == DONE


def _last_step(folder: Path) -> str:
    """The last step saved in ``folder``, as findings name one: "step 12 of TRAIN"; "" where none can be told.

    smdebug's index: a file a step, by number, in folders of a thousand steps.
    """
    try:
        newest = max(max((folder / "index").iterdir()).glob("*.json"))
        meta = json.loads(newest.read_text(encoding="utf-8"))["meta"]
        return f"step {meta['mode_step']} of {meta['mode']}"
    except (OSError, ValueError, KeyError):
        return ""  # none yet, or one that is just being written


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"
