"""Small data sets in the layouts of others, drawn or odd on purpose."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from launcher.data import Prepared, prepare


def picture(path: Path, seed: int, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    shape = (12, 10) if mode == "L" else (12, 10, 3)
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return path


def class_folders(root: Path, sizes: dict[str, int]) -> Path:
    seed = 0
    for label, count in sizes.items():
        for i in range(count):
            picture(root / label / f"{i}.png", seed := seed + 1)
    return root


def bins(root: Path, quantities: Mapping[str, Any]) -> Path:
    """Bins by their number; a quantity of None stands for a bin without metadata, bytes are metadata as they are."""
    for seed, (number, quantity) in enumerate(quantities.items()):
        picture(root / "bin-images" / f"{number}.jpg", seed)
        place = root / "metadata" / f"{number}.json"
        place.parent.mkdir(exist_ok=True)
        if isinstance(quantity, bytes):
            place.write_bytes(quantity)
        elif quantity is not None:
            place.write_text(json.dumps({"BIN_FCSKU_DATA": {}, "EXPECTED_QUANTITY": quantity}))
    return root


def numbered(counts: Mapping[int, int]) -> dict[str, int]:
    """So many bins of each quantity."""
    quantities = [items for items, count in counts.items() for _ in range(count)]
    return {f"{number:05d}": items for number, items in enumerate(quantities, start=1)}


def zipped(archive: Path, source: Path, under: str = "") -> Path:
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(source.rglob("*")):
            opened.write(path, Path(under) / path.relative_to(source))
    return archive


def run(source: Path | str, destination: Path, **changes: Any) -> Prepared:
    options: dict[str, Any] = {"validation_fraction": 0.2, "test_fraction": 0.2, "seed": 1, **changes}
    return prepare(source, destination, **options)


def totals(made: Prepared) -> dict[str, int]:
    """Images of each class in all splits."""
    labels = {label for counts in made.counts.values() for label in counts}
    return {label: sum(counts.get(label, 0) for counts in made.counts.values()) for label in sorted(labels)}
