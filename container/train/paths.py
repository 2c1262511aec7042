"""Where SageMaker puts things, under one base folder (/opt/ml, or $SAGEMAKER_BASE_DIR)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The folders and files of one job, all derived from ``base``."""

    base: Path

    @classmethod
    def from_environment(cls) -> Paths:
        """The base folder the toolkit uses too."""
        return cls(Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")))

    @property
    def config(self) -> Path:
        return self.base / "input" / "config"

    @property
    def data(self) -> Path:
        return self.base / "input" / "data"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def output(self) -> Path:
        """What ends in output.tar.gz."""
        return self.base / "output" / "data"

    @property
    def metrics(self) -> Path:
        """What the job found out, in JSON."""
        return self.output / "metrics.json"

    @property
    def failure(self) -> Path:
        return self.base / "output" / "failure"

    @property
    def success(self) -> Path:
        return self.base / "output" / "success"

    @property
    def checkpoints(self) -> Path:
        return self.base / "checkpoints"

    @property
    def scratch(self) -> Path:
        """Decoded images that do not fit into memory; gone when the job ends."""
        return self.base / ".decoded"

    @property
    def cache(self) -> Path | None:
        """What this machine's jobs share, where there is such a folder."""
        folder = self.base / "cache"
        return folder if folder.is_dir() else None
