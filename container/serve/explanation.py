"""Why: which parts of a picture the model's answer comes from, as a heat map.

Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391, equations 1 and 2) without torch: the
IR gives the last feature map, and the manifest's tail says how the logits follow from it, so the
gradient of a class's logit is a few products. Where an architecture has no such tail, occlusion
(Zeiler & Fergus 2013, https://arxiv.org/abs/1311.2901): how much the answer loses when a patch is grayed.
"""

from __future__ import annotations

import base64
import functools
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from container.common.artifact import WEIGHTS
from container.common.images import Pixels
from container.serve.engines import Engine, Floats

if TYPE_CHECKING:
    from container.serve.pipeline import Model

log = logging.getLogger("serve")

# Occlusion grays a square of two cells of this grid, moved by one.
_GRID = 8


def explain(model: Model, pixels: Pixels, logits: Floats, maps: Floats | None, method: str) -> list[dict[str, Any]]:
    """One explanation an image, for its best class: the method used and an S × S gray PNG, white where it matters."""
    tail = model.manifest.explanation.tail
    weights = _weights(model.folder, tail) if tail else None
    found: list[dict[str, Any]] = []
    for number, image in enumerate(pixels):
        index = int(logits[number].argmax())
        if method == "gradcam" and maps is not None and weights is not None:
            used, heat = "gradcam", gradcam(maps[number], tail, weights, index)
        else:
            used, heat = "occlusion", occlusion(model.engine, image, index, model.manifest.mean)
        label = model.manifest.classes[index]
        found.append({"method": used, "label": label, "index": index, "heat_map": _png(heat, image.shape[0])})
    return found


def gradcam(features: Floats, tail: Sequence[str], weights: Mapping[str, Floats], index: int) -> Floats:
    """(F, h, w) features → (h, w) heat, 0 to 1, for the class ``index``."""
    gradient = tail_gradient(features, tail, weights, index)
    return _scaled(np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * features).sum(axis=0), 0))


def tail_gradient(features: Floats, tail: Sequence[str], weights: Mapping[str, Floats], index: int) -> Floats:
    """d logits[index] / d features, (F, h, w): forward through the tail, then back."""
    values: list[Floats] = [features]
    for step in tail:
        values.append(_forward(step, values[-1], weights))
    gradient = np.zeros_like(values[-1])
    gradient[index] = 1
    for step, before in zip(reversed(tail), reversed(values[:-1]), strict=True):
        gradient = _backward(step, before, gradient, weights)
    return gradient


def replay(features: Floats, tail: Sequence[str], weights: Mapping[str, Floats]) -> Floats:
    """(F, h, w) features → (K,) logits, through the tail."""
    for step in tail:
        features = _forward(step, features, weights)
    return features


def _forward(step: str, value: Floats, weights: Mapping[str, Floats]) -> Floats:
    if step == "relu":
        return np.maximum(value, 0)
    if step == "avgpool":
        pooled: Floats = value.mean(axis=(1, 2))
        return pooled
    if step == "flatten":
        return value.reshape(-1)
    prefix = step.removeprefix("linear:")
    logits: Floats = weights[f"{prefix}.weight"] @ value + weights[f"{prefix}.bias"]
    return logits


def _backward(step: str, before: Floats, gradient: Floats, weights: Mapping[str, Floats]) -> Floats:
    if step == "relu":
        return gradient * (before > 0)
    if step == "avgpool":
        _, height, width = before.shape
        return np.broadcast_to(gradient[:, None, None] / (height * width), before.shape).astype(np.float32)
    if step == "flatten":
        return gradient.reshape(before.shape)
    return gradient @ weights[f"{step.removeprefix('linear:')}.weight"]


def occlusion(engine: Engine, image: Pixels, index: int, mean: Sequence[float]) -> Floats:
    """(S, S, C) uint8 → (grid, grid) heat: the logit lost when a patch around each cell is the mean gray."""
    side = image.shape[0]
    gray = np.round(np.resize(np.asarray(mean), image.shape[2]) * 255).astype(np.uint8)
    edges = np.linspace(0, side, _GRID + 1).round().astype(int)
    places = [(row, column) for row in range(_GRID - 1) for column in range(_GRID - 1)]
    hidden = np.repeat(image[None], len(places) + 1, axis=0)  # the last stays whole
    for picture, (row, column) in zip(hidden, places, strict=False):
        picture[edges[row] : edges[row + 2], edges[column] : edges[column + 2]] = gray
    logits = engine.run(hidden).logits[:, index]
    heat = np.zeros((_GRID, _GRID), np.float32)
    cover = np.zeros((_GRID, _GRID), np.float32)
    for logit, (row, column) in zip(logits, places, strict=False):
        heat[row : row + 2, column : column + 2] += logits[-1] - logit
        cover[row : row + 2, column : column + 2] += 1
    return _scaled(np.maximum(heat / cover, 0))


def _scaled(heat: Floats) -> Floats:
    top = float(heat.max())
    return heat / top if top > 0 else heat


def _png(heat: Floats, side: int) -> str:
    from PIL import Image

    large = Image.fromarray(heat.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    Image.fromarray(np.round(np.asarray(large) * 255).astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@functools.lru_cache(maxsize=1)
def _weights(folder: Path, tail: tuple[str, ...]) -> Mapping[str, Floats] | None:
    """The tail's linear layers; None, with a line in the log, when the file is not readable."""
    from safetensors import SafetensorError, safe_open

    names = [
        f"{s.removeprefix('linear:')}.{part}" for s in tail if s.startswith("linear:") for part in ("weight", "bias")
    ]
    try:
        with safe_open(folder / WEIGHTS, framework="numpy") as file:
            return {name: file.get_tensor(name).astype(np.float32) for name in names}
    except (OSError, SafetensorError) as exc:
        log.warning("%s cannot be read (%s): explanations use occlusion", folder / WEIGHTS, exc)
        return None
