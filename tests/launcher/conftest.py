"""The local door with small scripts in the containers' place, and proof that nothing outlives a test."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launcher.config.run import Endpoint, Training
from launcher.config.words import LOCAL_ROLE
from launcher.doors import Door
from launcher.local import objects
from launcher.local.client import LocalSageMaker
from launcher.local.logs import LocalLogs
from launcher.local.runtime import LocalRuntime
from launcher.local.settings import Settings
from launcher.local.uris import to_uri
from launcher.requests import create_training_job
from tests.launcher.stubbed import Account, all_asked

FAKES = Path(__file__).parent / "fakes"
COMMANDS = {role: (sys.executable, str(FAKES / f"{role}.py")) for role in ("train", "serve")}


def wait(condition: Callable[[], Any], *, seconds: float = 120.0) -> Any:
    """Poll until ``condition`` is true; its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"still false after {seconds} s"
        time.sleep(0.05)


def processes_under(folder: Path) -> list[int]:
    """Living processes that were told to work under ``folder``, supervisors included."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            told = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if state != "Z" and str(folder).encode() in told and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        engine="process", commands=COMMANDS, cache=tmp_path / "cache", grace_seconds=1.0, startup_seconds=20.0
    )


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The local door's folder; what a test leaves running is a failure, and ended all the same."""
    folder = tmp_path / "state"
    yield folder
    try:
        wait(lambda: not processes_under(folder), seconds=30.0)
    except AssertionError:
        left = processes_under(folder)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"processes outlived the test: {left}") from None


@pytest.fixture
def door(state: Path, settings: Settings) -> Door:
    client = LocalSageMaker(state, settings)
    return Door(
        kind="local",
        sagemaker=client,
        runtime=LocalRuntime(client.store),
        logs=LocalLogs(client.store),
        read=objects.read,
        write=objects.write,
        listing=objects.listing,
        interval=0.05,
    )


def with_settings(door: Door, state: Path, **changes: Any) -> LocalSageMaker:
    """A second client on the same state, as another shell has one, with other settings."""
    client = door.sagemaker
    assert isinstance(client, LocalSageMaker)
    return LocalSageMaker(state, replace(client.settings, **changes))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return _classes(tmp_path / "pictures", "ant", "bee")


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """Classes that are numbers, which every preset takes."""
    return _classes(tmp_path / "counts", "1", "2")


def _classes(folder: Path, *labels: str) -> Path:
    for label in labels:
        (folder / label).mkdir(parents=True)
    return folder


@pytest.fixture
def training(tmp_path: Path, images: Path) -> Callable[..., Training]:
    """A training job of a given name; ``mode`` says how the stand-in ends."""

    def make(name: str = "job", mode: str = "complete", **changes: Any) -> Training:
        fields: dict[str, Any] = {
            "name": name,
            "image": "byoc-train",
            "role": LOCAL_ROLE,
            "hyperparameters": {"lr": "0.01"},
            "channels": {"train": to_uri(images)},
            "output": to_uri(tmp_path / "output"),
            "instance_type": "local",
            "environment": {"FAKE_MODE": mode},
            **changes,
        }
        return Training(**fields)

    return make


@pytest.fixture
def create(door: Door, training: Callable[..., Training]) -> Callable[..., str]:
    """Create a job; its name."""

    def make(name: str = "job", mode: str = "complete", **changes: Any) -> str:
        door.sagemaker.create_training_job(**create_training_job(training(name, mode, **changes)))
        return name

    return make


@pytest.fixture
def ended(door: Door) -> Callable[[str], dict[str, Any]]:
    """Wait for a job's end; its description."""

    def at_end(name: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            description = door.sagemaker.describe_training_job(TrainingJobName=name)
            return description if description["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

        found: dict[str, Any] = wait(look)
        return found

    return at_end


@pytest.fixture
def said(door: Door) -> Callable[[str, str], bool]:
    """Whether a job's log holds a text yet."""

    def look(name: str, text: str) -> bool:
        streams = door.logs.describe_log_streams(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
        )["logStreams"]
        return any(
            text in event["message"]
            for stream in streams
            for event in door.logs.get_log_events(
                logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream["logStreamName"]
            )["events"]
        )

    return look


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An unpacked model that the stand-in server accepts."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.fixture
def endpoint(model: Path) -> Callable[..., Endpoint]:
    def make(name: str = "bees", mode: str = "", **changes: Any) -> Endpoint:
        fields: dict[str, Any] = {
            "name": name,
            "image": "byoc-serve",
            "role": LOCAL_ROLE,
            "model_data": to_uri(model),
            "instance_type": "local",
            "environment": {"FAKE_MODE": mode} if mode else {},
            **changes,
        }
        return Endpoint(**fields)

    return make


@pytest.fixture
def account() -> Iterator[Account]:
    """AWS's door, whose clients are stubbed."""
    yield from all_asked(Account())
