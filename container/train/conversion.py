"""From a torch network to OpenVINO's form, in fp32 and int8, and how fast each is.

In two parts: the body, up to what the head is given, and the head. A frozen body is the same for
every job that trains a head on it.
"""

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
from container.common.errors import ArtifactError
from container.common.images import Pixels
from container.network import Head, Network
from container.train import storage
from container.train.tail import FeatureMap

telemetry.decline()

# nncf's own default; more images change the ranges little and take longer.
CALIBRATION_IMAGES = 300

# A body's output; in a joined model the head takes its place.
FEATURES = "features"

LATENCY_SECONDS = 1.0
LATENCY_RUNS = 50


class _Traced(nn.Module):
    """A network up to its head, as it is traced: ``pixels`` → features, or features and the feature map."""

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
        features = self.network.features(pixels)
        return (features, self._caught[-1]) if self._wants_map else features

    def release(self) -> None:
        """Take the hook off the network again."""
        if self._wants_map:
            self._hook.remove()


def convert(network: Network, feature_map: FeatureMap | None, example: Tensor) -> Any:
    """The network (on the CPU, in evaluation mode) up to its head, as an OpenVINO model of any batch size.

    ``example`` (2, S, S, C) uint8 is what tracing follows. Input ``pixels``, outputs ``features`` and,
    given a map, ``feature_map``.
    """
    import openvino as ov

    module = _Traced(network, feature_map).eval()
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
    for output, name in zip(model.outputs, (FEATURES, FEATURE_MAP), strict=False):
        output.get_tensor().set_names({name})
    return model


def convert_head(head: Head) -> Any:
    """The head as an OpenVINO model, in fp32: input ``features`` (N, F), output ``logits`` (N, K)."""
    import openvino as ov
    from openvino import opset13 as ops

    parameter = ops.parameter([-1, head.features], np.float32, name=FEATURES)
    parameter.output(0).get_tensor().set_names({FEATURES})
    node = parameter
    for module in head:
        if isinstance(module, nn.Linear):
            weight, bias = (t.detach().cpu().float().numpy() for t in (module.weight, module.bias))
            node = ops.add(ops.matmul(node, ops.constant(weight), False, True), ops.constant(bias[None]))
        elif isinstance(module, nn.ReLU):
            node = ops.relu(node)
    node.output(0).get_tensor().set_names({LOGITS})
    return ov.Model([node.output(0)], [parameter], "head")


def join(body: Any, head: Any) -> Any:
    """``body`` and ``head`` as one model: input ``pixels``, outputs ``logits`` and, where there is one, the map."""
    import openvino as ov

    features, *rest = body.outputs
    head.input(0).replace(features.get_node().input_value(0))
    return ov.Model([*head.get_results(), *(output.get_node() for output in rest)], body.get_parameters(), "classifier")


def quantize(model: Any, images: Pixels, *, transformer: bool, tick: Callable[[int], None]) -> Any:
    """An int8 model, its ranges taken from ``images`` (N, S, S, C) uint8."""
    # Torch warns of compilers for GPUs where there is no GPU, in whoever's log imports what compiles.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import nncf
    from nncf.quantization.advanced_parameters import OverflowFix
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    nncf.set_log_level(logging.ERROR)

    def one(index: int) -> Pixels:
        tick(1)
        return images[index : index + 1]

    # The whole range seen, not the mean of each image's: a small network trained on few images has
    # rare, large activations that matter (measured on the generated hands: int8 agrees with fp32 on
    # 600 of 600 images instead of 589).
    advanced = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        # Processors without VNNI add pairs of products in 16 bits, which overflow where weights have all 8: another
        # machine will serve, and is to give the answers that were judged here.
        overflow_fix=OverflowFix.ENABLE,
    )
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
            advanced_parameters=advanced,
        )


def check_equal(found: NDArray[np.float32], expected: NDArray[np.float32], what: str = "logits") -> None:
    """Raises ArtifactError when OpenVINO's numbers are not the network's own."""
    difference = float(np.abs(found - expected).max())
    if not difference <= 1e-3 * max(1.0, float(np.abs(expected).max())):
        raise ArtifactError(
            f"The exported model's {what} differ from the network's by {difference:.2g}; this architecture "
            "cannot be exported by this OpenVINO version, choose another model."
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
    """A model or its file, compiled, to be measured; it gives the first of its outputs."""

    def __init__(self, model: Any, *, bf16: bool = False, threads: int) -> None:
        import openvino as ov

        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiled = ov.Core().compile_model(model, "CPU", settings)

    def __call__(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """(N, …) → (N, K)."""
        result: NDArray[np.float32] = self._compiled([np.ascontiguousarray(inputs)])[0]
        return result

    def all(self, inputs: NDArray[Any], tick: Callable[[int], None], batch: int = 16) -> NDArray[np.float32]:
        """The same in batches."""
        parts = []
        for start in range(0, len(inputs), batch):
            part = inputs[start : start + batch]
            # A copy: what OpenVINO gives may be its own memory, which the next call writes to.
            parts.append(self(part).copy())
            tick(len(part))
        return np.concatenate(parts)

    def latency_ms(self, image: NDArray[Any]) -> float:
        """Median time for one input, over up to LATENCY_RUNS runs or about a second."""
        for _ in range(2):
            self(image)
        times: list[float] = []
        deadline = time.perf_counter() + LATENCY_SECONDS
        while len(times) < LATENCY_RUNS and (len(times) < 3 or time.perf_counter() < deadline):
            start = time.perf_counter()
            self(image)
            times.append(time.perf_counter() - start)
        return float(np.median(times) * 1000)
