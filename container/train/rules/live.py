"""The rules' process as a training job sees it: started, asked for a reason to stop, waited for.

Its start takes half a second of a core. Unless a rule is to stop the job, a training is given DELAY_SECONDS before
that; one that ends sooner has its rules evaluated while the model is exported.

Whatever happens to that process, training goes on; what it could not tell is an Error in rules.json.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from container.common.errors import StorageError, first_line
from container.common.rules import parse
from container.train import storage
from container.train.beside import environment
from container.train.rules import board
from container.train.rules.findings import ERROR, IN_PROGRESS, ISSUES

SECONDS_BETWEEN_LOOKS = 1.0

DELAY_SECONDS = 10.0

STALLED = "StalledTrainingRule"


class LiveRules:
    """Rules evaluated beside a training, from ``folder`` into ``path`` (rules.json)."""

    def __init__(
        self,
        folder: Path,
        path: Path,
        rules: str,
        *,
        stop_on: str = "",
        delay: float = DELAY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``rules`` and ``stop_on`` as the hyperparameters say them."""
        self._folder, self._path, self._rules, self._clock = folder, path, rules, clock
        self._stop_on = {word.strip().lower() for word in stop_on.split(",") if word.strip()}
        self._delay = 0.0 if self._stop_on else delay
        self._process: subprocess.Popen[bytes] | None = None
        self._trouble: str | None = None
        # A thread of its own, so that a training that stalls at its first step has rules too.
        self._timer = threading.Timer(self._delay, self._launch)
        self._timer.daemon = True
        self._starting = threading.Lock()
        self._begun = False
        self._looked, self._changed = float("-inf"), 0
        self._reason: str | None = None

    def start(self) -> str | None:
        """Begin to watch; why that cannot be, or None where nothing is known yet."""
        self._begun = True
        self._path.unlink(missing_ok=True)
        # A full disk is for the training to find, which alone can say so.
        with contextlib.suppress(StorageError):
            board.Board([board.Verdict(one.rule, one.parameters) for one in parse(self._rules)], path=self._path)
        if self._delay:
            self._timer.start()
        else:
            self._launch()
        return self._trouble

    def _launch(self) -> None:
        """Start the process, unless it has been."""
        with self._starting:
            if self._process is not None or self._trouble:
                return
            command = [sys.executable, "-W", "ignore", "-m", "container.train.rules", str(self._folder)]
            try:
                self._process = subprocess.Popen(
                    [
                        *command,
                        *("--live", str(os.getpid()), "--out", str(self._path), "--rules", self._rules),
                        # A training that has stalled does not look into rules.json.
                        *(["--stop-stalled"] if self._stop_on & {"all", STALLED.lower()} else []),
                    ],
                    env=environment(),
                    # Closed to say that training has ended: smdebug does not write so under SageMaker.
                    stdin=subprocess.PIPE,
                )
            except OSError as exc:
                self._trouble = f"the rules cannot be evaluated ({first_line(exc)}); training goes on without"

    def reason_to_stop(self) -> str | None:
        """What a rule that is to stop the training has found; looked for once a second at most."""
        now = self._clock()
        if self._reason or not self._stop_on or now - self._looked < SECONDS_BETWEEN_LOOKS:
            return self._reason
        self._looked = now
        try:
            changed = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if changed == self._changed:
            return None
        self._changed = changed
        for entry in board.read(self._path):
            name = str(entry["RuleConfigurationName"])
            if entry["RuleEvaluationStatus"] == ISSUES and {"all", name.lower()} & self._stop_on:
                self._reason = f"stopped by rule {name}: {entry['findings'][0]['advice']}"
                break
        return self._reason

    def end(self) -> None:
        """Tell the process that no more steps will come; nothing where a job ends before its first could have."""
        if not self._begun:
            return
        self._timer.cancel()
        self._launch()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def finish(self, seconds: float) -> str | None:
        """Wait so many seconds at most, after ``end``; what went wrong, or None.

        Nothing is in progress in rules.json after that.
        """
        if self._process is None:
            return self._trouble
        trouble = None
        try:
            if self._process.wait(seconds):
                trouble = f"the process that evaluates the rules ended with status {self._process.returncode}"
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            trouble = f"the rules were not done {seconds:g} seconds after the training; they are Errors in rules.json"
        self._settle()
        return trouble

    def _settle(self) -> None:
        entries = board.read(self._path)
        left = [entry for entry in entries if entry["RuleEvaluationStatus"] == IN_PROGRESS]
        for entry in left:
            entry |= {"RuleEvaluationStatus": ERROR, "StatusDetails": "the job ended before this rule had seen all"}
        if left:
            storage.write_text(self._path, board.dumps(entries))
