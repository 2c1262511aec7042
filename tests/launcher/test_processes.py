"""A detached process holds on to nothing that we were given."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from launcher.local.processes import kill_tree, reap, spawn_detached
from tests.launcher.conftest import wait


def test_a_detached_process_keeps_its_input_and_no_other_descriptor(tmp_path: Path) -> None:
    """As flock(1) gives its lock to the command it runs, which is held for as long as anybody has it open."""
    ends = (*os.pipe(), *os.pipe())
    ours, given, theirs, word = ends
    os.set_inheritable(given, True)
    argv = [sys.executable, "-c", "import sys, time; print(sys.stdin.read(), flush=True); time.sleep(300)"]
    handle = spawn_detached(argv, environment=os.environ, log=tmp_path / "log", stdin=theirs)
    try:
        os.close(given)
        os.set_blocking(ours, False)
        assert os.read(ours, 1) == b"", "its other end would be open still"
        assert handle.alive()
        os.write(word, b"heard")
    finally:
        for each in (ours, theirs, word):
            os.close(each)
    try:
        wait(lambda: (tmp_path / "log").read_text() == "heard\n" or not handle.alive(), seconds=30)
        assert handle.alive()
    finally:
        kill_tree(handle)
        reap(handle.pid)
