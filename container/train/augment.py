"""Augmentation of whole batches of uint8 images, every draw derived from (seed, epoch, step).

    augmenter = Augmenter("crop", size=224, seed=0)
    augmenter(pixels, epoch=3, step=17).shape       # (N, 256, 256, 3) → (N, 224, 224, 3) uint8

flip: mirrored with probability 1/2. crop: a random part of the decoded square (which is kept with its
margin), resized. randaugment: crop, then two random operations an image, after Cubuk et al. 2019
(https://arxiv.org/abs/1909.13719), at torchvision's ranges and its default magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as operations

from container.common.images import center

# Part of the square's area that a random crop keeps; less than torchvision's 0.08 … 1, whose small
# crops suit a million images and long training, not a thousand.
CROP_AREA = (0.35, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)

# torchvision's RandAugment defaults: two operations, magnitude 9 of 31 bins.
OPERATIONS_AN_IMAGE = 2
MAGNITUDE = 9 / 30


def generator_for(*numbers: int) -> torch.Generator:
    """A generator that depends on all of ``numbers`` and on nothing else."""
    state = 0
    for number in numbers:
        # A splitmix64 round for each number, so that (1, 2) and (2, 1) differ.
        state = (state ^ number) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return torch.Generator().manual_seed(state & 0x7FFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class Draws:
    """Random numbers for N images: boxes (N, 4) to crop, (N,) whether mirrored, (N, operations, 2) which operations."""

    boxes: Tensor | None
    mirrored: Tensor | None
    choices: Tensor


class Augmenter:
    """Turns decoded squares into the network's squares, augmented by ``kind``."""

    def __init__(self, kind: str, *, size: int, seed: int, flip: bool = True) -> None:
        self.kind, self.size, self.seed = kind, size, seed
        self.flips = flip and kind != "none"

    @property
    def needs_margin(self) -> bool:
        """Whether images should be decoded with their margin."""
        return self.kind in ("crop", "randaugment")

    def __call__(self, pixels: Tensor, *, epoch: int, step: int, share: slice | None = None, total: int = 0) -> Tensor:
        """(N, H, W, C) uint8 → (N, size, size, C) uint8, on the device the pixels are on.

        ``share`` is this process's part of a step's ``total`` images: the draws are made for all of
        them, so that a step is the same however many processes share it.
        """
        total = total or len(pixels)
        return self.apply(pixels, self.draws(epoch=epoch, step=step, total=total), share=share or slice(0, len(pixels)))

    def draws(self, *, epoch: int, step: int, total: int) -> Draws | None:
        """All that is drawn for a step of ``total`` images; None when nothing is."""
        if self.kind == "none":
            return None
        generator = generator_for(self.seed, 1 + epoch, 1 + step)
        boxes = _boxes(total, generator) if self.needs_margin else None
        mirrored = torch.rand(total, generator=generator) < 0.5 if self.flips else None
        return Draws(boxes, mirrored, torch.rand(total, OPERATIONS_AN_IMAGE, 2, generator=generator))

    def apply(self, pixels: Tensor, draws: Draws | None, *, share: slice) -> Tensor:
        """``pixels``, which are ``share`` of the images that ``draws`` were made for, augmented by them."""
        if draws is None:
            return center(pixels, self.size)
        if draws.boxes is not None:
            pixels = _cropped(pixels, draws.boxes[share], self.size)
        if draws.mirrored is not None:
            mirrored = draws.mirrored[share].to(pixels.device)
            pixels = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels)
        if self.kind == "randaugment":
            pixels = _randaugment(pixels.permute(0, 3, 1, 2), draws.choices[share]).permute(0, 2, 3, 1)
        return center(pixels, self.size)


def _boxes(count: int, generator: torch.Generator) -> Tensor:
    """(count, 4): centre x, y and half width, height of random crops, the square being −1 … 1."""
    draws = torch.rand(count, 4, generator=generator)
    area = CROP_AREA[0] + draws[:, 0] * (CROP_AREA[1] - CROP_AREA[0])
    low, high = math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1])
    ratio = torch.exp(low + draws[:, 1] * (high - low))
    half = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=1).clamp(max=1.0)
    return torch.cat([(2 * draws[:, 2:] - 1) * (1 - half), half], dim=1)


def _cropped(pixels: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Bilinear samples of each image's box, size × size."""
    boxes = boxes.to(pixels.device)
    matrix = torch.zeros(len(boxes), 2, 3, device=pixels.device)
    matrix[:, 0, 0], matrix[:, 1, 1] = boxes[:, 2], boxes[:, 3]
    matrix[:, 0, 2], matrix[:, 1, 2] = boxes[:, 0], boxes[:, 1]
    channels = pixels.shape[3]
    grid = functional.affine_grid(matrix, [len(boxes), channels, size, size], align_corners=False)
    planes = pixels.permute(0, 3, 1, 2).float()
    sampled = functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    return sampled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _affine(**fixed: Any) -> Callable[[Tensor, float], Tensor]:
    def operation(images: Tensor, amount: float) -> Tensor:
        arguments: dict[str, Any] = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
        for name, value in fixed.items():
            arguments[name] = value(amount, images.shape[-1])
        result: Tensor = operations.affine(images, **arguments, center=[0, 0] if "shear" in fixed else None)
        return result

    return operation


def _degrees(amount: float) -> float:
    return math.degrees(math.atan(amount))


# name → (largest amount, whether its sign is drawn too, what it does); ranges as torchvision's RandAugment.
_OPERATIONS: tuple[tuple[float, bool, Callable[[Tensor, float], Tensor]], ...] = (
    (0.0, False, lambda images, _: images),
    (0.3, True, _affine(shear=lambda a, _: [_degrees(a), 0.0])),
    (0.3, True, _affine(shear=lambda a, _: [0.0, _degrees(a)])),
    (150 / 331, True, _affine(translate=lambda a, side: [int(a * side), 0])),
    (150 / 331, True, _affine(translate=lambda a, side: [0, int(a * side)])),
    (30.0, True, lambda images, a: operations.rotate(images, angle=a)),
    (0.9, True, lambda images, a: operations.adjust_brightness(images, 1 + a)),
    (0.9, True, lambda images, a: operations.adjust_saturation(images, 1 + a)),
    (0.9, True, lambda images, a: operations.adjust_contrast(images, 1 + a)),
    (0.9, True, lambda images, a: operations.adjust_sharpness(images, 1 + a)),
    (4.0, False, lambda images, a: operations.posterize(images, bits=8 - round(a))),
    (255.0, False, lambda images, a: operations.solarize(images, threshold=255.0 - a)),
    (0.0, False, lambda images, _: operations.autocontrast(images)),
    (0.0, False, lambda images, _: operations.equalize(images)),
)


def _randaugment(images: Tensor, choices: Tensor) -> Tensor:
    """(N, C, H, W) uint8; ``choices`` (N, operations, 2) in 0–1 picks each image's operation and sign."""
    images = images.clone()
    for slot in range(choices.shape[1]):
        picked = (choices[:, slot, 0] * len(_OPERATIONS)).long()
        negative = choices[:, slot, 1] < 0.5
        for index, (largest, signed, operation) in enumerate(_OPERATIONS):
            for sign in (False, True) if signed else (None,):
                mask = picked == index if sign is None else (picked == index) & (negative == sign)
                members = mask.nonzero()[:, 0].to(images.device)
                if len(members):
                    amount = largest * MAGNITUDE * (-1 if sign else 1)
                    images[members] = operation(images[members], amount)
    return images
