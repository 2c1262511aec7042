"""Generated dogs of 133 breeds, in the layout of Udacity's dogImages.

    generate(Path("dogImages"), classes=12, train=240, valid=60, test=60, seed=7)

leaves ``train/ valid/ test/<number>.<Breed>/<Breed>_<number>.jpg``. A breed has a coat of its own (two colours, patches
of its own size and share, a length of hair) and a build (body, legs, ears, snout); each picture another pose, light,
place, size and background. Shades differ from dog to dog, so that no single colour tells the breeds apart. As in the
real set, one training picture ends too early.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from launcher.data.drawing import Float, clouds, draw_all
from launcher.data.whole import workplace

# Udacity's names and numbers.
BREEDS: tuple[str, ...] = tuple((Path(__file__).parent / "breeds.txt").read_text(encoding="utf-8").split())

# What a coat is drawn from, the same for every set: a breed looks alike whatever the seed.
_COATS = 133
_Job = tuple[Path, int, tuple[int, int, int], int]


@dataclass(frozen=True)
class _Breed:
    """A coat and a build. Colours are 0 to 255; sizes are parts of the body's length."""

    coat: Float
    patch: Float
    share: float
    patches: int
    hair: float
    body: float
    legs: float
    ears: float
    snout: float


def class_name(breed: int) -> str:
    """The folder of a breed: 001.Affenpinscher for 0."""
    return f"{breed + 1:03d}.{BREEDS[breed]}"


