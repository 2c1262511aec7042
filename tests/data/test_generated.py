"""The drawn bins and dogs: seeded, in the layouts of the real sets, and not to be told apart by a constant."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from launcher.data import breeds, generate_bins, generate_dogs, generate_fingers, hands, shelves

Draw = Callable[[int, np.random.Generator], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def bins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bins")
    generate_bins(root, count=150, seed=7, size=48)
    return root


@pytest.fixture(scope="module")
def dogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dogs")
    generate_dogs(root, classes=4, train=40, valid=8, test=8, seed=7, size=48)
    return root


def digests(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_bins_are_laid_out_as_amazons(bins: Path) -> None:
    assert all(re.fullmatch(r"\d{5}\.jpg", path.name) for path in (bins / "bin-images").iterdir())
    for path in (bins / "metadata").iterdir():
        metadata = json.loads(path.read_text())
        products = metadata["BIN_FCSKU_DATA"].values()
        assert metadata["EXPECTED_QUANTITY"] == sum(product["quantity"] for product in products)
        assert all(product["asin"].startswith("B0") and product["weight"]["unit"] == "pounds" for product in products)
    listed = json.loads((bins / "file_list.json").read_text())
    assert list(listed) == ["1", "2", "3", "4", "5"]
    assert all(re.fullmatch(r"data/metadata/\d{5}\.json", file) for files in listed.values() for file in files)


def test_the_bins_are_as_unbalanced_as_the_published_list(bins: Path) -> None:
    counts = {label: len(files) for label, files in json.loads((bins / "file_list.json").read_text()).items()}
    assert counts["3"] > counts["4"] > counts["5"] > counts["1"]
    assert counts["3"] / counts["1"] == pytest.approx(2666 / 1228, rel=0.15)


def test_the_dogs_are_laid_out_as_udacitys(dogs: Path) -> None:
    assert len(breeds.BREEDS) == len(set(breeds.BREEDS)) == 133
    assert (breeds.class_name(0), breeds.class_name(132)) == ("001.Affenpinscher", "133.Yorkshire_terrier")
    for split, count in (("train", 10), ("valid", 2), ("test", 2)):
        assert sorted(path.name for path in (dogs / split).iterdir()) == [breeds.class_name(n) for n in range(4)]
        for n in range(4):
            names = [path.name for path in (dogs / split / breeds.class_name(n)).iterdir()]
            assert all(re.fullmatch(rf"{breeds.BREEDS[n]}_\d{{5}}\.jpg", name) for name in names)
            assert len(names) == count + (split == "train" and n == 3), "one more, which ends too early"
    sizes = set()
    for path in (dogs / "test").rglob("*.jpg"):
        with Image.open(path) as opened:
            sizes.add(opened.size)
    assert len(sizes) > 4, "photographs have many sizes"


@pytest.mark.parametrize("kind", ["bins", "dogs"])
def test_the_same_seed_gives_the_same_files_and_another_seed_others(kind: str, tmp_path: Path) -> None:
    def made(name: str, seed: int) -> dict[str, str]:
        if kind == "bins":
            generate_bins(tmp_path / name, count=20, seed=seed, size=32)
        else:
            generate_dogs(tmp_path / name, classes=2, train=6, valid=2, test=2, seed=seed, size=32)
        return {file: digest for file, digest in digests(tmp_path / name).items() if file.endswith(".jpg")}

    first = made("a", 1)
    assert made("b", 1) == first
    assert not set(made("c", 2).values()) & set(first.values())


@pytest.mark.parametrize(
    ("module", "generate"),
    [
        (hands, lambda place: generate_fingers(place, train=12, test=12, seed=1)),
        (shelves, lambda place: generate_bins(place, count=20, seed=1)),
        (breeds, lambda place: generate_dogs(place, classes=2, train=2, valid=2, test=2, seed=1)),
    ],
)
def test_a_set_that_was_interrupted_is_not_there(
    module: ModuleType, generate: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(draw: Callable[[Any], None], jobs: Iterable[Any]) -> None:
        draw(next(iter(jobs)))
        assert any(path.is_file() for path in tmp_path.rglob("*")), "it had begun"
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "draw_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "set")
    assert not list(tmp_path.iterdir())


def test_no_picture_stands_twice(bins: Path, dogs: Path) -> None:
    for root in (bins, dogs):
        found = [digest for file, digest in digests(root).items() if file.endswith(".jpg")]
        assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("draw", "classes", "limit"),
    [
        (lambda n, rng: shelves.draw(n + 1, rng, size=48)[0], 5, 0.55),
        (lambda n, rng: breeds.draw(n * 11, rng, size=48), 12, 0.35),
    ],
    ids=["bins", "dogs"],
)
def test_the_mean_colour_does_not_tell_the_classes_apart(draw: Draw, classes: int, limit: float) -> None:
    """The nearest of the classes' centres in mean and deviation of each colour: the best that a constant does."""
    features: list[NDArray[np.float64]] = []
    truth = np.arange(classes * 24) % classes
    for index, label in enumerate(truth):
        picture = draw(int(label), np.random.default_rng([5, index])).reshape(-1, 3).astype(np.float64)
        features.append(np.concatenate([picture.mean(0), picture.std(0)]))
    values = np.array(features)
    values = (values - values.mean(0)) / values.std(0)
    half = len(truth) // 2
    centres = np.array([values[:half][truth[:half] == label].mean(0) for label in range(classes)])
    nearest = np.argmin(((values[half:, None] - centres) ** 2).sum(-1), axis=1)
    accuracy = (nearest == truth[half:]).mean()
    assert accuracy < limit, f"{accuracy:.0%} by the colour alone"
