"""The torch engine, for the GPU build: the trained network rebuilt from the artifact's safetensors.

On a GPU: channels_last and bf16 autocast, images in batches. On a CPU it computes in fp32 and is there
for the tests; the OpenVINO engine is several times quicker.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from container.common.artifact import Manifest
from container.common.images import Pixels
from container.network import from_artifact
from container.serve import memory
from container.serve.engines import Floats, Outputs

# Images at once; more gain nothing, and memory is asked for by the largest batch ever seen.
_BATCH = 64


class TorchEngine:
    """A network on one device, and a hook on what its last feature map is made from."""

    name = "torch"

    def __init__(self, folder: Path, manifest: Manifest, *, threads: int, gpu: int | None) -> None:
        torch.set_num_threads(threads)
        self._device = torch.device("cuda", gpu or 0) if torch.cuda.is_available() else torch.device("cpu")
        with memory.told():
            network = from_artifact(folder, manifest).requires_grad_(False)
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._network = network.to(self._device)

    def run(self, pixels: Pixels, *, features: bool = False) -> Outputs:
        """Batches of images through the network. Explanations use occlusion: no feature map is given."""
        logits = [self._batch(pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH)]
        return Outputs(np.concatenate(logits))

    def _batch(self, pixels: Pixels) -> Floats:
        with (
            memory.told(),
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"),
        ):
            on_device = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device, non_blocking=True)
            logits: Floats = self._network(on_device).float().cpu().numpy()
        return logits
