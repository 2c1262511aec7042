"""A job forked from a process that has everything imported is as good as a fresh one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from container.common import forks
from container.common.forks import Order
from tests.train import places
from tests.train.places import QUICK, ROOT, place

pytestmark = pytest.mark.skipif(not forks.available(), reason="processes are forked to order on Linux alone")

SMALL = QUICK | {"epochs": "2", "precision": "auto"}


def wait(condition: Callable[[], Any], *, seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return value


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def environment(base: Path, **more: str) -> dict[str, str]:
    """A job's, but for what pytest changes from test to test."""
    found = {**places.environment(base, **more), "CUDA_VISIBLE_DEVICES": ""}
    found.pop("PYTEST_CURRENT_TEST", None)
    return found


class Warm:
    """`python -m container.train.warm`, and how a client speaks to it."""

    def __init__(self, folder: Path) -> None:
        self.socket, self.log = folder / "socket", folder / "warm.log"
        self.jobs: list[Job] = []
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "container.train.warm", str(self.socket)],
                env=environment(folder), stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=ROOT,
            )  # fmt: skip
        wait(self.socket.exists)

    def order(self, base: Path, **more: str) -> Job:
        return Job(
            self,
            Order(
                argv=tuple(places.command()),
                environment=environment(base, **more),
                cwd=str(base),
                log=str(base / "log"),
            ),
        )

    def disown(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def close(self) -> None:
        self.disown()
        for job in self.jobs:
            job.close()


class Job:
    """A forked job."""

    def __init__(self, warm: Warm, order: Order) -> None:
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        wait(lambda: self.connection.connect_ex(str(warm.socket)) == 0)
        warm.jobs.append(self)
        self._lines = self.connection.makefile("r")
        assert self.heard() == {"ready": True}
        self.connection.sendall(order.line())
        self.answer = self.heard()
        self.pid = int(self.answer.get("pid", 0))
        self.log = Path(order.log)

    def close(self) -> None:
        self._lines.close()
        self.connection.close()

    def heard(self) -> dict[str, Any]:
        return dict(json.loads(self._lines.readline()))

    def status(self) -> int:
        assert self.pid, self.answer
        return int(self.heard()["status"])


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    server = Warm(tmp_path_factory.mktemp("w"))
    yield server
    server.close()
    assert server.process.wait(timeout=30) == 0, server.log.read_text()


@pytest.fixture
def base(tmp_path: Path, pictures: Path) -> Callable[..., Path]:
    def make(name: str, **changes: str) -> Path:
        values = SMALL | {key.replace("_", "-"): value for key, value in changes.items()}
        place(tmp_path / name, values, **{split.name: split for split in pictures.iterdir()})
        return tmp_path / name

    return make


def learned(base: Path) -> dict[str, Any]:
    """What metrics.json says, but for what the clock says."""
    metrics: dict[str, Any] = json.loads((base / "output/data/metrics.json").read_text())
    for epoch in metrics["history"]:
        epoch.pop("images_per_second", None)
    metrics.pop("seconds")
    return {name: metrics[name] for name in ("history", "best_epoch", "metrics", "exported", "images")}


def test_a_forked_job_learns_what_a_spawned_one_learns(warm: Warm, base: Callable[..., Path]) -> None:
    forked, spawned = base("forked"), base("spawned")
    job = warm.order(forked)
    assert job.status() == 0, job.log.read_text()
    status, log = places.train(spawned, CUDA_VISIBLE_DEVICES="")
    assert status == 0, log
    assert learned(forked) == learned(spawned)
    assert (forked / "output" / "success").exists()
    assert (forked / "model" / "weights.safetensors").read_bytes() == (
        spawned / "model" / "weights.safetensors"
    ).read_bytes()


def test_a_forked_job_that_fails_says_why_in_its_failure_file(warm: Warm, base: Callable[..., Path]) -> None:
    wrong = base("wrong", learning_rate="1")
    assert warm.order(wrong).status() == 1
    assert "learning-rate" in (wrong / "output" / "failure").read_text()


def test_sigterm_makes_a_forked_job_write_a_checkpoint_and_harms_no_other(
    warm: Warm, base: Callable[..., Path]
) -> None:
    long, other = base("long", epochs="400", schedule="none"), base("other")
    stopped = warm.order(long)
    untouched = warm.order(other)
    wait(lambda: list((long / "checkpoints").glob("checkpoint*.pt")))
    os.kill(stopped.pid, signal.SIGTERM)
    assert stopped.status() == 143
    assert "the next start goes on from" in stopped.log.read_text()
    assert not (long / "output" / "failure").exists()
    assert untouched.status() == 0, untouched.log.read_text()


def test_a_forked_job_leads_a_session_and_its_death_by_a_signal_is_told(warm: Warm, base: Callable[..., Path]) -> None:
    job = warm.order(base("killed", epochs="400"))
    wait(lambda: running(job.pid) and os.getsid(job.pid) == job.pid and os.getpgid(job.pid) == job.pid)
    os.kill(job.pid, signal.SIGKILL)
    assert job.status() == -signal.SIGKILL


def test_a_job_whose_environment_could_not_take_effect_is_refused(warm: Warm, base: Callable[..., Path]) -> None:
    job = warm.order(base("other"), OMP_NUM_THREADS="7", TRAINING_JOB_NAME="free")
    assert "OMP_NUM_THREADS cannot be changed" in job.answer["refused"]


def test_a_forked_process_sees_what_a_fresh_one_sees(warm: Warm, tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text(
        "import json, os, sys, signal, torch\n"
        "json.dump({'environment': dict(os.environ), 'argv': sys.argv, 'cwd': os.getcwd(), 'name': __name__,\n"
        "  'stdin': sys.stdin.read(), 'files': sorted(int(f) for f in os.listdir('/proc/self/fd')),\n"
        "  'threads': torch.get_num_threads(), 'term': str(signal.getsignal(signal.SIGTERM)),\n"
        "  'computes': torch.ones(2).sum().item()},\n"
        "  open(sys.argv[1], 'w'))\n"
    )
    seen = []
    given = environment(tmp_path)
    for name in ("forked", "fresh"):
        argv = [str(script), str(tmp_path / name)]
        if name == "forked":
            order = Order(argv=tuple(argv), environment=given, cwd=str(tmp_path), log=str(tmp_path / "log"))
            assert Job(warm, order).status() == 0, (tmp_path / "log").read_text()
        else:
            subprocess.run([sys.executable, *argv], env=given, cwd=tmp_path, check=True,
                           stdin=subprocess.DEVNULL)  # fmt: skip
        seen.append(json.loads((tmp_path / name).read_text()))
    forked, fresh = seen
    assert forked["argv"].pop() != fresh["argv"].pop()
    # What nncf and the like set when they are imported, a job gets sooner or later.
    assert {name: forked["environment"].get(name) for name in fresh["environment"]} == fresh["environment"]
    del forked["environment"], fresh["environment"]
    assert forked == fresh


def test_a_child_can_use_a_gpu() -> None:
    code = (
        "import os, torch\n"
        "from container.train import warm\n"
        "warm._import()\n"
        "pid = os.fork()\n"
        # What torch refuses CUDA for in a child: that its parent has asked for GPUs.
        "if pid == 0: os._exit(int(torch.cuda._is_in_bad_fork()))\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    given = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run([sys.executable, "-c", code], env=given, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_ends_with_its_owner_but_not_before_its_jobs(base: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    own = Warm(folder)
    job = own.order(base("last"))
    own.disown()
    assert job.status() == 0, job.log.read_text()
    own.close()
    assert own.process.wait(timeout=30) == 0
    assert not own.socket.exists()
