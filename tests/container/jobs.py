"""A private /opt/ml for plain `docker run`, and what to ask of it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.data import generate_fingers, prepare
from tests.docker import SERVE_IMAGE, TRAIN_IMAGE, build, docker, threads

# Small enough for seconds, and still every step from decoding to the export.
QUICK = {
    "model": "resnet18",
    "weights": "none",
    "freeze": "none",
    "image-size": "32",
    "resize": "squash",
    "grayscale": "true",
    "normalize": "dataset",
    "epochs": "2",
    "batch-size": "32",
    "precision": "fp32",
    "seed": "3",
}


def make_data(root: Path) -> Path:
    """ImageFolder splits of generated hands: 240 + 60 + 60 images."""
    generate_fingers(root / "flat", train=300, test=60, seed=11)
    prepare(root / "flat", root / "data", validation_fraction=0.2, test_fraction=0.0, seed=11)
    return root / "data"


def opt_ml(root: Path, data: Path | None, hyperparameters: dict[str, str]) -> Path:
    """DIR/input/config/*.json and DIR/input/data/<channel>: all that a training container needs."""
    config = root / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
    (config / "resourceconfig.json").write_text(json.dumps(hosts))
    (root / "input" / "data").mkdir(exist_ok=True)
    channels = {}
    if data is not None:
        for split in ("train", "validation", "test"):
            target = root / "input" / "data" / split
            if not target.exists():
                _copy(data / split, target)
            channels[split] = {"TrainingInputMode": "File", "ContentType": "application/x-image"}
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    return root


def _copy(source: Path, target: Path) -> None:
    import shutil

    shutil.copytree(source, target)


def train(root: Path, *, check: bool = True) -> tuple[int, str]:
    """`docker run -v DIR:/opt/ml IMAGE train`; its status and all it printed."""
    done = docker(
        "run", "--rm", *_environment(), "--network", "none", "-v", f"{root}:/opt/ml", build(TRAIN_IMAGE), "train",
        check=False, timeout=400,
    )  # fmt: skip
    said = done.stdout + done.stderr
    if check:
        assert done.returncode == 0, said[-4000:]
    return done.returncode, said


def start_training(root: Path, name: str) -> None:
    """The same in the background, as container ``name``."""
    docker(
        "run", "-d", "--name", name, *_environment(), "--network", "none", "-v", f"{root}:/opt/ml",
        build(TRAIN_IMAGE), "train",
    )  # fmt: skip


def _environment() -> list[str]:
    return [word for name, value in threads().items() for word in ("--env", f"{name}={value}")]


def logs(name: str) -> str:
    done = docker("logs", name, check=False)
    return done.stdout + done.stderr


def wait_for_log(name: str, word: str, *, seconds: float = 120, after: str = "") -> None:
    """Poll a container's log until ``word`` stands in it (after the first ``after``)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _, found, rest = logs(name).partition(after)
        if (found or not after) and word in rest:
            return
        time.sleep(0.2)
    raise AssertionError(f"'{word}' did not come within {seconds} s:\n{logs(name)[-3000:]}")


@contextmanager
def serving(model: Path, *options: str) -> Iterator[str]:
    """`docker run -p …:8080 -v DIR/model:/opt/ml/model IMAGE serve`; the server's address."""
    started = docker(
        "run", "-d", "-p", "127.0.0.1::8080", *options, "-v", f"{model}:/opt/ml/model:ro", build(SERVE_IMAGE), "serve"
    )
    container = started.stdout.strip()
    try:
        port = docker("port", container, "8080/tcp").stdout.split()[0].rpartition(":")[2]
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not _pings(address):
            assert time.monotonic() < deadline, logs(container)[-3000:]
            time.sleep(0.05)
        yield address
    finally:
        docker("rm", "-f", container)


def _pings(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ping", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask(address: str, body: bytes, content_type: str, **headers: str) -> tuple[int, dict]:
    """POST /invocations; status and JSON body."""
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": content_type, **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())
