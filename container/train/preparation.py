"""Between files and training: every split decoded and looked over, and the figures that follow from its images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import torch

from container.common.channels import SPLITS, TEST, TRAIN, VALIDATION
from container.common.errors import HyperparameterError
from container.common.hyperparameters import Hyperparameters
from container.common.images import IMAGENET_MEAN, IMAGENET_STD, Geometry, center
from container.train.body import Proof
from container.train.cache import Cache, key_of
from container.train.console import Console, Meter
from container.train.conversion import CALIBRATION_IMAGES
from container.train.data import Dataset
from container.train.decode import Decoder, Images, named, processors
from container.train.paths import Paths
from container.train.sharing import decode_shared
from container.train.stopping import StopSignal
from container.train.world import World

# The exported precisions are compared on at most so many validation images.
PROOF_IMAGES = 4000


def decode_all(
    dataset: Dataset,
    *,
    margin: bool,
    h: Hyperparameters,
    paths: Paths,
    cache: Cache,
    world: World,
    console: Console,
    stop: StopSignal,
) -> dict[str, Images]:
    """Every split's images; warns of bad files, and of images that stand in two splits.

    ``margin`` keeps the training images' margins for augmentation.
    """
    meter = Meter(console, "decode", sum(len(split) for split in dataset.splits.values()))

    def tick(count: int) -> None:
        meter.add(count)
        stop.check()

    decoder = Decoder(
        geometry=Geometry(*geometry(h)),  # type: ignore[arg-type]
        workers=processors() if h.workers == "auto" else int(h.workers),
        max_bad=h.max_bad_images,
        scratch=paths.scratch,
        cache=cache,
        always_map=world.local_size > 1,
        tick=tick,
    )
    images = {
        name: decode_shared(decoder, dataset.splits[name], world, margin=margin and name == TRAIN)
        for name in SPLITS
        if name in dataset.splits
    }
    for name, part in images.items():
        console.say(f"{name}: {len(part)} images in {len(dataset.classes)} classes")
        if part.bad:
            console.warn(f"{len(part.bad)} file(s) of the {name} split are left out: {named(part.bad)}")
    for name in (VALIDATION, TEST):
        twice = set(images[TRAIN].digests) & set(images[name].digests) if name in images else set()
        if twice:
            console.warn(f"{len(twice)} image(s) stand in both the train and the {name} split; their metrics flatter")
    world.require_same(hashlib.blake2b(digests_of(images).encode()).hexdigest(), "images")
    return images


def geometry(h: Hyperparameters) -> tuple[int, str, int]:
    """Image size, resize rule and channels."""
    return h.image_size, h.resize, 1 if h.grayscale else 3


def digests_of(images: Mapping[str, Images]) -> str:
    """All images of all splits, in one line."""
    return ";".join(f"{name}:{','.join(part.digests)}" for name, part in sorted(images.items()))


def statistics(h: Hyperparameters, train: Images, cache: Cache) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the three channels the network sees, as parts of 255."""
    if h.normalize == "imagenet":
        return IMAGENET_MEAN, IMAGENET_STD
    if h.normalize == "none":
        return (0.0,) * 3, (1.0,) * 3
    key = key_of("1", geometry(h), h.augment, train.digests)
    means, stds = json.loads(cache.text("statistics", key, lambda: json.dumps(_measured(train))))
    repeat = 3 // len(means)
    return tuple(means) * repeat, tuple(stds) * repeat


def _measured(train: Images) -> tuple[list[float], list[float]]:
    """Means and deviations by channel, from exact integer sums over counts of the 256 values."""
    channels = train.pixels.shape[-1]
    counts = np.zeros((channels, 256), dtype=np.int64)
    for start in range(0, len(train), 256):
        block = train.pixels[start : start + 256]
        for channel in range(channels):
            counts[channel] += np.bincount(block[..., channel].reshape(-1), minlength=256)
    values = np.arange(256) / 255
    totals = counts.sum(axis=1)
    means = counts @ values / totals
    # A constant channel has no deviation to divide by; 1/255 is the smallest step there is.
    stds = np.sqrt(np.maximum(counts @ values**2 / totals - means**2, 255.0**-2))
    return means.tolist(), stds.tolist()


def class_weights(h: Hyperparameters, train: Images, classes: tuple[str, ...]) -> torch.Tensor | None:
    """Weights in class order; balanced: N / (K · count), as scikit-learn defines it."""
    if h.class_weights == "none":
        return None
    if h.class_weights == "balanced":
        counts = np.bincount(train.labels, minlength=len(classes))
        return torch.tensor(len(train) / (len(classes) * counts), dtype=torch.float32)
    assert isinstance(h.class_weights, dict)
    unknown = sorted(set(h.class_weights) - set(classes))
    if unknown:
        raise HyperparameterError(
            f"class-weights names the class '{unknown[0]}', which the training images do not have "
            f"(they have {', '.join(classes)})."
        )
    weights = torch.tensor([h.class_weights.get(name, 1.0) for name in classes], dtype=torch.float32)
    if not weights.sum() > 0:
        raise HyperparameterError("class-weights are all zero; give at least one class a weight above 0.")
    return weights


def proof(images: Mapping[str, Images], h: Hyperparameters, features: np.ndarray | None = None) -> Proof:
    """The images an export is calibrated and judged by: some of training, validation up to PROOF_IMAGES.

    ``features`` (N, F) float32 of the validation images, where they are known as Proof wants them.
    """

    def some(part: Images, count: int) -> np.ndarray:
        # Files are sorted by class: evenly spaced ones keep the classes' shares.
        rows: np.ndarray = np.unique(np.linspace(0, len(part) - 1, min(count, len(part))).round().astype(int))
        return rows

    train, validation = images[TRAIN], images[VALIDATION]
    calibrating, judging = some(train, CALIBRATION_IMAGES), some(validation, PROOF_IMAGES)
    digests = [[part.digests[row] for row in rows] for part, rows in ((train, calibrating), (validation, judging))]
    return Proof(
        calibration=lambda: center(train.pixels[calibrating], h.image_size),
        validation=lambda: validation.pixels[judging],
        labels=validation.labels[judging],
        key=key_of(geometry(h), digests),
        features=None if features is None else features[judging],
    )
