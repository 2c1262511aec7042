"""Names of the data channels, and the aliases people use for them."""

from __future__ import annotations

from pathlib import Path

TRAIN, VALIDATION, TEST, WEIGHTS = "train", "validation", "test", "weights"

SPLITS: tuple[str, ...] = (TRAIN, VALIDATION, TEST)

# Accepted folder or channel names for each split, the first being the canonical one.
ALIASES: dict[str, tuple[str, ...]] = {
    TRAIN: ("train", "training"),
    VALIDATION: ("validation", "valid", "val", "evaluation"),
    TEST: ("test",),
}

# What a class folder may hold, matched without case: torchvision ImageFolder's own list. A GIF is
# served (its first frame) but is no training image, there as here.
IMAGE_SUFFIXES: frozenset[str] = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})


def split_of(name: str) -> str | None:
    """The split a channel or folder name stands for, or None."""
    lowered = name.lower()
    for split, aliases in ALIASES.items():
        if lowered in aliases:
            return split
    return None


def resolve(root: Path) -> dict[str, Path]:
    """Find the splits under an ``input/data`` folder.

    Either a folder a channel (``train``, ``validation``, ``test`` or an alias), or one channel
    ``training``/``train`` that itself holds ``train/ valid/ test/`` folders. A split that is not
    there is left out of the answer.
    """
    found: dict[str, Path] = {}
    if not root.is_dir():
        return found
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        split = split_of(folder.name)
        if split and split not in found:
            found[split] = folder
    if set(found) == {TRAIN}:
        inner = {split_of(p.name): p for p in sorted(found[TRAIN].iterdir()) if p.is_dir()}
        if TRAIN in inner:
            return {split: path for split, path in inner.items() if split is not None}
    return found


def is_image(path: Path) -> bool:
    """Whether a file's name is that of a training image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_clutter(path: Path) -> bool:
    """Files that operating systems leave in folders (.DS_Store, Thumbs.db): passed over without a word."""
    return path.name.startswith(".") or path.name.lower() in ("thumbs.db", "desktop.ini")
