"""SIGTERM: a flag first, and an end in any case."""

from __future__ import annotations

import subprocess
import sys

import pytest

from container.train.stopping import JobStopped, StopSignal
from tests.train.places import ROOT


def test_the_flag_is_seen_where_it_is_looked_at() -> None:
    stop = StopSignal()
    stop.check()
    stop.set()
    with pytest.raises(JobStopped):
        stop.check()


def test_a_process_that_never_looks_ends_when_the_grace_is_over() -> None:
    code = (
        "import os, signal, time\n"
        "from container.train.stopping import StopSignal\n"
        "StopSignal(grace=0.2).install()\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "deadline = time.monotonic() + 30\n"
        "while time.monotonic() < deadline: pass\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=25).returncode == 143
