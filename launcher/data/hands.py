"""A generated hands-and-fingers set in the layout of Kaggle's koryakinp/fingers.

Gray 128×128 PNGs named ``<id>_<0-5><L|R>.png`` in flat ``train/`` and ``test/`` folders: twelve
classes, a hand seen from the palm side with 0 to 5 fingers raised, left or right. Drawn as
shaded capsules under a random pose (rotation, size, place, spread, bend, stroke), on a noisy,
unevenly lit background. A left hand is the mirror image of a right one and its pose is drawn
from the same distribution, so that only the hand's own shape tells left from right.

    generate(Path("hands"), train=3000, test=600, seed=7)
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from launcher.data.drawing import Float, clouds, draw_all
from launcher.data.whole import workplace

CLASSES: tuple[str, ...] = tuple(f"{count}{hand}" for count in range(6) for hand in "LR")

# Fingers of a right hand seen from the palm: thumb, index, middle, ring, little. Places on the
# palm's rim in units of the palm's half width (x to the right, y up), directions in degrees from
# upright, lengths and half widths in the same unit. Proportions are roughly those of an adult hand.
_ROOT = np.array([[-0.78, -0.15], [-0.62, 0.78], [-0.2, 0.92], [0.22, 0.88], [0.62, 0.7]], np.float32)
_ANGLE = np.array([-62.0, -14.0, -3.0, 7.0, 19.0], np.float32)
_LENGTH = np.array([1.0, 1.45, 1.62, 1.5, 1.15], np.float32)
_WIDTH = np.array([0.24, 0.21, 0.22, 0.21, 0.18], np.float32)

# Which fingers people raise for a number; the first is by far the most usual.
_RAISED: dict[int, tuple[tuple[int, ...], ...]] = {
    0: ((),),
    1: ((1,), (1,), (1,), (0,)),
    2: ((1, 2), (1, 2), (1, 2), (0, 1)),
    3: ((1, 2, 3), (1, 2, 3), (0, 1, 2)),
    4: ((1, 2, 3, 4),),
    5: ((0, 1, 2, 3, 4),),
}


@dataclass(frozen=True)
class _Stroke:
    """A capsule: from ``a`` to ``b`` (image units), half width ``radius``, drawn at ``height``."""

    a: Float
    b: Float
    radius: float
    height: float
    brightness: float


def generate(destination: Path, *, train: int, test: int, seed: int, size: int = 128) -> None:
    """Write ``train`` and ``test`` images (as many of each class as divides out) under ``destination``.

    The same seed gives the same files, names included. Each image has a seed of its own, and no two
    splits share one. Raises DatasetError when the destination holds something; it appears whole or not at all.
    """
    jobs: list[tuple[Path, str, tuple[int, int, int], int]] = []
    with workplace(destination) as (_, whole):
        for split, (name, total) in enumerate((("train", train), ("test", test))):
            folder = whole / name
            folder.mkdir()
            jobs += [(folder, CLASSES[i % len(CLASSES)], (seed, split, i), size) for i in range(total)]
        draw_all(_write, jobs)


def _write(job: tuple[Path, str, tuple[int, int, int], int]) -> None:
    folder, label, key, size = job
    rng = np.random.default_rng(key)
    name = uuid.UUID(bytes=rng.bytes(16), version=4)
    picture = draw(int(label[0]), label[1], rng, size=size)
    Image.fromarray(picture).save(folder / f"{name}_{label}.png", compress_level=1)


def draw(count: int, hand: str, rng: np.random.Generator, *, size: int = 128) -> NDArray[np.uint8]:
    """One (size, size) uint8 picture of a ``hand`` ("L" or "R") with ``count`` fingers raised."""
    strokes = _hand(count, rng)
    if hand == "L":
        mirror = np.array([-1.0, 1.0], np.float32)
        strokes = [_Stroke(s.a * mirror, s.b * mirror, s.radius, s.height, s.brightness) for s in strokes]
    light = _render(strokes, _pose(rng), rng, size)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def _hand(count: int, rng: np.random.Generator) -> list[_Stroke]:
    """The strokes of a right hand in its own coordinates, the palm's centre at (0, 0)."""
    choices = _RAISED[count]
    raised = choices[int(rng.integers(len(choices)))]
    stout = rng.uniform(0.85, 1.2)
    spread = rng.uniform(0.6, 1.5)
    strokes = [
        # wrist and palm: two thick capsules that overlap
        _stroke((0.05, -1.05), (0.0, -0.5), 0.62 * rng.uniform(0.9, 1.05), 0.0, 0.94),
        _stroke((-0.28, 0.15), (0.3, 0.12), 0.72 * rng.uniform(0.95, 1.05), 0.1, 1.0),
    ]
    for finger in range(5):
        radius = float(_WIDTH[finger]) * stout
        length = float(_LENGTH[finger]) * rng.uniform(0.85, 1.12)
        if finger in raised:
            angle = np.deg2rad(_ANGLE[finger] * (spread if finger else 1.0) + rng.normal(0, 4))
            bend = np.deg2rad(rng.normal(0, 7))
            joint = _ROOT[finger] + 0.5 * length * np.array([np.sin(angle), np.cos(angle)], np.float32)
            tip = joint + 0.5 * length * np.array([np.sin(angle + bend), np.cos(angle + bend)], np.float32)
            strokes.append(_stroke(_ROOT[finger], joint, radius, 0.3, 1.0))
            strokes.append(_stroke(joint, tip, radius * 0.9, 0.3, 1.02))
        elif finger:
            # folded: the middle joint points at the viewer, the tip lies on the palm
            knuckle = _ROOT[finger] + np.array([rng.normal(0, 0.03), rng.uniform(-0.05, 0.1)], np.float32)
            fold = knuckle + np.array([rng.normal(0, 0.03), -rng.uniform(0.4, 0.55)], np.float32)
            strokes.append(_stroke(knuckle, fold, radius * 1.05, 0.6, 1.04))
    if 0 not in raised:
        # the thumb crosses the palm over the folded fingers: what tells a fist's left from right
        reach = rng.uniform(0.55, 0.85)
        start = _ROOT[0] + np.array([0.1, -0.15], np.float32)
        tip = np.array([-0.62 + reach, 0.1 + rng.uniform(-0.12, 0.15)], np.float32)
        strokes.append(_stroke(start, tip, float(_WIDTH[0]) * stout, 0.9, 1.08))
    return strokes


