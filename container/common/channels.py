"""Names of the data channels, and the aliases people use for them."""

from __future__ import annotations

from pathlib import Path

from container.common.names import did_you_mean

TRAIN, VALIDATION, TEST = "train", "validation", "test"
WEIGHTS, FEATURES = "weights", "features"

SPLITS: tuple[str, ...] = (TRAIN, VALIDATION, TEST)

# Accepted folder or channel names for each split, the first being the canonical one.
ALIASES: dict[str, tuple[str, ...]] = {
    TRAIN: ("train", "training"),
    VALIDATION: ("validation", "valid", "val", "evaluation"),
    TEST: ("test",),
}

# Channels that are no splits; the last two are the Python SDK's own, with a script and its driver.
_OTHERS = (WEIGHTS, FEATURES, "code", "sm_drivers")

# What a class folder may hold, matched without case: torchvision ImageFolder's own list. A GIF is
# served (its first frame) but is no training image, there as here.
IMAGE_SUFFIXES: frozenset[str] = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})

# What the weights channel may hold: one file, a state_dict.
WEIGHTS_SUFFIXES: frozenset[str] = frozenset({".pth", ".pt", ".safetensors"})


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
    ``training``/``train`` that itself holds ``train/ valid/ test/`` folders, and no others. A split
    that is not there is left out of the answer; of two names for one, the canonical is taken.
    """
    return _look(root)[0]


def overlooked(root: Path) -> list[str]:
    """A sentence on each folder that ``resolve`` passes over though it may have been meant."""
    return _look(root)[1]


def _look(root: Path) -> tuple[dict[str, Path], list[str]]:
    found, warnings = _by_split(root)
    if set(found) != {TRAIN}:
        return found, warnings
    inner, faults = _by_split(found[TRAIN])
    # A class may be called "train"; its folder then holds images, and stands beside other classes.
    if TRAIN not in inner or not folders(inner[TRAIN]):
        return found, warnings
    strangers = [p.name for p in folders(found[TRAIN]) if split_of(p.name) is None]
    if not strangers:
        return inner, warnings + faults
    return found, [
        *warnings,
        f"the folders in {found[TRAIN]} are taken for classes, 'train' too, since '{strangers[0]}' is no split."
        f"{did_you_mean(strangers[0], _names())}",
    ]


def _by_split(root: Path) -> tuple[dict[str, Path], list[str]]:
    """The first folder of each split, canonical names first, and sentences on the folders that are left."""
    found: dict[str, Path] = {}
    warnings: list[str] = []
    for folder in sorted(folders(root), key=lambda p: (_rank(p.name), p.name)):
        split = split_of(folder.name)
        if split is None:
            if folder.name not in _OTHERS:
                warnings.append(f"the channel '{folder.name}' is not used.{did_you_mean(folder.name, _names())}")
        elif split in found:
            warnings.append(f"the channel '{folder.name}' is not used: '{found[split].name}' is the {split} split.")
        else:
            found[split] = folder
    return found, warnings


def folders(root: Path) -> list[Path]:
    """The visible folders in ``root``, in the order of classes' indices; none where it is no folder."""
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []


def _names() -> list[str]:
    return [*(alias for aliases in ALIASES.values() for alias in aliases), WEIGHTS, FEATURES]


def _rank(name: str) -> int:
    """Where among its split's aliases a name stands."""
    split = split_of(name)
    return ALIASES[split].index(name.lower()) if split else 0


def weights_files(place: Path) -> list[Path]:
    """The files with weights in a folder, at any depth; of a file itself, when it is one."""
    return sorted(p for p in (place, *place.rglob("*")) if p.is_file() and p.suffix in WEIGHTS_SUFFIXES)


def is_image(path: Path) -> bool:
    """Whether a file's name is that of a training image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_clutter(path: Path) -> bool:
    """Files that operating systems leave in folders (.DS_Store, Thumbs.db): passed over without a word."""
    return path.name.startswith(".") or path.name.lower() in ("thumbs.db", "desktop.ini")
