"""The running sums of an epoch: from them come its training loss, accuracy and images per second."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from container.train.world import World

# What a checkpoint holds of a tally, in this order.
FIELDS = ("loss times weight", "weight", "right answers", "images", "seconds")


class Tally:
    """Sums since the epoch's start, ``begun`` being those of an earlier process that was interrupted.

    Loss and right answers of this process's share stay on its device until they are asked for.
    """

    def __init__(self, begun: list[float], world: World) -> None:
        self._begun, self._world = begun, world
        self._own = torch.zeros(2, dtype=torch.float64, device=world.device)
        self._weight, self._images, self._start = 0.0, 0, time.monotonic()

    def add(self, loss: Tensor, hits: Tensor, *, weight: float, images: int) -> None:
        """One step: this process's part of the batch's ``loss`` and its ``hits``; weight and number of the whole."""
        self._own += torch.stack([loss.double() * weight, hits.double()])
        self._weight += weight
        self._images += images

    def sums(self) -> list[float]:
        """The sums over all processes; all must ask."""
        loss, hits = self._world.sum(self._own.clone()).tolist()
        since = [loss, self._weight, hits, float(self._images), time.monotonic() - self._start]
        return [a + b for a, b in zip(self._begun, since, strict=True)]

    def so_far(self) -> tuple[float, float]:
        """(loss, accuracy) as this process sees them: for progress lines only."""
        loss, hits = self._own.tolist()
        world = self._world.size
        weight, images = self._begun[1] + self._weight, self._begun[3] + self._images
        return (self._begun[0] + loss * world) / max(weight, 1e-12), (self._begun[2] + hits * world) / max(images, 1.0)
