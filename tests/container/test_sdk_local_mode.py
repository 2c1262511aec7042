"""AWS's own Python SDK, unmodified, drives both images in its local mode: the page about it is run as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container import jobs
from tests.container.debian import unpacked
from tests.docker import ROOT, SERVE_IMAGE, TRAIN_IMAGE, build, client, docker
from tests.serve.running import free_port

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

# What is the reader's own, and what is done with it.
_, _PROGRAM = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python-sdk.md").read_text(), re.DOTALL)


def command(path: Path, *words: str) -> None:
    """A command at ``path`` that is another one."""
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)


def started(home: Path) -> dict[str, str]:
    """The containers that Compose has started for this home's jobs, and what has become of each."""
    shown = docker("ps", "--all", "--format", '{{.ID}} {{.State}} {{.Label "com.docker.compose.project.working_dir"}}')
    rows = [line.split(maxsplit=2) for line in shown.stdout.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 3 and Path(row[2]).is_relative_to(home)}


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder with the SDK's two files of settings and, in bin/, a Docker client and Debian's Compose.

    The SDK leaves the containers it has stopped, and their network.
    """
    docker_client, _ = client()
    assert docker_client
    home = tmp_path_factory.mktemp("home")
    for name in ("bin", "work", ".sagemaker", ".config/sagemaker"):
        (home / name).mkdir(parents=True)
    packages = unpacked("docker-compose", tmp_path_factory.mktemp("debian")) / "usr"
    modules = f"PYTHONPATH={packages}/lib/python3/dist-packages"
    command(home / "bin/docker", *docker_client)
    command(home / "bin/docker-compose", "env", modules, str(packages / "bin/docker-compose"))
    local = {"local_code": True, "serving_port": free_port(), "container_root": str(home / "work")}
    (home / ".sagemaker/config.yaml").write_text(json.dumps({"local": local}))
    quiet = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
    (home / ".config/sagemaker/config.yaml").write_text(json.dumps(quiet))
    yield home
    for container in started(home):
        docker("rm", "--force", container)
    docker("network", "rm", "sagemaker-local", check=False)


def test_it_trains_serves_and_transforms(home: Path, tmp_path: Path) -> None:
    data, output = jobs.make_data(tmp_path), tmp_path / "output"
    given = {
        "train_image": build(TRAIN_IMAGE), "serve_image": build(SERVE_IMAGE), "data": str(data), "output": str(output),
        "hyperparameters": {**jobs.QUICK, "epochs": 1},
    }  # fmt: skip
    settings = "".join(f"{name} = {value!r}\n" for name, value in given.items())
    # No account, and no instance to ask for one.
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEMAKER_", "XDG_"))}
    usual |= {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-c", settings + _PROGRAM], capture_output=True, text=True, timeout=600, cwd=tmp_path,
        env={**usual, "HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    with tarfile.open(output / "model.tar.gz") as archive:
        assert {"manifest.json", "model.xml", "model.bin", "weights.safetensors"} <= set(archive.getnames())
    with tarfile.open(output / "output.tar.gz") as archive:
        assert {"success", "data/metrics.json", "data/report.html"} <= set(archive.getnames())
        # The SDK's user may be another than the container's root, who wrote them.
        assert not [member.name for member in archive if not member.mode & 0o004]
    picture = next((data / "test").glob("*/*.png"))
    answers = {path.name: json.loads(path.read_text()) for path in (output / "answers").iterdir()}
    assert set(answers) == {f"{path.name}.out" for path in picture.parent.iterdir()}
    (answer,) = answers[f"{picture.name}.out"]["predictions"]
    assert answer["label"] in {path.name for path in (data / "train").iterdir()}
    assert str(answer) in done.stdout, "the endpoint's answer is another than the transform's"
    assert set(started(home).values()) == {"exited"}
