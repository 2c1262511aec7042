"""Jobs of several hosts with the process engine: processes that meet over the loopback interface."""

from __future__ import annotations

import json
import os
import re
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from container.common.errors import ELSEWHERE
from launcher.config.run import Training
from launcher.doors import Door
from launcher.local.reasons import HostEnd, reason
from launcher.local.uris import to_path
from launcher.requests import create_training_job
from tests.launcher.conftest import processes_under, wait, with_settings

Create = Callable[..., str]
AtEnd = Callable[[str], dict[str, Any]]


def logs(state: Path) -> dict[str, str]:
    return {log.stem: log.read_text() for log in (state / "training-jobs/job/logs").glob("*.log")}


def test_every_host_has_its_configuration_and_log_and_the_model_is_the_firsts(
    create: Create, ended: AtEnd, state: Path
) -> None:
    description = ended(create("job", "meet", instance_count=2))
    assert description["TrainingJobStatus"] == "Completed"
    for host in ("algo-1", "algo-2"):
        told = json.loads((state / f"training-jobs/job/ml/{host}/input/config/resourceconfig.json").read_text())
        assert (told["current_host"], told["hosts"]) == (host, ["algo-1", "algo-2"])
        assert told["network_interface_name"].startswith("lo")
    places = {host: re.findall("meets at (.*)", log) for host, log in logs(state).items()}
    assert re.fullmatch(r"127\.0\.0\.1 \d+", places["algo-1"][0]) and places["algo-1"] == places["algo-2"]
    with tarfile.open(to_path(description["ModelArtifacts"]["S3ModelArtifacts"])) as archive:
        assert archive.getnames() == ["manifest.json"]


def test_a_host_that_only_lost_another_is_not_the_reason(create: Create, ended: AtEnd) -> None:
    told = {"FAKE_MODE": "lose", "FAKE_LOSS": f"Another process of the job ended; {ELSEWHERE}."}
    assert ended(create("job", instance_count=2, environment=told))["FailureReason"] == (
        "AlgorithmError: algo-2: The learning rate is too high; lower --lr, exit code: 1"
    )


def test_a_host_without_a_reason_is_known_by_its_last_words(create: Create, ended: AtEnd) -> None:
    said = ended(create("job", "abort", instance_count=2))["FailureReason"]
    assert re.fullmatch(r"AlgorithmError: algo-[12] printed last: Segmentation fault, sort of, exit code: 3", said)


def test_a_killed_host_ends_the_job_and_is_named(create: Create, ended: AtEnd, state: Path) -> None:
    name = create("job", "wait", instance_count=2)
    wait(lambda: sum("waiting" in log for log in logs(state).values()) == 2)
    hosts = json.loads((state / "training-jobs/job/handles.json").read_text())["hosts"]
    os.kill(hosts[1]["processes"][0]["pid"], signal.SIGKILL)
    assert "killed (signal 9) on algo-2, which ended it on the other hosts" in ended(name)["FailureReason"]
    wait(lambda: not processes_under(state))


def test_what_is_left_of_a_killed_host_is_not_asked_why(tmp_path: Path) -> None:
    ends = [HostEnd(host, status, tmp_path / host, tmp_path / f"{host}.log") for host, status in
            (("algo-1", 128 + signal.SIGKILL), ("algo-2", None))]  # fmt: skip
    for end in ends:
        (end.folder / "output").mkdir(parents=True)
        (end.folder / "output/failure").write_text(f"Another process of the job ended (reset by peer); {ELSEWHERE}.")
    assert "The training was killed (signal 9) on algo-1, which ended it" in reason(ends, 1)


def test_no_host_outlives_a_killed_supervisor_once_someone_looks(door: Door, create: Create, state: Path) -> None:
    name = create("job", "wait", instance_count=2)
    wait(lambda: sum("waiting" in log for log in logs(state).values()) == 2)
    os.kill(json.loads((state / "training-jobs/job/supervisor.json").read_text())["pid"], signal.SIGKILL)
    wait(lambda: door.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Failed")
    wait(lambda: not processes_under(state))


def test_a_stop_waits_for_the_host_that_writes_the_checkpoint(
    door: Door, training: Callable[..., Training], ended: AtEnd, state: Path
) -> None:
    job = training("job", instance_count=2, environment={"FAKE_MODE": "wait", "FAKE_SLOW_HOST": "algo-1"})
    with_settings(door, state, grace_seconds=60.0).create_training_job(**create_training_job(job))
    wait(lambda: sum("waiting" in log for log in logs(state).values()) == 2)
    door.sagemaker.stop_training_job(TrainingJobName="job")
    assert ended("job")["TrainingJobStatus"] == "Stopped"
    assert (state / "training-jobs/job/ml/algo-1/checkpoints/last").read_text() == "terminated"
