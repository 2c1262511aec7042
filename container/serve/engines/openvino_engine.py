"""The OpenVINO engine: the artifact's IR on the CPU.

Compiled for one image at a time: that is the quickest form for a single request, on a CPU a batch is no
quicker an image, and what stands beside an image in a batch cannot change its answer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from container.common import telemetry
from container.common.artifact import FEATURE_MAP, IR_BIN, IR_XML, LOGITS, Manifest
from container.common.errors import ArtifactError
from container.common.images import Pixels
from container.serve import memory
from container.serve.engines import Outputs

telemetry.decline()  # before the import below, which would report itself

import openvino as ov  # noqa: E402


class OpenVinoEngine:
    """A compiled IR with one infer request."""

    name = "openvino"

    def __init__(self, folder: Path, manifest: Manifest, *, threads: int) -> None:
        for file in (IR_XML, IR_BIN):
            if not (folder / file).is_file():
                raise ArtifactError(
                    f"The model at {folder} has no {file}; take the whole artifact of the training job."
                )
        memory.check_room(folder / IR_BIN)
        core = ov.Core()
        try:
            with memory.told():
                model = core.read_model(folder / IR_XML)
                side, channels = manifest.image_size, manifest.channels
                model.reshape([1, side, side, channels])
                compiled = core.compile_model(model, "CPU", self._properties(core, manifest, threads))
            self._logits = compiled.output(LOGITS)
        except RuntimeError as exc:
            reason = str(exc).strip().splitlines()[-1]
            raise ArtifactError(
                f"The model {folder / IR_XML} cannot be loaded ({reason}); export it again, "
                "or take the artifact again from the training job's output."
            ) from exc
        names = {name for output in compiled.outputs for name in output.names}
        self._features = compiled.output(FEATURE_MAP) if FEATURE_MAP in names else None
        self._request = compiled.create_infer_request()

    @staticmethod
    def _properties(core: ov.Core, manifest: Manifest, threads: int) -> dict[str, object]:
        wanted = manifest.inference_precision
        able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            # Never left to the plugin, which would take bf16 by itself where the processor has it.
            "INFERENCE_PRECISION_HINT": "bf16" if wanted == "bf16" and able else "f32",
            # Pinned threads of two workers, or two servers, would sit on the same cores.
            "ENABLE_CPU_PINNING": False,
        }

    def run(self, pixels: Pixels, *, features: bool = False) -> Outputs:
        """One image after the other through the network."""
        logits, maps = [], []
        for image in np.ascontiguousarray(pixels):
            with memory.told():
                results = self._request.infer({0: image[None]}, share_inputs=True)
            logits.append(np.array(results[self._logits][0], dtype=np.float32))
            if features and self._features is not None:
                maps.append(np.array(results[self._features][0], dtype=np.float32))
        return Outputs(np.stack(logits), np.stack(maps) if maps else None)
