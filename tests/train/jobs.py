"""Whole jobs in this process: what the tests of jobs, caches and resuming share."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from container.common.artifact import Manifest, read_manifest
from container.common.hyperparameters import parse
from container.common.metrics import parse_line
from container.network import Network
from container.train import job
from container.train.console import Console
from container.train.export import export
from container.train.paths import Paths
from container.train.stopping import StopSignal
from container.train.world import World
from tests.train.places import QUICK, place


class Jobs:
    """Runs jobs on one set of pictures, each under a base folder of its own.

    ``networks`` keeps what each trained. Nothing is exported unless ``exported`` asks for it: that
    takes longer than the training.
    """

    def __init__(self, root: Path, pictures: Path) -> None:
        self._root, self._pictures = root, pictures
        self.networks: dict[str, dict[str, Tensor]] = {}

    def paths(self, name: str = "job") -> Paths:
        """The job's /opt/ml, made when it is new."""
        base = self._root / name
        if base.exists():
            return Paths(base)
        return place(base, {}, **{split.name: split for split in self._pictures.iterdir()})

    def run(self, name: str = "job", *, stop: StopSignal | None = None, exported: bool = False, **changes: str) -> str:
        """The job's log; ``changes`` to QUICK may write names with hyphens or underscores."""

        def keep(network: Network, manifest: Manifest, *_: object, **__: object) -> Manifest:
            self.networks[name] = {k: v.clone() for k, v in network.net.state_dict().items()}
            return manifest

        log = io.StringIO()
        values = QUICK | {k.replace("_", "-"): v for k, v in changes.items()}
        world, console = World(torch.device("cpu")), Console(stream=log)
        exporter = export if exported else keep
        job.run(self.paths(name), parse(values), world, console, stop or StopSignal(), exporter=exporter)
        return log.getvalue()

    def checkpoint(self, name: str = "job") -> Path:
        """The one checkpoint of the job."""
        (found,) = self.paths(name).checkpoints.glob("checkpoint-*.pt")
        return found

    def metrics(self, name: str = "job") -> dict[str, Any]:
        """The job's metrics.json."""
        return dict(json.loads((self.paths(name).output / "metrics.json").read_text()))

    def manifest(self, name: str = "job") -> Manifest:
        """The exported model's manifest."""
        return read_manifest(self.paths(name).model)


def losses(log: str) -> list[tuple[float, float]]:
    """(training, validation) loss of every epoch in a log."""
    lines = [parse_line(line) for line in log.splitlines()]
    return [(m["train:loss"], m["validation:loss"]) for m in lines if "epoch" in m]
