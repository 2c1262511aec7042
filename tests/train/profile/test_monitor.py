"""The process that samples: it writes what smdebug reads, ends with its parent, and its end harms nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from smdebug.profiler.system_metrics_reader import LocalSystemMetricsReader

from container.train.profile import series
from container.train.profile.monitoring import Monitoring
from tests.train.places import ROOT

# A parent that starts a monitor, says so, and waits to be killed.
PARENT = """
import sys, time
from pathlib import Path
from container.train.profile.monitoring import Monitoring
monitoring = Monitoring(Path(sys.argv[1]), "algo-1", 100)
assert monitoring.start() is None
print(monitoring.pid, flush=True)
time.sleep(600)
"""


def until(condition: Callable[[], bool]) -> bool:
    """Whether ``condition`` comes true within a minute, on however busy a machine."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def samples(folder: Path) -> int:
    return sum(len(system.times) for system in series.read(folder).values())


def runs(pid: int) -> bool:
    """Whether a process is there, and not only waiting for somebody to hear of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def monitoring(tmp_path: Path) -> Iterator[Monitoring]:
    one = Monitoring(tmp_path, "algo-1", 100)
    yield one
    one.finish()


def test_smdebug_reads_what_the_monitor_writes(monitoring: Monitoring, tmp_path: Path) -> None:
    began = time.time()
    assert monitoring.start() is None
    assert until(lambda: samples(tmp_path) >= 3)
    assert monitoring.finish() is None
    reader = LocalSystemMetricsReader(str(tmp_path))
    found = reader.get_events(began * 1e6, time.time() * 1e6)
    kinds = {(event.type, event.dimension) for event in found}
    assert kinds >= {("cpu", "CPUUtilization"), ("cpu", "I/OWaitPercentage"), ("memory", ""), ("i/o", "")}
    cores = {event.name for event in found if event.type == "cpu"}
    assert cores == {f"cpu{core}" for core in os.sched_getaffinity(0)}
    assert all(0 <= event.value <= 100 for event in found if event.type == "cpu" or event.name == "MemoryUsedPercent")


def test_the_monitor_needs_neither_torch_nor_numpy() -> None:
    code = "import sys, container.train.profile.monitor; print(*({'torch', 'numpy', 'psutil'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_monitor_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        monitor = int(parent.stdout.readline())
        assert until(lambda: samples(tmp_path) > 0)
        assert runs(monitor)
        parent.send_signal(signal.SIGKILL)
        assert until(lambda: not runs(monitor))


def test_a_signal_for_the_jobs_whole_group_does_not_end_the_monitor(monitoring: Monitoring, tmp_path: Path) -> None:
    monitoring.start()
    assert until(lambda: samples(tmp_path) > 0)
    assert monitoring.pid is not None
    os.kill(monitoring.pid, signal.SIGTERM)
    seen = samples(tmp_path)
    assert until(lambda: samples(tmp_path) > seen + 1)
    assert monitoring.finish() is None


def test_a_monitor_that_was_killed_is_told_of_and_what_it_wrote_is_kept(monitoring: Monitoring, tmp_path: Path) -> None:
    monitoring.start()
    assert until(lambda: samples(tmp_path) > 0)
    pid = monitoring.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not runs(pid))
    trouble = monitoring.finish()
    assert trouble is not None
    assert "ended before the job (exit status -9)" in trouble
    assert samples(tmp_path) > 0
    assert monitoring.finish() is None, "once is enough"


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monitoring = Monitoring(tmp_path / "file", "algo-1", 100)
    assert monitoring.start() is None
    pid = monitoring.pid
    assert pid is not None
    assert until(lambda: not runs(pid))
    trouble = monitoring.finish()
    assert trouble is not None
    assert "cannot be written" in trouble
    assert "Traceback" not in trouble


def test_a_monitor_that_can_start_no_process_goes_on_sampling(tmp_path: Path) -> None:
    # Rules are to look at once, and the interpreter has gone from where it was.
    code = (
        "import os, sys; from container.train.profile.monitor import main; "
        "sys.executable = '/nowhere/python'; main([sys.argv[1], 'algo-1', '100', str(os.getppid()), '0'])"
    )
    monitor = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert until(lambda: samples(tmp_path) >= 3 or monitor.poll() is not None)
        assert monitor.poll() is None
    finally:
        monitor.kill()
        _, errors = monitor.communicate()
    assert errors == ""


def test_what_is_not_started_need_not_be_ended(tmp_path: Path) -> None:
    assert Monitoring(tmp_path, "algo-1", 100).finish() is None
