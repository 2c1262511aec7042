"""The serving image, built and run as its users run it: a folder mounted, a port published, HTTP."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker import SERVE_IMAGE, build, docker
from tests.serve.running import ask, free_port, picture, until

pytestmark = pytest.mark.docker

# DESIGN: at most 750 MB, in the engine's own decimal megabytes.
LARGEST = 750_000_000


@pytest.fixture(scope="module")
def image() -> str:
    return build(SERVE_IMAGE)


@pytest.fixture(scope="module")
def mounted(tiny: Path) -> Iterator[Path]:
    """A model folder that the image's user may read and not write, where any user can reach it."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)
        shutil.copytree(tiny / "model", base / "model")
        yield base / "model"


class Container:
    """A running container."""

    def __init__(self, image: str, *options: str, port: int = 8080) -> None:
        self.port = free_port()
        self.id = docker("run", "-d", "-p", f"127.0.0.1:{self.port}:{port}", *options, image, "serve").stdout.strip()

    def ping(self) -> int:
        try:
            return ask(self.port, "GET", "/ping", timeout=5).status
        except OSError:
            return 0

    def ready(self) -> Container:
        until(lambda: self.ping() == 200 or not self.running(), 60)
        assert self.running(), self.log()
        return self

    def running(self) -> bool:
        return docker("inspect", "-f", "{{.State.Running}}", self.id).stdout.strip() == "true"

    def status(self) -> int:
        return int(docker("inspect", "-f", "{{.State.ExitCode}}", self.id).stdout)

    def log(self) -> str:
        return docker("logs", self.id).stderr


@pytest.fixture
def run(image: str) -> Iterator[Callable[..., Container]]:
    started: list[Container] = []

    def begin(*options: str, port: int = 8080) -> Container:
        started.append(Container(image, *options, port=port))
        return started[-1]

    yield begin
    for one in started:
        docker("rm", "-f", one.id)


def test_the_image_is_small_has_no_torch_and_does_not_run_as_root(image: str) -> None:
    described = json.loads(docker("image", "inspect", image).stdout)[0]
    assert described["Size"] <= LARGEST
    assert described["Config"]["User"] == "1000:1000"
    labels = described["Config"]["Labels"]
    assert labels["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert "8080/tcp" in described["Config"]["ExposedPorts"]
    found = docker(
        "run", "--rm", "--entrypoint", "/bin/sh", image, "-c", "ls -d /opt/venv/lib/python3*/site-packages/*"
    )
    names = {Path(line).name.lower() for line in found.stdout.splitlines()}
    assert "openvino" in names
    assert not {name for name in names if name.startswith(("torch", "nvidia", "openvino_telemetry"))}


def test_a_mounted_model_is_served_and_a_stop_ends_it_with_status_0(
    run: Callable[..., Container], mounted: Path
) -> None:
    one = run("-v", f"{mounted}:/opt/ml/model:ro", "--read-only", "--tmpfs", "/tmp:exec").ready()
    reply = ask(one.port, "POST", "/invocations", picture(), Content_Type="image/jpeg")
    assert reply.status == 200
    assert [set(p) for p in reply.json["predictions"]] == [{"label", "index", "probability", "top_k"}]
    assert ask(one.port, "POST", "/invocations", b"x", Content_Type="text/csv").error == "UnsupportedContentType"
    inside = docker("exec", one.id, "id", "-u").stdout.strip()
    assert inside == "1000"
    docker("stop", one.id)
    assert one.status() == 0
    assert "listening on port 8080" in one.log()


def test_a_model_that_cannot_be_loaded_ends_the_container_with_status_1(run: Callable[..., Container]) -> None:
    one = run()
    until(lambda: not one.running(), 30)
    assert one.status() == 1
    assert one.log().strip().splitlines()[-1].startswith("serve: No model: /opt/ml/model/manifest.json")


def test_the_port_that_sagemaker_names_is_taken(run: Callable[..., Container], mounted: Path) -> None:
    one = run("-v", f"{mounted}:/opt/ml/model:ro", "-e", "SAGEMAKER_BIND_TO_PORT=9123", port=9123).ready()
    assert ask(one.port, "POST", "/invocations", picture(), Content_Type="image/jpeg").status == 200


def test_several_models_are_loaded_on_demand(run: Callable[..., Container], mounted: Path) -> None:
    folder = "/opt/ml/models/one/model"
    one = run("-v", f"{mounted}:{folder}:ro", "-e", "SAGEMAKER_MULTI_MODEL=true").ready()
    body = json.dumps({"model_name": "one", "url": folder}).encode()
    assert ask(one.port, "POST", "/models", body, Content_Type="application/json").status == 200
    assert ask(one.port, "POST", "/models/one/invoke", picture(), Content_Type="image/jpeg").status == 200
    assert ask(one.port, "DELETE", "/models/one").status == 200
