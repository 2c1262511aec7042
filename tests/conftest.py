"""What is missing here is said once, at the end of the run: tests never pass by being absent."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.docker import client

SHARED = Path(__file__).parents[2] / "shared" / "data"

# Several tests run at once, a core each: trainings of several threads that share cores take ten times as long. Set
# before anything imports torch; the engines' tests hand it on to their containers.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    _CORES_EACH = max(1, len(os.sched_getaffinity(0)) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    os.environ.setdefault("OMP_NUM_THREADS", str(_CORES_EACH))

# A shell that starts us in the background has interrupts ignored, which every process we start would inherit: the
# tests that press Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("docker") and client()[0] is None:
            item.add_marker(pytest.mark.skip(reason=f"no Docker engine answers ({client()[1]})"))
        if item.get_closest_marker("real") and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason="the real photographs (../shared/data) are not here"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.write_sep("=", f"{len(skipped)} tests were skipped: see the reasons above", yellow=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real data beside the checkout."""
    return SHARED
