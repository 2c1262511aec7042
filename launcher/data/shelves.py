"""Generated bins of a warehouse, in the layout of Amazon's Bin Image Dataset.

    generate(Path("bins"), count=600, seed=7)

leaves ``bin-images/00001.jpg``, ``metadata/00001.json`` and ``file_list.json``, which chooses bins for the classes 1 to
5 as the published system's list does. A photo shows a fabric bin, boxes and cylinders of several products in it, and
bands across it; the number of items is all that the classes differ in, and they are as unbalanced as in that list. As
in the real set, some bins hold nothing or more than five items, one photo has no metadata and one bin no photo.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from launcher.data.bins import IMAGES, METADATA, QUANTITY
from launcher.data.drawing import clouds, draw_all
from launcher.data.whole import workplace

LIST = "file_list.json"

# Bins of 1 to 5 items in the published list, and a few of those that it leaves out.
_SHARES = {0: 200, 1: 1228, 2: 2299, 3: 2666, 4: 2373, 5: 1875, 6: 150, 9: 50}
_LISTED = range(1, 6)
_Job = tuple[Path, int, int, tuple[int, int], int]
# Where items lie: cells of a grid, so that none hides another wholly.
_COLUMNS, _ROWS = 4, 3
# Drawn so many times as large, then shrunk: smooth edges.
_FINER = 2


def generate(destination: Path, *, count: int, seed: int, size: int = 224) -> None:
    """Write ``count`` bins under ``destination``; the same seed gives the same files. ``size`` is a photo's height.

    Raises DatasetError when the destination holds something; it appears whole or not at all.
    """
    with workplace(destination) as (_, whole):
        _generate(whole, count=count, seed=seed, size=size)


def _generate(destination: Path, *, count: int, seed: int, size: int) -> None:
    for folder in (IMAGES, METADATA):
        (destination / folder).mkdir()
    rng = np.random.default_rng([seed, 0])
    quantities = _quantities(count, rng)
    draw_all(_write, [(destination, number, items, (seed, number), size) for number, items in quantities.items()])
    numbers = list(quantities)
    if count > 2:
        # The first that the list leaves out lack a half; the list's own are whole.
        outside = [number for number in numbers if quantities[number] not in _LISTED] or numbers[-2:]
        (destination / METADATA / f"{outside[0]:05d}.json").unlink()
        (destination / IMAGES / f"{outside[-1]:05d}.jpg").unlink(missing_ok=True)
    listed: dict[str, list[str]] = defaultdict(list)
    for number, items in quantities.items():
        if items in _LISTED:
            listed[str(items)].append(f"data/{METADATA}/{number:05d}.json")
    (destination / LIST).write_text(json.dumps(dict(sorted(listed.items()))), encoding="utf-8")


def _quantities(count: int, rng: np.random.Generator) -> dict[int, int]:
    """Items of each bin, by its number from 1 on; each quantity has its share, to the nearest bin."""
    total = sum(_SHARES.values())
    bounds = np.cumsum(list(_SHARES.values())) / total * count
    items = [list(_SHARES)[int(np.searchsorted(bounds, at + 0.5))] for at in range(count)]
    return dict(enumerate((int(each) for each in rng.permutation(items)), start=1))


def _write(job: _Job) -> None:
    destination, number, items, key, size = job
    rng = np.random.default_rng([1, *key])
    picture, products = draw(items, rng, size=size)
    Image.fromarray(picture).save(destination / IMAGES / f"{number:05d}.jpg", quality=88)
    data = {
        asin: {
            "asin": asin,
            "height": {"unit": "IN", "value": round(float(rng.uniform(0.5, 4)), 2)},
            "length": {"unit": "IN", "value": round(float(rng.uniform(3, 12)), 2)},
            "name": f"Product {asin[-4:]}",
            "quantity": quantity,
            "weight": {"unit": "pounds", "value": round(float(rng.uniform(0.1, 3)), 3)},
            "width": {"unit": "IN", "value": round(float(rng.uniform(2, 8)), 2)},
        }
        for asin, quantity in products.items()
    }
    metadata = {"BIN_FCSKU_DATA": data, QUANTITY: items}
    (destination / METADATA / f"{number:05d}.json").write_text(json.dumps(metadata, indent=2), encoding="utf-8")


def draw(items: int, rng: np.random.Generator, *, size: int = 224) -> tuple[NDArray[np.uint8], dict[str, int]]:
    """One photo (H, W, 3) of a bin with ``items`` in it, and how many there are of each product."""
    height, width = size, int(size * rng.uniform(0.85, 1.25))
    fabric = np.array([rng.uniform(80, 120), rng.uniform(70, 95), rng.uniform(45, 70)])
    ground = fabric + 9 * clouds(rng, width, height)[..., None] * np.array([1.0, 0.9, 0.8])
    # Darker towards the back of the bin.
    depth = np.linspace(rng.uniform(0.55, 0.75), 1.1, height)[:, None, None]
    whole = (width * _FINER, height * _FINER)
    canvas = Image.fromarray(np.clip(ground * depth, 0, 255).astype(np.uint8)).resize(whole)
    pen = ImageDraw.Draw(canvas)
    products: dict[str, int] = {}
    look: dict[str, tuple[int, ...]] = {}
    cells = rng.permutation(_COLUMNS * _ROWS)[:items]
    for cell in sorted(int(each) for each in cells):
        # Now and then another of what lies there already.
        if products and rng.random() < 0.35:
            asin = str(rng.choice(list(products)))
        else:
            asin = "B0" + "".join(rng.choice(list("0123456789ABCDEFGHJKLMNP"), 8))
            look[asin] = tuple(int(each) for each in rng.integers(60, 256, 3))
        products[asin] = products.get(asin, 0) + 1
        _item(pen, rng, whole, cell, look[asin])
    _bands(pen, rng, whole)
    picture = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2))).resize((width, height))
    light = rng.uniform(0.8, 1.15)
    noisy = np.asarray(picture, np.float32) * light + rng.normal(0, rng.uniform(2, 6), (height, width, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), products


def _item(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, whole: tuple[int, int], cell: int, colour: tuple[int, ...]
) -> None:
    """A box, turned a little, with a lit edge and a label; or a cylinder that stands."""
    width, height = whole[0] / _COLUMNS, whole[1] / _ROWS
    x = (cell % _COLUMNS + 0.5 + rng.uniform(-0.1, 0.1)) * width
    y = (cell // _COLUMNS + 0.5 + rng.uniform(-0.1, 0.1)) * height
    half = np.array([width * rng.uniform(0.28, 0.42), height * rng.uniform(0.28, 0.42)])
    dark = tuple(int(each * 0.55) for each in colour)
    pale = tuple(int(each + (255 - each) * 0.5) for each in colour)
    if rng.random() < 0.3:
        left, top, right, bottom = x - half[0] * 0.7, y - half[1], x + half[0] * 0.7, y + half[1]
        lid = half[1] * 0.35
        pen.rectangle((left, top + lid / 2, right, bottom - lid / 2), fill=colour, outline=dark, width=3)
        pen.ellipse((left, bottom - lid, right, bottom), fill=colour, outline=dark, width=3)
        pen.ellipse((left, top, right, top + lid), fill=pale, outline=dark, width=3)
        return
    turn = np.deg2rad(rng.normal(0, 12))
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half) @ axes + (x, y)
    shadow = corners + half * 0.18
    pen.polygon([tuple(each) for each in shadow], fill=tuple(int(each * 0.3) for each in dark))
    pen.polygon([tuple(each) for each in corners], fill=colour, outline=dark, width=3)
    label = (np.array([[-0.6, -0.5], [0.4, -0.5], [0.4, 0.1], [-0.6, 0.1]]) * half) @ axes + (x, y)
    pen.polygon([tuple(each) for each in label], fill=pale)


def _bands(pen: ImageDraw.ImageDraw, rng: np.random.Generator, whole: tuple[int, int]) -> None:
    """The elastic bands that keep items from falling out."""
    for at in (0.3, 0.65):
        y = whole[1] * (at + rng.uniform(-0.05, 0.05))
        slope = whole[1] * rng.uniform(-0.03, 0.03)
        pen.line((0, y, whole[0], y + slope), fill=(205, 200, 185), width=max(2, whole[1] // 90))
