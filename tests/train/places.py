"""Small image sets and private /opt/ml folders for the training tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from container.common.hyperparameters import Hyperparameters, parse
from container.train.cache import Cache
from container.train.console import Console
from container.train.paths import Paths
from container.train.stopping import StopSignal

ROOT = Path(__file__).parents[2]

# Of a job that shares nothing.
NO_CACHE = Cache(None, console=Console(silent=True), stop=StopSignal())

# The quickest whole job: a small network on tiny images, one precision.
QUICK: dict[str, str] = {
    "model": "shufflenet_v2_x0_5",
    "weights": "none",
    "freeze": "none",
    "image-size": "32",
    "resize": "squash",
    "normalize": "dataset",
    "epochs": "2",
    "batch-size": "16",
    "precision": "fp32",
    # bf16 rounds differently from machine to machine.
    "amp": "false",
    # They take half a dozen seconds of imports; test_watching has them.
    "rules": "none",
    # A process more for each of many jobs; tests/train/profile has it.
    "profile-interval-ms": "0",
}


def stripes(kind: int, rng: np.random.Generator, size: int = 40) -> Image.Image:
    """A noisy colour picture of horizontal (0), vertical (1) or diagonal (2) stripes of any phase."""
    y, x = np.mgrid[0:size, 0:size]
    wave = (y, x, x + y)[kind] * rng.uniform(0.6, 0.9) + rng.uniform(0, 6)
    gray = 127 + 60 * np.sin(wave)[..., None] * rng.uniform(0.5, 1, 3) + rng.normal(0, 12, (size, size, 3))
    return Image.fromarray(np.clip(gray, 0, 255).astype(np.uint8))


def image_folder(root: Path, counts: Mapping[str, int], *, seed: int = 0) -> Path:
    """A folder a class: ``counts`` gives the number of pictures of each, in the order of ``stripes``."""
    rng = np.random.default_rng(seed)
    for kind, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            stripes(kind, rng).save(root / name / f"{index:03}.png")
    return root


def place(base: Path, hyperparameters: Mapping[str, str], **channels: Path) -> Paths:
    """An /opt/ml under ``base``, as SageMaker lays it out; channels are links to folders."""
    (base / "input" / "config").mkdir(parents=True, exist_ok=True)
    (base / "input" / "data").mkdir(parents=True, exist_ok=True)
    for name, folder in channels.items():
        (base / "input" / "data" / name).symlink_to(folder)
    configure(base, "hyperparameters", hyperparameters)
    configure(base, "inputdataconfig", {name: {"TrainingInputMode": "File"} for name in channels})
    hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
    configure(base, "resourceconfig", hosts)
    return Paths(base)


def configure(base: Path, name: str, content: object) -> None:
    """Write input/config/``name``.json."""
    (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


def environment(base: Path, **more: str) -> dict[str, str]:
    """What the container's environment holds, for a job under ``base``."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "SAGEMAKER_"))}
    return {
        **inherited,
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_TRAINING_MODULE": "container.train.entry:main",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def command(*, image: bool = False) -> list[str]:
    """The toolkit's ``train``, of the environment the tests run in; or the one the ``image`` puts before it."""
    if image:
        return [sys.executable, "-m", "container.train"]
    return [str(Path(sys.executable).with_name("train"))]


def start(base: Path, *, image: bool = False, **more: str) -> subprocess.Popen[str]:
    """``train``, started."""
    return subprocess.Popen(
        command(image=image),
        env=environment(base, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def train(base: Path, *, image: bool = False, **more: str) -> tuple[int, str]:
    """``train``, to its end: exit status and log."""
    process = start(base, image=image, **more)
    log, _ = process.communicate(timeout=300)
    return process.returncode, log


def quick(**changes: str) -> Hyperparameters:
    """QUICK, parsed, with ``changes`` (underscores for hyphens)."""
    return parse(QUICK | {name.replace("_", "-"): value for name, value in changes.items()})
