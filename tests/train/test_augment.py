"""Augmentation: seeded by place, shared among processes, and nothing but the crop where nothing is asked for."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from container.common.images import center
from container.train.augment import Augmenter, generator_for
from container.train.sources import ImageSource

PIXELS = torch.randint(0, 256, (12, 37, 37, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_without_augmentation_the_middle_is_taken() -> None:
    assert torch.equal(Augmenter("none", size=32, seed=0)(PIXELS, epoch=0, step=0), center(PIXELS, 32))


def test_flip_mirrors_about_half_of_the_images_and_changes_nothing_else() -> None:
    plain = center(PIXELS, 32).repeat(20, 1, 1, 1)
    flipped = Augmenter("flip", size=32, seed=0)(plain, epoch=0, step=0)
    mirrored = (flipped == plain.flip(2)).flatten(1).all(dim=1)
    assert torch.equal(flipped[~mirrored], plain[~mirrored])
    assert 90 < int(mirrored.sum()) < 150


@pytest.mark.parametrize("kind", ["flip", "crop", "randaugment"])
def test_what_is_judged_is_the_plain_middle_whatever_trains(kind: str) -> None:
    """The published systems cropped at random at test time too."""
    images = SimpleNamespace(pixels=PIXELS.numpy(), labels=np.zeros(len(PIXELS), np.int64))
    source = ImageSource(images, Augmenter(kind, size=32, seed=0), torch.device("cpu"))  # type: ignore[arg-type]
    assert torch.equal(source.plain(slice(0, 12)), center(PIXELS, 32))
    drawn = source.take(torch.arange(12), epoch=0, step=0, share=slice(0, 12), total=12)
    assert not torch.equal(drawn, center(PIXELS, 32)), "and what trains is another picture"


@pytest.mark.parametrize("kind", ["flip", "crop", "randaugment"])
def test_the_same_place_draws_the_same_and_another_draws_anew(kind: str) -> None:
    def drawn(seed: int, epoch: int, step: int) -> torch.Tensor:
        return Augmenter(kind, size=32, seed=seed)(PIXELS, epoch=epoch, step=step)

    first = drawn(0, 0, 0)
    assert first.shape == (12, 32, 32, 3)
    assert first.dtype == torch.uint8
    assert torch.equal(first, drawn(0, 0, 0))
    for other in (drawn(1, 0, 0), drawn(0, 1, 0), drawn(0, 0, 1)):
        assert not torch.equal(first, other)


@pytest.mark.parametrize("kind", ["flip", "crop", "randaugment"])
def test_processes_that_share_a_step_draw_what_one_would(kind: str) -> None:
    augmenter = Augmenter(kind, size=32, seed=5)
    whole = augmenter(PIXELS, epoch=2, step=3)
    parts = [augmenter(PIXELS[s], epoch=2, step=3, share=s, total=12) for s in (slice(0, 7), slice(7, 12))]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_of_randaugment_takes_gray_and_colour(channels: int) -> None:
    pixels = PIXELS[..., :channels].repeat(30, 1, 1, 1)
    assert Augmenter("randaugment", size=32, seed=0)(pixels, epoch=0, step=0).shape == (360, 32, 32, channels)


def test_without_flip_a_crop_never_mirrors() -> None:
    ramp = torch.arange(37, dtype=torch.uint8).mul(6).view(1, 1, 37, 1).expand(200, 37, 37, 3).contiguous()

    def rising(flip: bool) -> int:
        rows = Augmenter("crop", size=32, seed=0, flip=flip)(ramp, epoch=0, step=0)[:, 16, :, 0].int()
        return int((rows[:, -1] > rows[:, 0]).sum())

    assert rising(flip=False) == 200
    assert 70 < rising(flip=True) < 130


def test_generators_differ_with_every_number_and_their_order() -> None:
    seeds = {generator_for(*numbers).initial_seed() for numbers in [(0, 1), (1, 0), (0, 0), (0, 1, 0), (0, 0, 1)]}
    assert len(seeds) == 5
