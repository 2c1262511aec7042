"""The trained network becomes an artifact that is ready to serve: which precision, and proof that it holds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from container.common.artifact import (
    IR_BIN,
    IR_XML,
    MANIFEST,
    WEIGHTS,
    Explanation,
    Manifest,
    write_manifest,
    write_server_manifest,
)
from container.common.errors import ArtifactError
from container.common.images import Pixels
from container.network import Network
from container.train import conversion, storage
from container.train.console import Console, Meter
from container.train.decode import processors
from container.train.stopping import StopSignal
from container.train.tail import last_feature_map

# What a cheaper precision may lose, as a part of all validation images (DESIGN: 0.3 points).
ALLOWED_LOSS = 0.003

_PACKAGES = ("torch", "torchvision", "openvino", "nncf", "numpy", "Pillow", "smdebug", "sagemaker-training")


@dataclass(frozen=True)
class Candidate:
    """A precision that was tried: what the file holds, what is computed in, and what came of it."""

    name: str
    path: Path
    precision: str
    inference_precision: str
    accuracy: float
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Images that precisions are made and judged by."""

    calibration: Pixels
    validation: Pixels
    labels: NDArray[np.int64]


def export(
    network: Network,
    manifest: Manifest,
    proof: Proof,
    folder: Path,
    *,
    precision: str,
    console: Console,
    stop: StopSignal,
) -> Manifest:
    """Write the artifact of ``network`` into ``folder``, whole or not at all; the manifest as written.

    ``manifest`` is complete but for precision and explanation. ``precision`` is auto, fp32, bf16 or int8.
    Raises ArtifactError when the exported model does not compute what the network does.
    """
    scratch = folder.with_name(f".{folder.name}.partial")
    with storage.told(folder):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        folder.mkdir(parents=True, exist_ok=True)
    network = network.cpu().float().eval()
    try:
        written = _fill(network, manifest, proof, scratch, precision=precision, console=console, stop=stop)
        _move(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return written


def _fill(
    network: Network,
    manifest: Manifest,
    proof: Proof,
    scratch: Path,
    *,
    precision: str,
    console: Console,
    stop: StopSignal,
) -> Manifest:
    example = torch.from_numpy(np.ascontiguousarray(proof.validation[:2]))
    feature_map = last_feature_map(network, example)
    model = conversion.convert(network, feature_map, example)
    stop.check()
    tried = _candidates(network, model, proof, scratch, wanted=precision, console=console, stop=stop)
    chosen = _choose(tried, precision)
    for suffix, name in ((".xml", IR_XML), (".bin", IR_BIN)):
        chosen.path.with_suffix(suffix).replace(scratch / name)
    with storage.told(scratch / WEIGHTS):
        state = {k: v.contiguous() for k, v in network.net.state_dict().items()}
        save_file(state, scratch / WEIGHTS)
        # safetensors makes it readable by its owner alone, and the server runs as another user.
        (scratch / WEIGHTS).chmod(0o644)
    fp32 = next(c for c in tried if c.name == "fp32")
    console.say(
        f"exported precision: {chosen.name}, validation accuracy {chosen.accuracy:.4f} (fp32 {fp32.accuracy:.4f}), "
        f"{chosen.latency_ms:.2f} ms an image (fp32 {fp32.latency_ms:.2f} ms)"
    )
    complete = replace(
        manifest,
        precision=chosen.precision,
        inference_precision=chosen.inference_precision,
        precisions={c.name: {"validation_accuracy": c.accuracy, "latency_ms": c.latency_ms} for c in tried},
        explanation=Explanation(feature_map.tail if feature_map else ()),
        versions={name: version(name) for name in _PACKAGES},
    )
    with storage.told(scratch / MANIFEST):
        write_manifest(scratch, complete)
    return complete


def _candidates(
    network: Network,
    model: Any,
    proof: Proof,
    scratch: Path,
    *,
    wanted: str,
    console: Console,
    stop: StopSignal,
) -> list[Candidate]:
    """fp32 always, the others when they may be chosen; each measured from its file."""
    images, labels = proof.validation, proof.labels
    runs = 1 + (wanted in ("auto", "bf16")) + (wanted in ("auto", "int8"))
    calibration = len(proof.calibration) if wanted in ("auto", "int8") else 0
    meter = Meter(console, "export", runs * len(images) + calibration)

    def tick(count: int) -> None:
        meter.add(count)
        stop.check()

    def measured(name: str, path: Path, *, bf16: bool = False) -> Candidate:
        runner = conversion.Runner(path, bf16=bf16, threads=processors())
        accuracy = float((runner.all_logits(images, tick).argmax(axis=1) == labels).mean())
        holds, computes = "int8" if name == "int8" else "fp32", "bf16" if bf16 else "f32"
        return Candidate(name, path, holds, computes, accuracy, runner.latency_ms(images[:1]))

    plain = scratch / "fp32.xml"
    conversion.save(model, plain)
    _check_faithful(network, plain, images[:3])
    found = [measured("fp32", plain)]
    if wanted == "bf16" or (wanted == "auto" and conversion.processor_has_bf16()):
        found.append(measured("bf16", plain, bf16=True))
    if wanted in ("auto", "int8"):
        path = scratch / "int8.xml"
        transformer = not _is_convolutional(network)
        conversion.save(conversion.quantize(model, proof.calibration, transformer=transformer, tick=tick), path)
        found.append(measured("int8", path))
    return found


def _is_convolutional(network: Network) -> bool:
    return not any(isinstance(m, torch.nn.LayerNorm) for m in network.net.modules())


def _check_faithful(network: Network, path: Path, images: Pixels) -> None:
    """The file must give the network's own logits, for another batch size than it was traced with too."""
    runner = conversion.Runner(path, threads=processors())
    with torch.no_grad():
        expected = network(torch.from_numpy(np.ascontiguousarray(images))).numpy()
    for part in (slice(0, 1), slice(0, len(images))):
        difference = float(np.abs(runner.logits(images[part]) - expected[part]).max())
        if not difference <= 1e-3 * max(1.0, float(np.abs(expected).max())):
            raise ArtifactError(
                f"The exported model's logits differ from the network's by {difference:.2g}; this architecture "
                "cannot be exported by this OpenVINO version, choose another model."
            )


def _choose(tried: list[Candidate], wanted: str) -> Candidate:
    """auto: int8, then bf16, where no more than ALLOWED_LOSS is lost; else what was asked for."""
    named = {c.name: c for c in tried}
    if wanted != "auto":
        return named[wanted]
    least = named["fp32"].accuracy - ALLOWED_LOSS
    good: Callable[[str], bool] = lambda name: name in named and named[name].accuracy >= least  # noqa: E731
    return named["int8"] if good("int8") else named["bf16"] if good("bf16") else named["fp32"]


def _move(scratch: Path, folder: Path) -> None:
    """Put the finished files into ``folder``, the manifest last: without it a folder is no model."""
    files = (IR_XML, IR_BIN, WEIGHTS, MANIFEST)
    with storage.told(folder):
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in files:
            # Not rename: on SageMaker the model folder can be a mount of its own.
            shutil.move(scratch / name, folder / name)
        write_server_manifest(folder)
