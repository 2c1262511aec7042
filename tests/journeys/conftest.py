"""Each journey is made with both engines: `docker` needs a Docker engine and is skipped, loudly, without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.sagemaker import TRAINING_ENDED, TUNING_ENDED
from tests.docker import SERVE_IMAGE, TRAIN_IMAGE, build
from tests.journeys.launch import Launch

ENDED = (*TRAINING_ENDED, *TUNING_ENDED)


@pytest.fixture(scope="module", params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def launch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """The command line on a state folder of its own; whatever a failed test left running is ended."""
    state: Path = tmp_path_factory.mktemp(f"state-{request.param}")
    images = {"train": build(TRAIN_IMAGE), "serve": build(SERVE_IMAGE)} if request.param == "docker" else {}
    launch = Launch(state, request.param, images)
    yield launch
    for row in launch.json("status"):
        if row["status"] not in ENDED:
            launch("stop", row["name"], check=False)
    launch("delete", "--all", "--local", "--yes", check=False)
