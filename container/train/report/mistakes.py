"""The worst mistakes: images taken for another class with the highest probability, as thumbnails for the page.

They follow from an evaluation that was made in any case, and from pixels that are decoded already, mostly.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from container.common.errors import RequestError
from container.common.images import Geometry, Pixels, prepare
from container.train.decode import Images
from container.train.evaluate import Evaluation

MOST = 24
# Pixels of a thumbnail's side, and JPEG's quality: some 4 kB each.
_SIDE, _QUALITY = 128, 75


def worst(result: Evaluation, images: Images, classes: Sequence[str], geometry: Geometry) -> list[dict[str, Any]]:
    """At most MOST mistakes of ``result``, which is of ``images``, the surest first; as mistakes.json holds them."""
    predicted = result.logits.argmax(axis=1)
    wrong = np.flatnonzero(predicted != result.labels)
    logits = result.logits[wrong].astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    surest = np.argsort(-shares.max(axis=1), kind="stable")[:MOST]
    found = []
    for place in surest.tolist():
        row = int(wrong[place])
        true, taken, path = int(result.labels[row]), int(predicted[row]), images.files[row]
        found.append(
            {
                "file": f"{path.parent.name}/{path.name}",
                "true": classes[true],
                "predicted": classes[taken],
                "probability": float(shares[place, taken]),
                "true_probability": float(shares[place, true]),
                "thumbnail": _thumbnail(images, row, geometry),
            }
        )
    return found


def _thumbnail(images: Images, row: int, geometry: Geometry) -> str:
    """What the network saw, as a data URI; empty where the file is gone by now."""
    from PIL import Image

    try:
        # A split that came out of the cache as features is not decoded for a few of its images.
        pixels = images.pixels[row] if images.decoded else prepare(images.files[row].read_bytes(), geometry)
    except (OSError, RequestError):
        return ""
    picture = Image.fromarray(_drawable(pixels))
    picture.thumbnail((_SIDE, _SIDE))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def _drawable(pixels: Pixels) -> Pixels:
    """Pillow wants no axis of one channel."""
    array = np.ascontiguousarray(pixels)
    return array[..., 0] if array.shape[-1] == 1 else array
