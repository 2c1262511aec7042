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
from container.network import Network
from container.train import conversion, storage
from container.train.body import Body, Proof, Variant, Workshop
from container.train.cache import Cache
from container.train.console import Console
from container.train.decode import processors
from container.train.frozen import FrozenBody
from container.train.stopping import StopSignal
from container.train.tail import head_steps

# What a cheaper precision may lose, as a part of all validation images (DESIGN: 0.3 points).
ALLOWED_LOSS = 0.003

# A head's rows cost next to nothing.
HEAD_BATCH = 256

_PACKAGES = ("torch", "torchvision", "openvino", "nncf", "numpy", "Pillow", "smdebug", "sagemaker-training")


@dataclass(frozen=True)
class Candidate:
    """A precision that was tried, and what came of it."""

    variant: Variant
    accuracy: float
    latency_ms: float

    @property
    def name(self) -> str:
        """The precision's."""
        return self.variant.name


def export(
    network: Network,
    manifest: Manifest,
    proof: Proof,
    folder: Path,
    *,
    precision: str,
    frozen: FrozenBody | None,
    cache: Cache,
    console: Console,
    stop: StopSignal,
) -> Manifest:
    """Write the artifact of ``network`` into ``folder``, whole or not at all; the manifest as written.

    ``manifest`` is complete but for precision and explanation. ``precision`` is auto, fp32, bf16 or int8.
    ``frozen`` is the network's body when it was not trained, whose export is shared through ``cache``; else None.
    Raises ArtifactError when the exported model does not compute what the network does.
    """
    scratch = folder.with_name(f".{folder.name}.partial")
    with storage.told(folder):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        folder.mkdir(parents=True, exist_ok=True)
    network = network.cpu().float().eval()
    workshop = Workshop(
        network=network,
        proof=proof,
        wanted=precision,
        frozen=frozen,
        cache=cache,
        scratch=scratch / "body",
        console=console,
        stop=stop,
    )
    try:
        written = _fill(workshop, manifest, scratch)
        _move(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return written


def _fill(workshop: Workshop, manifest: Manifest, scratch: Path) -> Manifest:
    network, console = workshop.network, workshop.console
    body = workshop.body()
    workshop.stop.check()
    head = conversion.convert_head(network.head)
    tried = _candidates(network, body, head, workshop.proof.labels)
    chosen = _choose(tried, workshop.wanted)
    model = body.model(chosen.variant)
    if model is None:
        console.warn("the exported body in the cache is damaged; it is made again")
        body = workshop.body_again()
        model = body.model(chosen.variant)
    conversion.save(conversion.join(model, head), scratch / IR_XML)
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
        precision=chosen.variant.precision,
        inference_precision=chosen.variant.inference_precision,
        precisions={c.name: {"validation_accuracy": c.accuracy, "latency_ms": c.latency_ms} for c in tried},
        explanation=Explanation(() if body.tail is None else (*body.tail, *head_steps(network))),
        versions={name: version(name) for name in _PACKAGES},
    )
    with storage.told(scratch / MANIFEST):
        write_manifest(scratch, complete)
    return complete


def _candidates(network: Network, body: Body, head: Any, labels: NDArray[np.int64]) -> list[Candidate]:
    """Every variant of the body with the head behind it: how good it is follows from the features it gave."""
    found = []
    for variant in body.variants:
        runner = conversion.Runner(head, bf16=variant.inference_precision == "bf16", threads=processors())
        logits = runner.all(variant.features, lambda _count: None, batch=HEAD_BATCH)
        if variant.name == "fp32":
            with torch.no_grad():
                conversion.check_equal(
                    logits[:HEAD_BATCH], network.head(torch.from_numpy(variant.features[:HEAD_BATCH])).numpy()
                )
        accuracy = float((logits.argmax(axis=1) == labels).mean())
        found.append(Candidate(variant, accuracy, variant.latency_ms + runner.latency_ms(variant.features[:1])))
    return found


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
