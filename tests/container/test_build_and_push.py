"""build_and_push.sh from end to end: an account and a registry on loopback, small images in the real ones' place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.account import ACCOUNT, REGION, account
from tests.container.registry import registry
from tests.docker import ROOT, client, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

_STAND_IN = """\
FROM debian:bookworm-slim
COPY container/sources.sh /sources.sh
ENV RUN=THIS
ARG PRETRAINED
RUN --mount=type=secret,id=ca --mount=type=secret,id=index \\
    . /sources.sh && echo "ROLE with $PRETRAINED from ${PIP_INDEX_URL%%:*}, $(tail -1 "$PIP_CERT")" >/made
CMD ["cat", "/made"]
"""
_SECRET = "nobody-may-see-this"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed folder with the real script and launcher, and two small Dockerfiles."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "build_and_push.sh", root)
    (root / "launcher").symlink_to(ROOT / "launcher")
    (root / "container").mkdir()
    (root / "requirements").mkdir()
    shutil.copy(ROOT / "container/sources.sh", root / "container")
    (root / "container/__init__.py").touch()
    (root / "container/common").symlink_to(ROOT / "container/common")
    for role in ("train", "serve"):
        # A layer of an earlier run, made with other secrets, is as good to Docker.
        text = _STAND_IN.replace("ROLE", role).replace("THIS", str(uuid.uuid4()))
        (root / f"Dockerfile.{role}").write_text(text)
    git = ["git", "-C", str(root), "-c", "user.name=tests", "-c", "user.email=tests@example.com"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *words], check=True)
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that lead the script to both; images it leaves are removed."""
    folder = tmp_path_factory.mktemp("place")
    with account() as variables, registry(tmp_path_factory.mktemp("registry")) as address:
        (folder / "docker").mkdir()
        usual = {"proxies": {}, "auths": {"elsewhere.example": {}}}
        (folder / "docker/config.json").write_text(json.dumps(usual))
        yield {
            **os.environ, **variables, "PYTHON": sys.executable, "BYOC_STATE": str(folder / "state"),
            "BYOC_REGISTRY": address, "DOCKER_CONFIG": str(folder / "docker"),
        }  # fmt: skip
        left = docker("images", "--quiet", "--filter", f"reference={address}/*").stdout.split()
        docker("rmi", "--force", *left, check=False)


def push(checkout: Path, place: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "build_and_push.sh", *words], env=place, cwd=checkout.parent, capture_output=True, text=True,
    )  # fmt: skip


def test_both_images_are_built_pushed_recorded_and_run_from_the_registry(
    checkout: Path, place: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("a certificate\n")
    (tmp_path / "index").write_text(f"https://user:{_SECRET}@index.example/simple\n")
    done = push(checkout, place, "--pretrained", "resnet18", f"--ca={tmp_path}/ca.pem", f"--index={tmp_path}/index")
    assert done.returncode == 0, done.stderr
    commit = subprocess.run(["git", "-C", checkout, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    host = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    recorded = json.loads((Path(place["BYOC_STATE"]) / "images.json").read_text())[REGION][ACCOUNT]
    assert done.stdout == "".join(f"{role} {recorded[role]}\n" for role in ("train", "serve"))

    for role, said in (("train", "train with resnet18"), ("serve", "serve with ")):
        repository, digest = recorded[role].split("@")
        assert repository == f"{host}/byoc-{role}"
        local = f"{place['BYOC_REGISTRY']}/byoc-{role}"
        docker("rmi", "--force", f"{local}:latest", f"{local}:{commit.stdout.strip()}")
        # The registry wants a password of whoever pulls, and the script has left none behind.
        refused = docker("--config", place["DOCKER_CONFIG"], "pull", f"{local}@{digest}", check=False)
        assert "no basic auth credentials" in refused.stderr
        log_in(tmp_path, place)
        for tag in (f"@{digest}", f":{commit.stdout.strip()}", ":latest"):
            docker("--config", str(tmp_path / "mine"), "pull", f"{local}{tag}")
        assert docker("run", "--rm", "--network", "none", f"{local}@{digest}").stdout == (
            f"{said} from https, a certificate\n"
        )
        assert _SECRET not in docker("history", "--no-trunc", f"{local}@{digest}").stdout
        shown = json.loads(docker("image", "inspect", f"{local}@{digest}").stdout)[0]
        assert (shown["Os"], shown["Architecture"]) == ("linux", "amd64")
    assert _SECRET.encode() not in exported(f"{place['BYOC_REGISTRY']}/byoc-train:latest")
    assert _SECRET not in done.stdout + done.stderr and "auth-token" not in done.stdout + done.stderr
    assert "elsewhere.example" in (Path(place["DOCKER_CONFIG"]) / "config.json").read_text()


def exported(image: str) -> bytes:
    """All layers of an image, as they are."""
    command, _ = client()
    assert command
    return subprocess.run([*command, "save", image], capture_output=True, check=True).stdout


def log_in(tmp_path: Path, place: dict[str, str]) -> None:
    (tmp_path / "mine").mkdir(exist_ok=True)
    command, _ = client()
    assert command
    subprocess.run(
        [*command, "--config", tmp_path / "mine", "login", "--username", "AWS", "--password-stdin",
         place["BYOC_REGISTRY"]],
        input=f"{ACCOUNT}-auth-token", check=True, capture_output=True, text=True,
    )  # fmt: skip


def test_a_serving_image_for_gpus_goes_into_a_repository_of_its_own(checkout: Path, place: dict[str, str]) -> None:
    done = push(checkout, place, "--only", "serve", "--gpu", "--repository-prefix", "team/bees")
    assert done.returncode == 0, done.stderr
    assert "Created the ECR repository team/bees-serve-gpu." in done.stderr
    assert done.stdout.startswith(f"serve-gpu {ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/bees-serve-gpu@sha256:")


def test_an_image_that_cannot_be_built_ends_it_before_anything_is_pushed(
    checkout: Path, place: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkout, broken, symlinks=True)
    (broken / "Dockerfile.train").write_text("FROM debian:bookworm-slim\nRUN false\n")
    done = push(broken, {**place, "BYOC_STATE": str(tmp_path / "state")}, "--repository-prefix", "broken")
    assert done.returncode == 4
    assert done.stderr.rstrip().endswith("Error: The train image was not built; the lines above say why.")
    assert not (tmp_path / "state").exists() and done.stdout == ""
