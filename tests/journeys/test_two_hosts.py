"""`--instances 2`: two hosts train one model, with both engines; when one of them goes, the job says so and ends."""

from __future__ import annotations

import json
import os
import signal
import tarfile
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from container.common.metrics import parse_line
from tests.container import jobs
from tests.docker import docker, threads
from tests.journeys.launch import Launch
from tests.train.places import QUICK

pytestmark = pytest.mark.timeout(1200)

# Statistics of a share of a batch differ from those of the whole; gradients of another size would end elsewhere with
# this optimizer and at this rate.
COMPARABLE = QUICK | {
    "grayscale": "true",
    "batchnorm": "frozen",
    "optimizer": "sgd",
    "lr": "0.05",
    "schedule": "none",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return jobs.make_data(tmp_path_factory.mktemp("data"))


def words(launch: Launch, name: str, data: Path, instances: int, hyperparameters: dict[str, str]) -> list[str]:
    image = ["--image", launch.images["train"]] if "train" in launch.images else []
    given = [word for key, value in hyperparameters.items() for word in ("-p", f"{key}={value}")]
    given += [word for key, value in threads().items() for word in ("--env", f"{key}={value}")]
    place = ["--local", launch.engine, "--name", name, "--data", str(data), "--instances", str(instances)]
    return ["train", *place, *image, *given]


def log(launch: Launch, name: str, host: str) -> str:
    path = launch.state / "training-jobs" / name / "logs" / f"{host}.log"
    return path.read_text() if path.exists() else ""


def epochs(text: str) -> list[dict[str, float]]:
    found = [parse_line(line) for line in text.splitlines()]
    return [{key: value for key, value in each.items() if key != "images_per_second"} for each in found if each]


def left(name: str) -> str:
    """The containers and networks of a job that are still there."""
    named = ("--filter", f"name=byoc-{name}-", "--format")
    return docker("ps", "--all", *named, "{{.Names}}").stdout + docker("network", "ls", *named, "{{.Name}}").stdout


def weights(description: dict[str, dict[str, str]], folder: Path) -> torch.Tensor:
    with tarfile.open(description["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("file://")) as archive:
        archive.extract("weights.safetensors", folder, filter="data")
    loaded = load_file(folder / "weights.safetensors")
    return torch.cat([t.double().flatten() for _, t in sorted(loaded.items()) if t.is_floating_point()])


def test_two_hosts_train_the_model_that_one_trains(launch: Launch, data: Path, tmp_path: Path) -> None:
    # A step takes a batch of each host.
    one = launch.json(*words(launch, "one-host", data, 1, COMPARABLE | {"batch-size": "20"}))
    two = launch.json(*words(launch, "two-hosts", data, 2, COMPARABLE | {"batch-size": "10"}))
    start = launch.json(*words(launch, "no-step", data, 1, COMPARABLE | {"lr": "1e-12", "epochs": "1"}))
    assert [each["TrainingJobStatus"] for each in (one, two, start)] == ["Completed"] * 3
    expected, found = (epochs(log(launch, name, "algo-1")) for name in ("one-host", "two-hosts"))
    assert len(found) == len(expected) > 2
    for at_one, at_two in zip(expected, found, strict=True):
        assert at_two == pytest.approx(at_one, abs=1e-3)
    assert log(launch, "two-hosts", "algo-2") and not epochs(log(launch, "two-hosts", "algo-2")), "one host prints"
    begun, alone, together = (weights(each, tmp_path) for each in (start, one, two))
    # By how far the weights have come: hosts that each went their own way would have ended elsewhere.
    assert (together - alone).norm() < 0.05 * (alone - begun).norm()
    if launch.engine == "docker":
        assert not left("two-hosts")


def kill(launch: Launch, name: str, host: str) -> None:
    """End a host at once, as a lack of memory would."""
    at = ["algo-1", "algo-2"].index(host)
    handles = json.loads((launch.state / "training-jobs" / name / "handles.json").read_text())
    if launch.engine == "docker":
        docker("kill", handles["containers"][at])
    else:
        os.kill(handles["hosts"][at]["processes"][0]["pid"], signal.SIGKILL)


# The first prints, writes the model, and is where the others meet.
@pytest.mark.parametrize("lost", ["algo-1", "algo-2"])
def test_a_killed_host_ends_the_job_within_a_minute_and_is_named(launch: Launch, data: Path, lost: str) -> None:
    name = f"lost-{lost}"
    job = words(launch, name, data, 2, COMPARABLE | {"epochs": "1000"})
    launch(*job, "--no-wait")
    deadline = time.monotonic() + 300
    while "epoch=1 " not in log(launch, name, "algo-1"):
        assert time.monotonic() < deadline, log(launch, name, "algo-1")[-4000:]
        time.sleep(0.5)
    kill(launch, name, lost)
    deadline = time.monotonic() + 60
    described = launch.json("status", name)
    while described["TrainingJobStatus"] == "InProgress":
        assert time.monotonic() < deadline
        described = launch.json("status", name)
    assert described["TrainingJobStatus"] == "Failed"
    assert (
        f"The training was killed (signal 9) on {lost}, which ended it on the other hosts"
        in (described["FailureReason"])
    )
    if launch.engine == "docker":
        assert not left(name)
