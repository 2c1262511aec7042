"""What rules are told once of the training split: class sizes and weights, moments of images as the network sees them.

With a frozen backbone no image passes through what is trained, and sampling batches would take long to say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # the rules' process has no torch
    import torch

    from container.train.decode import Images

COUNTS, WEIGHTS = "class_counts", "class_weights"
MEANS, STDS = "image_means", "image_stds"
NAMES = (COUNTS, WEIGHTS, MEANS, STDS)

# AWS's CheckInputImages wants 500 images before it speaks.
IMAGES = 500

Facts = dict[str, NDArray[np.float32]]


def of(
    images: Images,
    classes: int,
    weights: torch.Tensor | None,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Facts:
    """The facts of ``images``; those of pixels are left out where a cache has spared their decoding."""
    found = of_classes(np.bincount(images.labels, minlength=classes), weights)
    pixels = vars(images).get("pixels")
    if pixels is not None:
        rows = np.linspace(0, len(images) - 1, min(IMAGES, len(images))).astype(int)
        found |= of_pixels(pixels[rows], mean=mean, std=std)
    return found


def of_classes(counts: NDArray[np.int64], weights: torch.Tensor | None) -> Facts:
    """Images of each class, and its weight in the loss."""
    ones = np.ones(len(counts), np.float32)
    return {COUNTS: counts.astype(np.float32), WEIGHTS: ones if weights is None else weights.cpu().numpy()}


def of_pixels(pixels: NDArray[np.uint8], *, mean: tuple[float, ...], std: tuple[float, ...]) -> Facts:
    """Of (N, H, W, C), normalized by ``mean`` and ``std``, parts of 255: (N, C) each; one gray channel is three."""
    levels = np.arange(256) / 255
    # Counts of levels say as much as the pixels do, and take a tenth of the time.
    shares = np.stack([_histograms(image) for image in pixels]) / max(pixels[0, ..., 0].size, 1)
    means = shares @ levels
    stds = np.sqrt(np.maximum(shares @ levels**2 - means**2, 0))
    shift, scale = np.array(mean), np.array(std)
    return {MEANS: ((means - shift) / scale).astype(np.float32), STDS: (stds / scale).astype(np.float32)}


def _histograms(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(H, W, C) → (C, 256)."""
    return np.stack([np.bincount(image[..., c].reshape(-1), minlength=256) for c in range(image.shape[-1])])
