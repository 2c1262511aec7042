"""Several processes: torchrun from resourceconfig.json, gloo on the CPU, the numbers of a single process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from container.common.errors import ContainerError
from container.common.metrics import parse_line
from container.train import launch
from container.train.entry import guarded
from container.train.launch import PORT, Resources, torchrun
from container.train.stopping import JobStopped, StopSignal
from container.train.world import World
from tests.train import places
from tests.train.jobs import Jobs
from tests.train.places import QUICK, configure, image_folder, place

# Statistics of a share of a batch differ from those of the whole, and so does a draw of dropout. Gradients of
# another size end elsewhere, with this optimizer and at this rate.
COMPARABLE = QUICK | {
    "batchnorm": "frozen",
    "augment": "crop",
    "class-weights": "balanced",
    "optimizer": "sgd",
    "lr": "0.05",
    "schedule": "none",
}


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def lines(log: str) -> list[dict[str, float]]:
    found = [parse_line(line) for line in log.splitlines()]
    return [{k: v for k, v in m.items() if k != "images_per_second"} for m in found if m]


def splits(pictures: Path) -> dict[str, Path]:
    return {split.name: split for split in pictures.iterdir()}


def flat(weights: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([t.double().flatten() for _, t in sorted(weights.items()) if t.is_floating_point()])


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_two_processes_train_as_one_does_on_twice_the_batch(
    freeze: str, jobs: Jobs, tmp_path: Path, pictures: Path
) -> None:
    one = jobs.run("one", **COMPARABLE | {"batch-size": "20", "freeze": freeze})
    place(tmp_path / "two", COMPARABLE | {"batch-size": "10", "freeze": freeze}, **splits(pictures))
    status, two = places.train(tmp_path / "two", PROCESSES_PER_HOST="2")
    assert status == 0, two
    assert len(lines(two)) == 4, "every rank printed"
    for expected, found in zip(lines(one), lines(two), strict=True):
        assert found == pytest.approx(expected, abs=1e-3)
    # Measured by how far the weights have come: gradients of another size would end as far away.
    jobs.run("start", **COMPARABLE | {"lr": "1e-12", "freeze": freeze})
    start, trained = flat(jobs.networks["start"]), flat(jobs.networks["one"])
    found = flat(load_file(tmp_path / "two" / "model" / "weights.safetensors"))
    assert (found - trained).norm() < 0.05 * (trained - start).norm()
    assert not (tmp_path / "two" / ".decoded").exists()


def test_a_fault_of_one_worker_is_the_jobs_reason_and_no_others(tmp_path: Path, pictures: Path) -> None:
    # The first process decodes; the other one waits for it, and loses it.
    image_folder(tmp_path / "train", {"across": 8, "down": 8, "slanted": 8})
    (tmp_path / "train" / "down" / "003.png").write_bytes(b"no image")
    place(tmp_path / "job", QUICK, train=tmp_path / "train", validation=pictures / "validation")
    status, log = places.train(tmp_path / "job", PROCESSES_PER_HOST="2")
    assert status == 1, log
    failure = (tmp_path / "job" / "output" / "failure").read_text()
    assert failure.startswith("1 of 21 files in the train split are no usable images")
    assert "\n" not in failure
    assert "Traceback" not in log


def lines_from(log: str, epoch: int) -> list[dict[str, float]]:
    """The metrics lines of ``epoch`` and after, without their speed."""
    return [m for m in lines(log) if m.get("epoch", epoch) >= epoch]


def test_two_hosts_that_are_stopped_go_on_from_the_first_ones_checkpoint(tmp_path: Path, pictures: Path) -> None:
    values = QUICK | {"epochs": "3", "batch-size": "4", "augment": "crop", "lr": "0.01"}
    hosts = ("127.0.0.1", "localhost")

    def start(name: str) -> list[subprocess.Popen[str]]:
        port = free_port()
        for host in hosts:
            base = tmp_path / name / host
            if not base.exists():
                place(base, values, **splits(pictures))
            among = {"current_host": host, "hosts": list(hosts), "network_interface_name": "lo"}
            configure(base, "resourceconfig", among)
        return [places.start(tmp_path / name / host, MASTER_PORT=port) for host in hosts]

    def end(processes: list[subprocess.Popen[str]], status: int) -> str:
        logs = [process.communicate(timeout=200)[0] for process in processes]
        assert [process.returncode for process in processes] == [status, status], logs
        return logs[0]

    undisturbed = end(start("whole"), 0)
    stopped = start("stopped")
    first, second = (tmp_path / "stopped" / host for host in hosts)
    deadline = time.monotonic() + 120
    while not list((first / "checkpoints").glob("checkpoint-*.pt")):
        assert stopped[0].poll() is None, stopped[0].communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for process in stopped:
        process.send_signal(signal.SIGTERM)
    log = end(stopped, 143)
    assert log.count("the checkpoint is written: ") == log.count("stopped; ") == 1
    assert not any((base / "output" / "failure").exists() for base in (first, second))
    assert not list((second / "checkpoints").glob("*")), "the first host alone has it"

    resumed = end(start("stopped"), 0)
    assert "going on from the checkpoint at epoch" in resumed
    assert lines_from(resumed, 3) == lines_from(undisturbed, 3)
    assert (first / "model" / "manifest.json").exists()
    assert not list((second / "model").iterdir()), "only the first host has the model"


def ended(tmp_path: Path, *, status: int, asked: bool, failure: str = "") -> None:
    """What becomes of a job whose workers ended with ``status``."""

    class Ended(Resources):
        def command(self) -> list[str]:
            return [sys.executable, "-c", f"raise SystemExit({status})"]

    paths, stop = place(tmp_path, QUICK), StopSignal()
    if failure:
        paths.failure.parent.mkdir(parents=True)
        paths.failure.write_text(failure)
    if asked:
        stop.set()
    torchrun(paths, Ended(), stop)


def test_what_came_of_the_workers_counts_more_than_a_late_stop(tmp_path: Path) -> None:
    ended(tmp_path / "done", status=0, asked=True)
    with pytest.raises(ContainerError, match="the reason"):
        ended(tmp_path / "failed", status=1, asked=True, failure="the reason")
    with pytest.raises(JobStopped):
        ended(tmp_path / "stopped", status=1, asked=True)
    with pytest.raises(ContainerError, match="ended from outside"):
        ended(tmp_path / "killed", status=1, asked=False)


@pytest.mark.parametrize("error", [dist.DistBackendError("NCCL"), RuntimeError("[/gloo/pair.cc:5] closed by peer")])
def test_the_loss_of_another_process_is_never_the_reason_where_there_is_one(tmp_path: Path, error: Exception) -> None:
    def lose() -> None:
        raise error

    paths = place(tmp_path, QUICK)
    assert "its own host has the reason" in (guarded(paths, lose) or "")
    paths.failure.write_text("the reason")
    guarded(paths, lose)
    assert paths.failure.read_text() == "the reason"


def test_torchrun_is_told_what_resourceconfig_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSES_PER_HOST", "4")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    raw = {"hosts": ["algo-2", "algo-1"], "current_host": "algo-2", "network_interface_name": "eth7"}
    found = Resources.read(raw)
    assert found.processes == 8
    words = found.command()
    assert {"--nnodes=2", "--nproc-per-node=4", "--node-rank=1", "--master-addr=algo-1"} <= set(words)
    assert found.environment()["NCCL_SOCKET_IFNAME"] == found.environment()["GLOO_SOCKET_IFNAME"] == "eth7"
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert "--master-addr=127.0.0.1" in found.command(), "hosts whose names mean nothing are told where to meet"


def test_without_several_gpus_or_hosts_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROCESSES_PER_HOST", raising=False)
    if torch.cuda.device_count() <= 1:
        assert Resources.read({}).processes == 1


def test_a_host_that_is_not_among_the_hosts_is_told() -> None:
    with pytest.raises(ContainerError, match="'algo-9', which is not among its hosts"):
        Resources.read({"hosts": ["algo-1"], "current_host": "algo-9"})


def test_a_process_is_seeded_as_torch_seeds_it_and_keeps_nothing_of_it() -> None:
    torch.manual_seed(2**62 + 5)
    theirs, kept = torch.rand(5), len(torch.cuda._queued_calls)
    for number in (3, 2**62 + 5):
        World(torch.device("cpu")).seed(number)
    assert torch.equal(torch.rand(5), theirs)
    assert len(torch.cuda._queued_calls) == kept


def test_shares_cover_everything_once_and_evenly() -> None:
    for count in (0, 1, 7, 24):
        shares = [World(torch.device("cpu"), rank, 3).share(count) for rank in range(3)]
        assert [i for s in shares for i in range(count)[s]] == list(range(count))
        assert max(s.stop - s.start for s in shares) - min(s.stop - s.start for s in shares) <= 1


def test_jobs_of_one_host_meet_at_ports_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        ports = {word for _ in range(2) for word in Resources().command() if word.startswith("--master-port=")}
        assert f"--master-port={other.getsockname()[1]}" not in ports
    assert f"--master-port={PORT}" not in ports
    two = Resources(hosts=("algo-1", "algo-2"), current_host="algo-1")
    assert f"--master-port={PORT}" in two.command(), "hosts that are to meet must agree"


def test_threads_are_shared_out_by_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(launch, "processors", lambda: 6)
    assert Resources(per_host=2).environment()["OMP_NUM_THREADS"] == "3"
