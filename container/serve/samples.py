"""A picture for the warm-up prediction."""

from __future__ import annotations

import io

import numpy as np


def jpeg(width: int = 640, height: int = 427) -> bytes:
    """A JPEG file of a smooth gradient: an ordinary photograph's size, decoded the ordinary way."""
    from PIL import Image

    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()