def _stroke(a: object, b: object, radius: float, height: float, brightness: float) -> _Stroke:
    return _Stroke(np.asarray(a, np.float32), np.asarray(b, np.float32), radius, height, brightness)


@dataclass(frozen=True)
class _Pose:
    scale: float
    angle: float
    center: tuple[float, float]


def _pose(rng: np.random.Generator) -> _Pose:
    """Palm half width as a part of the picture, rotation in radians, place of the palm's centre."""
    scale = rng.uniform(0.105, 0.165)
    return _Pose(
        scale=scale,
        angle=np.deg2rad(rng.normal(0, 11)),
        center=(0.5 + rng.uniform(-0.1, 0.1), 0.58 + rng.uniform(-0.08, 0.08)),
    )


def _render(strokes: list[_Stroke], pose: _Pose, rng: np.random.Generator, size: int) -> Float:
    """Strokes, highest last, shaded like rounded bodies; (size, size) gray levels."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    x = (axis[None, :] - pose.center[0]) / pose.scale
    y = (pose.center[1] - axis[:, None]) / pose.scale
    cos, sin = np.float32(np.cos(pose.angle)), np.float32(np.sin(pose.angle))
    px, py = cos * x - sin * y, sin * x + cos * y
    pixel = 1.0 / (size * pose.scale)
    background = rng.uniform(25, 85)
    picture = background + clouds(rng, size, size) * rng.uniform(4, 14)
    skin = min(background + rng.uniform(70, 130), 215.0)
    lit = rng.uniform(0.0, 2 * np.pi)
    for stroke in sorted(strokes, key=lambda s: s.height):
        distance, side = _capsule(px, py, stroke)
        cover = np.clip((stroke.radius - distance) / pixel + 0.5, 0, 1)
        # A round body is darker towards its rim; the rim is what separates fingers that lie together.
        rim = np.clip(distance / stroke.radius, 0, 1) ** 2
        shade = skin * stroke.brightness * (1 - 0.33 * rim + 0.07 * side * np.float32(np.cos(lit)))
        picture = picture * (1 - cover) + shade * cover
    gradient = 1 + rng.uniform(0, 0.18) * ((x * np.cos(lit) + y * np.sin(lit)) * pose.scale)
    noise = rng.normal(0, rng.uniform(2, 9), (size, size)).astype(np.float32)
    return np.asarray(picture * gradient + noise, np.float32)


def _capsule(px: Float, py: Float, stroke: _Stroke) -> tuple[Float, Float]:
    """Distance of each pixel to the stroke's axis, and on which side of it (-1 to 1) it lies."""
    ax, ay = stroke.a
    bx, by = stroke.b - stroke.a
    length2 = max(float(bx * bx + by * by), 1e-9)
    dx, dy = px - ax, py - ay
    t = np.clip((dx * bx + dy * by) / length2, 0, 1)
    distance = np.hypot(dx - t * bx, dy - t * by)
    side = np.clip((dx * by - dy * bx) / (np.sqrt(length2) * stroke.radius), -1, 1)
    return distance, side