def generate(destination: Path, *, classes: int, train: int, valid: int, test: int, seed: int, size: int = 224) -> None:
    """Write pictures of the first ``classes`` breeds, the totals of each split spread evenly over them.

    ``size`` is about a picture's shorter side. The same seed gives the same files. Raises DatasetError when the
    destination holds something; it appears whole or not at all.
    """
    jobs: list[_Job] = []
    with workplace(destination) as (_, whole):
        for split, (name, total) in enumerate((("train", train), ("valid", valid), ("test", test))):
            for index in range(total):
                breed = index % classes
                folder = whole / name / class_name(breed)
                folder.mkdir(parents=True, exist_ok=True)
                # The real set numbers the pictures of a breed through all splits, as every picture here has its own.
                number = split * 3000 + index // classes + 1
                jobs.append((folder / f"{BREEDS[breed]}_{number:05d}.jpg", breed, (seed, split, index), size))
        draw_all(_write, jobs)
        folder = whole / "train" / class_name(classes - 1)
        picture = _encoded(draw(classes - 1, np.random.default_rng([seed, 3]), size=size))
        (folder / f"{BREEDS[classes - 1]}_06571.jpg").write_bytes(picture[: len(picture) // 2])


def _write(job: _Job) -> None:
    path, breed, key, size = job
    path.write_bytes(_encoded(draw(breed, np.random.default_rng(key), size=size)))


def _encoded(picture: NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=90)
    return data.getvalue()


def _breed(index: int) -> _Breed:
    rng = np.random.default_rng([_COATS, index])
    # Colours as dogs have them: from black over brown and red to cream and white.
    light, warm = rng.uniform(25, 235, 2), rng.uniform(0.0, 0.55, 2)
    coat, patch = (
        np.array([level, level * (1 - tint * 0.45), level * (1 - tint)], np.float32)
        for level, tint in zip(light, warm, strict=True)
    )
    return _Breed(
        coat=coat,
        patch=patch,
        share=float(rng.choice([0.0, 0.25, 0.5])),
        patches=int(rng.choice([3, 6, 14])),
        hair=float(rng.uniform(0.02, 0.3)),
        body=float(rng.uniform(0.3, 0.55)),
        legs=float(rng.uniform(0.25, 0.7)),
        ears=float(rng.uniform(0.12, 0.45)),
        snout=float(rng.uniform(0.12, 0.4)),
    )


def draw(breed: int, rng: np.random.Generator, *, size: int = 224) -> NDArray[np.uint8]:
    """One picture (H, W, 3) of a dog of ``breed`` (0 to 132), seen from the side."""
    looks = _breed(breed)
    width, height = (int(size * factor) for factor in rng.uniform(1.0, 1.4, 2))
    picture = _background(rng, width, height)
    scale = min(width, height) * rng.uniform(0.42, 0.58)
    x = (np.arange(width, dtype=np.float32)[None, :] - width * rng.uniform(0.42, 0.58)) / scale
    y = (np.arange(height, dtype=np.float32)[:, None] - height * rng.uniform(0.38, 0.5)) / scale
    turn = np.float32(rng.normal(0, 0.08))
    x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    if rng.random() < 0.5:
        x = -x
    cover, shade = _dog(looks, x, y, rng, 1 / scale)
    marks = clouds(rng, width, height, (looks.patches, looks.patches * 2))
    marked = np.clip((marks - np.quantile(marks, 1 - looks.share)) * 8 + 0.5, 0, 1) if looks.share else 0 * marks
    fur = clouds(rng, width, height, (32, 64)) * looks.hair
    coat = looks.coat * (1 - marked[..., None]) + looks.patch * marked[..., None]
    # From dog to dog and from light to light.
    own = rng.normal(1, 0.06, 3) * rng.uniform(0.75, 1.2)
    dog = coat * own * (shade * (1 + fur))[..., None]
    picture = picture * (1 - cover[..., None]) + dog * cover[..., None]
    noise = rng.normal(0, rng.uniform(2, 7), (height, width, 1))
    drawn: NDArray[np.uint8] = np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
    return drawn


def _background(rng: np.random.Generator, width: int, height: int) -> Float:
    """A floor and a wall of any colours."""
    wall, floor = rng.uniform(50, 220, (2, 3)).astype(np.float32)
    line = height * rng.uniform(0.45, 0.75)
    below = np.clip((np.arange(height, dtype=np.float32) - line) / 4 + 0.5, 0, 1)[:, None, None]
    grain = clouds(rng, width, height)[..., None] * np.float32(rng.uniform(5, 18))
    ground: Float = wall * (1 - below) + floor * below + grain
    return ground


def _dog(looks: _Breed, x: Float, y: Float, rng: np.random.Generator, pixel: float) -> tuple[Float, Float]:
    """How far each pixel is the dog's (0 to 1), and how bright it is there. The body is one unit long."""
    half = looks.body / 2
    head_x, head_y = 0.58, -half - 0.12 + rng.uniform(-0.05, 0.08)
    parts = [
        (0.0, 0.0, 0.5, half, 0.0),
        (0.42, -half * 0.7, 0.16, half * 0.8, -0.5),
        (head_x, head_y, 0.19, 0.17, 0.0),
        (head_x + 0.1 + looks.snout / 2, head_y + 0.05, looks.snout, 0.075, 0.05),
        (head_x - 0.06, head_y + (looks.ears * 0.5 - 0.12), 0.07, looks.ears / 1.6, 0.2),
        (-0.56, -half * 0.9, 0.05, 0.24, rng.uniform(0.2, 0.9)),
    ]
    for place in (-0.38, -0.26, 0.24, 0.38):
        reach = looks.legs / 2 + half * 0.3
        parts.append((place + rng.normal(0, 0.02), half + looks.legs / 2 - 0.05, 0.06, reach, rng.normal(0, 0.07)))
    cover = np.zeros(np.broadcast(x, y).shape, np.float32)
    shade = np.ones_like(cover)
    for centre_x, centre_y, across, down, turn in reversed(parts):
        cos, sin = np.cos(turn), np.sin(turn)
        u = ((x - centre_x) * cos + (y - centre_y) * sin) / across
        v = (-(x - centre_x) * sin + (y - centre_y) * cos) / down
        distance = np.sqrt(u * u + v * v)
        inside = np.clip((1 - distance) * min(across, down) / pixel + 0.5, 0, 1).astype(np.float32)
        # Rounder towards the rim, and darker below.
        lit = 1.05 - 0.3 * np.clip(distance, 0, 1) ** 3 - 0.12 * np.clip(v, -1, 1)
        shade = (shade * (1 - inside) + lit * inside).astype(np.float32)
        cover = np.maximum(cover, inside)
    return cover, shade
