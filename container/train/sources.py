"""What a step is fed with: images (augmented as they are taken) or features computed beforehand.

Both keep everything in one tensor, on the GPU when it fits there, and give the rows asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from container.common.images import center
from container.train.augment import Augmenter, Draws, generator_for
from container.train.decode import Images

# Part of a GPU's free memory that decoded images may take.
GPU_FRACTION = 0.4


class Source(Protocol):
    """Rows of input with their labels."""

    labels: Tensor

    def __len__(self) -> int: ...

    def take(self, rows: Tensor, *, epoch: int, step: int, share: slice, total: int) -> Tensor:
        """The inputs of ``rows``, which are ``share`` of the step's ``total`` images; for training."""
        ...

    def plain(self, rows: slice) -> Tensor:
        """The inputs of ``rows`` as they are; for evaluation."""
        ...


class ImageSource:
    """(N, H, W, C) uint8 images; training takes pass through the augmenter."""

    def __init__(self, images: Images, augmenter: Augmenter, device: torch.device) -> None:
        self._images, self._augmenter, self._device = images, augmenter, device
        self.labels = torch.from_numpy(images.labels).to(device)
        self._view: tuple[int, Draws | None] = (-1, None)

    @cached_property
    def _pixels(self) -> Tensor:
        # Only now: features may come from a cache, and then nobody wants the pixels.
        return _placed(torch.from_numpy(np.asarray(self._images.pixels)), self._device)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor, *, epoch: int, step: int, share: slice, total: int) -> Tensor:
        pixels = self._pixels[rows.to(self._pixels.device)].to(self._device, non_blocking=True)
        return self._augmenter(pixels, epoch=epoch, step=step, share=share, total=total)

    def view(self, rows: slice, number: int) -> Tensor:
        """The ``number``-th augmented view of ``rows``: drawn as one step over the whole split."""
        if self._view[0] != number:
            self._view = number, self._augmenter.draws(epoch=number, step=0, total=len(self))
        pixels = self._pixels[rows].to(self._device, non_blocking=True)
        return self._augmenter.apply(pixels, self._view[1], share=rows)

    def plain(self, rows: slice) -> Tensor:
        return center(self._pixels[rows].to(self._device, non_blocking=True), self._augmenter.size)


class FeatureSource:
    """(K, N, F) features, K augmented views of each image; every epoch draws a view for each image."""

    def __init__(self, features: Tensor, labels: Tensor, *, seed: int, device: torch.device) -> None:
        self._features = _placed(features, device)
        self.labels = labels.to(device)
        self._seed, self._device = seed, device
        self._views = (-1, torch.empty(0, dtype=torch.long))

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor, *, epoch: int, step: int, share: slice, total: int) -> Tensor:
        views, rows = self._epoch_views(epoch)[rows], rows.to(self._features.device)
        return self._features[views.to(self._features.device), rows].to(self._device)

    def plain(self, rows: slice) -> Tensor:
        return self._features[0, rows].to(self._device)

    def _epoch_views(self, epoch: int) -> Tensor:
        if self._views[0] != epoch:
            count, length = self._features.shape[0], len(self)
            drawn = torch.randint(count, (length,), generator=generator_for(self._seed, 1 + epoch, 0, 7))
            self._views = (epoch, drawn)
        return self._views[1]


def _placed(tensor: Tensor, device: torch.device) -> Tensor:
    """``tensor`` on the GPU when it takes less than GPU_FRACTION of the free memory there."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if tensor.numel() * tensor.element_size() < GPU_FRACTION * free:
            return tensor.to(device)
    return tensor
