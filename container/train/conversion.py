"""From a torch network to OpenVINO's form, in fp32 and int8, and how fast and how good each is."""

from __future__ import annotations

import contextlib
import io
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from container.common import telemetry
from container.common.artifact import FEATURE_MAP, LOGITS, PIXELS
from container.common.images import Pixels
from container.network import Network
from container.train import storage
from container.train.tail import FeatureMap

telemetry.decline()

# nncf's own default; more images change the ranges little and take longer.
CALIBRATION_IMAGES = 300

LATENCY_SECONDS = 1.0
LATENCY_RUNS = 50


class _Exported(nn.Module):
    """The network as it is traced: ``pixels`` → logits, or logits and the feature map."""

    def __init__(self, network: Network, feature_map: FeatureMap | None) -> None:
        super().__init__()
        self.network = network
        self._caught: list[Tensor] = []
        self._wants_map = feature_map is not None
        if feature_map is not None:
            self._hook = feature_map.module.register_forward_hook(self._catch)

    def _catch(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        self._caught.append(output.clone())

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        self._caught.clear()
        logits = self.network(pixels)
        return (logits, self._caught[-1]) if self._wants_map else logits

    def release(self) -> None:
        """Take the hook off the network again."""
        if self._wants_map:
            self._hook.remove()


def convert(network: Network, feature_map: FeatureMap | None, example: Tensor) -> Any:
    """The network (on the CPU, in evaluation mode) as an OpenVINO model of any batch size.

    ``example`` (2, S, S, C) uint8 is what tracing follows. Input ``pixels``, outputs ``logits`` and,
    given a map, ``feature_map``.
    """
    import openvino as ov

    module = _Exported(network, feature_map).eval()
    shape = ov.PartialShape([-1, *example.shape[1:]])
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Tracing warns of every shape it takes for fixed; the batch size is checked afterwards.
            warnings.simplefilter("ignore")
            # Traced here: OpenVINO's own call has torch trace everything twice more, to compare.
            traced = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]
            model = ov.convert_model(traced, example_input=example, input=[(PIXELS, shape, ov.Type.u8)])
    finally:
        module.release()
    for output, name in zip(model.outputs, (LOGITS, FEATURE_MAP), strict=False):
        output.get_tensor().set_names({name})
    return model


def quantize(model: Any, images: Pixels, *, transformer: bool, tick: Callable[[int], None]) -> Any:
    """An int8 model, its ranges taken from ``images`` (N, S, S, C) uint8."""
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    nncf.set_log_level(logging.ERROR)

    def one(index: int) -> Pixels:
        tick(1)
        return images[index : index + 1]

    # The whole range seen, not the mean of each image's: a small network trained on few images has
    # rare, large activations that matter (measured on the generated hands: int8 agrees with fp32 on
    # 600 of 600 images instead of 589).
    ranges = nncf.AdvancedQuantizationParameters(activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX)
    dataset = nncf.Dataset(range(len(images)), one)
    kind = nncf.ModelType.TRANSFORMER if transformer else None
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        return nncf.quantize(
            model,
            dataset,
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(images),
            model_type=kind,
            advanced_parameters=ranges,
        )


def save(model: Any, path: Path) -> None:
    """Write ``path`` (.xml) and the .bin beside it, fp32 left fp32. Raises StorageError when the disk is full."""
    import openvino as ov

    with storage.told(path):
        ov.save_model(model, path, compress_to_fp16=False)
        # OpenVINO has been seen to write short without an error.
        with path.open("rb") as xml, path.with_suffix(".bin").open("rb") as weights:
            if not xml.read().rstrip().endswith(b"</net>") or not weights.seek(0, io.SEEK_END):
                raise OSError(28, "No space left on device")


def processor_has_bf16() -> bool:
    """Whether this machine's OpenVINO computes in bf16."""
    import openvino as ov

    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class Runner:
    """A saved model, compiled, to be measured."""

    def __init__(self, path: Path, *, bf16: bool = False, threads: int) -> None:
        import openvino as ov

        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiled = ov.Core().compile_model(path, "CPU", settings)

    def logits(self, pixels: Pixels) -> NDArray[np.float32]:
        """(N, S, S, C) uint8 → (N, K)."""
        result: NDArray[np.float32] = self._compiled([np.ascontiguousarray(pixels)])[LOGITS]
        return result

    def all_logits(self, pixels: Pixels, tick: Callable[[int], None], batch: int = 16) -> NDArray[np.float32]:
        """``logits`` in batches."""
        parts = []
        for start in range(0, len(pixels), batch):
            part = pixels[start : start + batch]
            parts.append(self.logits(part))
            tick(len(part))
        return np.concatenate(parts)

    def latency_ms(self, image: Pixels) -> float:
        """Median time for one image, over up to LATENCY_RUNS runs or about a second."""
        for _ in range(2):
            self.logits(image)
        times: list[float] = []
        deadline = time.perf_counter() + LATENCY_SECONDS
        while len(times) < LATENCY_RUNS and (len(times) < 3 or time.perf_counter() < deadline):
            start = time.perf_counter()
            self.logits(image)
            times.append(time.perf_counter() - start)
        return float(np.median(times) * 1000)
