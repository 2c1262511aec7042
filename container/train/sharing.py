"""Several processes of one host decode once: the first does, the others map its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from container.train import storage
from container.train.data import Split
from container.train.decode import Bad, Decoder, Images
from container.train.world import World


def decode_shared(decoder: Decoder, split: Split, world: World, *, margin: bool) -> Images:
    """``decoder.decode``, done by the first process of this host for all of them."""
    if world.local_size == 1:
        return decoder.decode(split, margin=margin)
    index = decoder.scratch / f"{split.name}.json"
    if world.local_rank == 0:
        images = decoder.decode(split, margin=margin)
        storage.write_text(index, json.dumps(_described(images)))
    world.wait()
    return images if world.local_rank == 0 else _mapped(index)


def _described(images: Images) -> dict[str, object]:
    assert isinstance(images.pixels, np.memmap)
    return {
        "pixels": str(images.pixels.filename),
        "name": images.name,
        "shape": images.pixels.shape,
        "labels": images.labels.tolist(),
        "files": [str(p) for p in images.files],
        "digests": images.digests,
        "bad": [[str(b.path), b.reason] for b in images.bad],
    }


def _mapped(index: Path) -> Images:
    raw = json.loads(index.read_text(encoding="utf-8"))
    # Copy on write: torch wants an array it could write to, and nobody does.
    pixels = np.memmap(raw["pixels"], dtype=np.uint8, mode="c", shape=tuple(raw["shape"]))
    return Images(
        name=raw["name"],
        labels=np.array(raw["labels"], dtype=np.int64),
        files=tuple(Path(p) for p in raw["files"]),
        digests=tuple(raw["digests"]),
        bad=tuple(Bad(Path(p), reason) for p, reason in raw["bad"]),
        load=lambda: pixels,
    )
