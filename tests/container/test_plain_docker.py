"""The two images with nothing but `docker run` and HTTP, as anyone without our launcher would use them."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container import jobs
from tests.docker import SERVE_IMAGE, TRAIN_IMAGE, build, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return jobs.make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = jobs.opt_ml(tmp_path_factory.mktemp("opt-ml"), data, jobs.QUICK)
    jobs.train(root)
    return root


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"byoc-test-{uuid.uuid4().hex[:8]}"
    yield chosen
    docker("rm", "-f", chosen, check=False)


def result(root: Path) -> dict:
    return json.loads((root / "output" / "data" / "metrics.json").read_text())


def test_training_leaves_the_artifact_and_the_outputs(trained: Path) -> None:
    names = {p.name for p in (trained / "model").iterdir()}
    assert {"manifest.json", "model.xml", "model.bin", "weights.safetensors"} <= names
    assert len(result(trained)["history"]) == 2
    assert not (trained / "output" / "failure").exists()


def test_a_mistake_is_one_paragraph_and_status_1(data: Path, tmp_path: Path) -> None:
    root = jobs.opt_ml(tmp_path, data, {**jobs.QUICK, "learning-rate": "0.1"})
    status, said = jobs.train(root, check=False)
    assert status == 1
    assert "Did you mean 'lr'?" in (root / "output" / "failure").read_text()
    assert "Traceback" not in said


def test_a_missing_channel_is_named(tmp_path: Path) -> None:
    status, _ = jobs.train(jobs.opt_ml(tmp_path, None, jobs.QUICK), check=False)
    assert status == 1
    assert "train" in (tmp_path / "output" / "failure").read_text()


def test_imagenet_weights_without_a_network_name_the_three_ways(data: Path, tmp_path: Path) -> None:
    status, _ = jobs.train(jobs.opt_ml(tmp_path, data, {**jobs.QUICK, "weights": "imagenet"}), check=False)
    reason = (tmp_path / "output" / "failure").read_text()
    assert status == 1
    assert all(word in reason for word in ("baked into the image", "weights=channel", "weights=none"))


def test_the_model_answers_over_http(trained: Path, data: Path) -> None:
    picture = next((data / "test" / "5R").iterdir()).read_bytes()
    with jobs.serving(trained / "model") as address:
        status, body = jobs.ask(address, picture, "image/png")
        assert status == 200
        (answer,) = body["predictions"]
        assert answer["label"] in {p.name for p in (data / "train").iterdir()}
        assert 0 < answer["probability"] <= 1
        status, body = jobs.ask(address, b"no picture", "image/png")
        assert (status, body["error"]["code"]) == (400, "BadInput")
        status, body = jobs.ask(address, picture, "application/pdf")
        assert (status, body["error"]["code"]) == (415, "UnsupportedContentType")
        assert jobs.ask(address, picture, "application/x-image")[1]["predictions"] == [answer]


def serve_and_fail(model: Path) -> str:
    """What the serving container says when it cannot start, without a traceback; its status is 1."""
    done = docker("run", "--rm", "-v", f"{model}:/opt/ml/model:ro", build(SERVE_IMAGE), "serve", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_without_a_model_the_server_ends_with_status_1_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir(mode=0o755)
    assert "manifest.json" in serve_and_fail(tmp_path / "model")


def test_a_model_folder_the_servers_user_may_not_read_is_named(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "model", tmp_path / "model")
    (tmp_path / "model").chmod(0o700)
    assert "/opt/ml/model" in serve_and_fail(tmp_path / "model")


# Long enough that an epoch is not over before the signal comes.
SLOWER = {**jobs.QUICK, "epochs": "4", "image-size": "64", "batch-size": "8"}


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    root = jobs.opt_ml(tmp_path_factory.mktemp("undisturbed"), data, SLOWER)
    jobs.train(root)
    return result(root)


def same(a: dict, b: dict) -> bool:
    def timeless(run: dict) -> list[dict]:
        return [{k: v for k, v in epoch.items() if k != "images_per_second"} for epoch in run["history"]]

    return timeless(a) == timeless(b) and a["metrics"] == b["metrics"]


def test_a_container_killed_in_mid_epoch_ends_with_the_undisturbed_metrics(
    data: Path, undisturbed: dict, tmp_path: Path, name: str
) -> None:
    root = jobs.opt_ml(tmp_path, data, SLOWER)
    jobs.start_training(root, name)
    jobs.wait_for_log(name, "stage=train", after="epoch=2 ")
    docker("kill", name)
    assert not (root / "model" / "manifest.json").exists()
    _, said = jobs.train(root)
    assert "epoch=2 " not in said, "it began again instead of resuming"
    assert same(result(root), undisturbed)


def test_sigterm_checkpoints_within_30_seconds_and_a_fresh_container_goes_on(
    data: Path, undisturbed: dict, tmp_path: Path, name: str
) -> None:
    root = jobs.opt_ml(tmp_path / "interrupted", data, SLOWER)
    jobs.start_training(root, name)
    jobs.wait_for_log(name, "stage=train", after="epoch=1 ")
    began = time.monotonic()
    docker("stop", "--time", "40", name)
    assert time.monotonic() - began < 30
    # 137 would be the engine's SIGKILL
    assert docker("inspect", "-f", "{{.State.ExitCode}}", name).stdout.strip() != "137"
    assert list((root / "checkpoints").iterdir())
    assert not (root / "output" / "failure").exists()
    # All that SageMaker brings to the next instance after a spot interruption.
    fresh = jobs.opt_ml(tmp_path / "fresh", data, SLOWER)
    shutil.copytree(root / "checkpoints", fresh / "checkpoints")
    _, said = jobs.train(fresh)
    assert "epoch=1 " not in said, "it began again instead of resuming"
    assert same(result(fresh), undisturbed)


def test_a_full_disk_is_named_and_leaves_no_half_model(data: Path, tmp_path: Path) -> None:
    root = jobs.opt_ml(tmp_path, data, jobs.QUICK)
    done = docker(
        "run", "--rm", "--network", "none", "-v", f"{root}:/opt/ml", "--mount",
        "type=tmpfs,destination=/opt/ml/model,tmpfs-size=1m", build(TRAIN_IMAGE), "train",
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1
    assert "full" in (root / "output" / "failure").read_text().lower()
