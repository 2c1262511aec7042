"""What a slow, hanging, full or lost disk does to a training that has files written to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from container.train.rules.disk import MOST_BYTES, Disk

# More than the pipe to the process holds.
LARGE = bytes(4 << 20)


def test_files_are_written_in_their_folders_large_ones_too(tmp_path: Path) -> None:
    files = {tmp_path / "a" / "small": b"1", tmp_path / "größe" / "large": LARGE, tmp_path / "a" / "empty": b""}
    disk = Disk()
    disk.tell(files)
    disk.close()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_a_disk_that_is_slow_is_behind_and_loses_nothing_it_was_told(tmp_path: Path) -> None:
    disk, told = Disk(), 0
    os.kill(disk.pid, signal.SIGSTOP)
    while not disk.behind:
        disk.tell({tmp_path / str(told): LARGE})
        told += 1
    # The pipe holds a little of it.
    assert 0 <= told - MOST_BYTES // len(LARGE) <= 1
    os.kill(disk.pid, signal.SIGCONT)
    disk.catch_up()
    assert not disk.behind
    disk.close()
    assert len(list(tmp_path.iterdir())) == told
    assert all((tmp_path / str(number)).stat().st_size == len(LARGE) for number in range(told))


def test_a_disk_that_hangs_is_waited_for_only_so_long(tmp_path: Path) -> None:
    disk = Disk()
    os.kill(disk.pid, signal.SIGSTOP)
    disk.tell({tmp_path / "a": b"1"})
    with pytest.raises(TimeoutError, match=r"not written in 0\.1 seconds"):
        disk.close(0.1)


def test_one_that_takes_nothing_more_is_given_up(tmp_path: Path) -> None:
    disk = Disk()
    os.kill(disk.pid, signal.SIGSTOP)
    while not disk.behind:
        disk.tell({tmp_path / "a": LARGE})
    with pytest.raises(TimeoutError, match=r"taken no tensors for 0\.1 seconds"):
        disk.catch_up(0.1)
    os.kill(disk.pid, signal.SIGCONT)
    # As long as it takes more, it is waited for.
    disk.close(5.0, whole=True)
    assert (tmp_path / "a").stat().st_size == len(LARGE)


def test_a_file_that_cannot_be_written_is_told_to_whoever_saves_next(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("no folder")
    disk = Disk()
    disk.tell({tmp_path / "a" / "b": b"1"})
    with pytest.raises(NotADirectoryError, match=r"Not a directory: .*a/b"):
        for _ in range(1000):
            disk.tell({tmp_path / "c": LARGE})
    with pytest.raises(NotADirectoryError):
        disk.tell({tmp_path / "c": b"1"})
    with pytest.raises(NotADirectoryError):
        disk.close()


def test_the_last_file_that_cannot_be_written_is_told_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("no folder")
    disk = Disk()
    disk.tell({tmp_path / "a" / "b": b"1"})
    with pytest.raises(NotADirectoryError):
        disk.close()


def test_a_process_that_is_killed_is_told_of(tmp_path: Path) -> None:
    disk = Disk()
    os.kill(disk.pid, signal.SIGKILL)
    with pytest.raises(OSError, match="ended with status -9"):
        for _ in range(1000):
            disk.tell({tmp_path / "c": LARGE})
    with pytest.raises(OSError, match="ended with status -9"):
        disk.close()


def test_what_was_told_before_a_training_was_killed_is_written(tmp_path: Path) -> None:
    program = f"""
import os, signal, time
from pathlib import Path
from container.train.rules.disk import Disk
disk, folder = Disk(), Path({str(tmp_path)!r})
disk.tell({{folder / "a": b"1"}})
while not (folder / "a").exists():
    time.sleep(0.01)
os.kill(disk.pid, signal.SIGTERM)  # what is meant for the job does not end it
os.kill(disk.pid, signal.SIGSTOP)
disk.tell({{folder / "b": b"2"}})
print(disk.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "b").exists()
    os.kill(int(ended.stdout), signal.SIGCONT)
    deadline = time.monotonic() + 30
    while not (tmp_path / "b").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (tmp_path / "b").read_bytes() == b"2"
