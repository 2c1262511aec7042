"""The published fault: 133 breeds of dogs, and a ReLU on the logits that kept all learning at ln 133."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from container.common.artifact import Manifest
from container.common.hyperparameters import parse
from container.network import Head, Network
from container.train import job
from container.train.console import Console
from container.train.rules import board
from container.train.stopping import StopSignal
from container.train.world import World
from tests.train.places import QUICK, place

BREEDS = 133

# So many that a training which is not stopped is still at it long after a minute.
ENDLESS = 10_000


@dataclass(frozen=True)
class Outcome:
    """What became of a training, by what it left."""

    log: str
    metrics: dict[str, Any]
    finding: dict[str, Any]
    seconds: float  # from the first training step until DeadRelu had said so

    @property
    def epochs(self) -> int:
        """That were done."""
        return len(self.metrics["history"])


def breeds(root: Path, count: int) -> Path:
    """A folder a breed with ``count`` pictures of noise."""
    random = np.random.default_rng(0)
    for breed in range(BREEDS):
        folder = root / f"{breed + 1:03}.Breed"
        folder.mkdir(parents=True)
        for index in range(count):
            Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return root


@contextmanager
def rectified() -> Iterator[list[float]]:
    """Within, every head's outputs pass a ReLU; the times (since 1970) of the training steps."""
    plain, times = Head.forward, []

    def forward(self: Head, features: Tensor) -> Tensor:
        if self.training:
            times.append(time.time())
        return nn.functional.relu(plain(self, features))

    Head.forward = forward  # type: ignore[method-assign]
    try:
        yield times
    finally:
        Head.forward = plain  # type: ignore[method-assign]


def train(base: Path, **changes: str) -> Outcome:
    """A head on a frozen network with the fault, under ``base``, stopped by the rule that finds it."""
    paths = place(base / "job", {}, train=breeds(base / "train", 3), validation=breeds(base / "validation", 1))
    asked = {"freeze": "backbone", "rules": "default", "stop-on-rules": "DeadRelu", "test-fraction": "0"}
    values = QUICK | asked | {"epochs": str(ENDLESS), "image-size": "32"} | changes

    def keep(_network: Network, manifest: Manifest, *_: object, **__: object) -> Manifest:
        return manifest

    log = io.StringIO()
    with rectified() as times:
        job.run(paths, parse(values), World(torch.device("cpu")), Console(stream=log), StopSignal(), exporter=keep)
    rules = {one["RuleConfigurationName"]: one for one in board.read(paths.output / "rules.json")}
    said = datetime.fromisoformat(rules["DeadRelu"]["LastModifiedTime"]).timestamp()
    return Outcome(
        log.getvalue(), json.loads(paths.metrics.read_text()), rules["DeadRelu"]["findings"][0], said - times[0]
    )
