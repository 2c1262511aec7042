"""Several processes: torchrun from resourceconfig.json, gloo on the CPU, the numbers of a single process."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest
import torch

from container.common.errors import ContainerError
from container.common.metrics import parse_line
from container.train.launch import Resources
from container.train.world import World
from tests.train import places
from tests.train.jobs import Jobs
from tests.train.places import QUICK, configure, place

# Statistics of a share of a batch differ from those of the whole, and so does a draw of dropout.
COMPARABLE = QUICK | {"batchnorm": "frozen", "augment": "crop", "class-weights": "balanced", "optimizer": "sgd"}


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def lines(log: str) -> list[dict[str, float]]:
    found = [parse_line(line) for line in log.splitlines()]
    return [{k: v for k, v in m.items() if k != "images_per_second"} for m in found if m]


def splits(pictures: Path) -> dict[str, Path]:
    return {split.name: split for split in pictures.iterdir()}


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_two_processes_train_as_one_does_on_twice_the_batch(
    freeze: str, jobs: Jobs, tmp_path: Path, pictures: Path
) -> None:
    one = jobs.run("one", **COMPARABLE | {"batch-size": "20", "freeze": freeze})
    place(tmp_path / "two", COMPARABLE | {"batch-size": "10", "freeze": freeze}, **splits(pictures))
    status, two = places.train(tmp_path / "two", PROCESSES_PER_HOST="2", MASTER_PORT=free_port())
    assert status == 0, two
    assert len(lines(two)) == 3, "every rank printed"
    for expected, found in zip(lines(one), lines(two), strict=True):
        assert found == pytest.approx(expected, abs=2e-3)
    assert (tmp_path / "two" / "model" / "manifest.json").exists()
    assert not (tmp_path / "two" / ".decoded").exists()


def test_a_fault_in_the_workers_is_the_jobs_reason(tmp_path: Path, pictures: Path) -> None:
    place(tmp_path, QUICK | {"freeze": "layer9"}, **splits(pictures))
    status, log = places.train(tmp_path, PROCESSES_PER_HOST="2", MASTER_PORT=free_port())
    assert status == 1, log
    assert "no such layer before its head" in (tmp_path / "output" / "failure").read_text()


def test_sigterm_reaches_the_workers_and_the_job_goes_on_later(tmp_path: Path, pictures: Path) -> None:
    place(tmp_path, QUICK | {"epochs": "40", "batch-size": "4", "augment": "crop"}, **splits(pictures))
    more = {"PROCESSES_PER_HOST": "2", "MASTER_PORT": free_port()}
    process = places.start(tmp_path, **more)
    deadline = time.monotonic() + 120
    while not (tmp_path / "checkpoints" / "checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=30)
    assert time.monotonic() - asked < 30
    assert process.returncode == 143, log
    assert not (tmp_path / "output" / "failure").exists()


def test_torchrun_is_told_what_resourceconfig_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSES_PER_HOST", "4")
    monkeypatch.delenv("MASTER_PORT", raising=False)
    raw = {"hosts": ["algo-2", "algo-1"], "current_host": "algo-2", "network_interface_name": "eth7"}
    found = Resources.read(raw)
    assert found.processes == 8
    words = found.command()
    assert {"--nnodes=2", "--nproc-per-node=4", "--node-rank=1", "--master-addr=algo-1"} <= set(words)
    assert found.environment()["NCCL_SOCKET_IFNAME"] == found.environment()["GLOO_SOCKET_IFNAME"] == "eth7"


def test_without_several_gpus_or_hosts_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCESSES_PER_HOST", raising=False)
    if torch.cuda.device_count() <= 1:
        assert Resources.read({}).processes == 1


def test_a_host_that_is_not_among_the_hosts_is_told() -> None:
    with pytest.raises(ContainerError, match="'algo-9', which is not among its hosts"):
        Resources.read({"hosts": ["algo-1"], "current_host": "algo-9"})


def test_shares_cover_everything_once_and_evenly() -> None:
    for count in (0, 1, 7, 24):
        shares = [World(torch.device("cpu"), rank, 3).share(count) for rank in range(3)]
        assert [i for s in shares for i in range(count)[s]] == list(range(count))
        assert max(s.stop - s.start for s in shares) - min(s.stop - s.start for s in shares) <= 1


def test_two_hosts_of_a_cpu_each_run_one_process(tmp_path: Path, pictures: Path) -> None:
    port = free_port()
    processes = []
    for host in ("127.0.0.1", "localhost"):
        base = tmp_path / host
        place(base, QUICK | {"epochs": "1"}, **splits(pictures))
        hosts = {"current_host": host, "hosts": ["127.0.0.1", "localhost"], "network_interface_name": "lo"}
        configure(base, "resourceconfig", hosts)
        processes.append(places.start(base, MASTER_PORT=port))
    logs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], logs
    assert (tmp_path / "127.0.0.1" / "model" / "manifest.json").exists()
    assert not list((tmp_path / "localhost" / "model").iterdir()), "only the first host has the model"
