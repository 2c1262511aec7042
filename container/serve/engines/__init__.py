"""What computes: one small interface, OpenVINO on the CPU, torch on a GPU."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from container.common.artifact import Manifest
from container.common.errors import ContainerError
from container.common.images import Pixels

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Outputs:
    """What the network gives for N images: (N, K) logits, and (N, F, h, w) features when asked for and there."""

    logits: Floats
    features: Floats | None = None


class Engine(Protocol):
    """A loaded network."""

    name: str

    def run(self, pixels: Pixels, *, features: bool = False) -> Outputs:
        """(N, S, S, C) uint8, N ≥ 1 → its outputs."""


def open_engine(folder: Path, manifest: Manifest, *, engine: str, threads: int, gpu: int | None) -> Engine:
    """Load the model in ``folder`` with the engine of that name; "auto" is torch where there is a GPU for it.

    Raises ArtifactError for a model that cannot be loaded, ContainerError for an engine that is not installed.
    """
    if engine == "torch" or (engine == "auto" and _has_gpu()):
        if importlib.util.find_spec("torch") is None:
            raise ContainerError(
                "SERVE_ENGINE is torch, and this image is built without it; build with --build-arg ENGINE=gpu."
            )
        from container.serve.engines.torch_engine import TorchEngine

        return TorchEngine(folder, manifest, threads=threads, gpu=gpu)
    from container.serve.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(folder, manifest, threads=threads)


def _has_gpu() -> bool:
    # The device file is asked for before torch, which takes seconds to import.
    if not Path("/dev/nvidiactl").exists() or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()
