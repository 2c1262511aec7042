"""Decoding in parallel, and every kind of bad image."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from container.common.errors import DataError, StorageError
from container.common.images import Geometry, center, prepare
from container.train import decode, sharing
from container.train.cache import Cache
from container.train.console import Console
from container.train.data import Split, find
from container.train.decode import Decoder
from container.train.stopping import StopSignal
from container.train.world import World
from tests.train.places import NO_CACHE, image_folder, quick

GEOMETRY = Geometry(32, "crop", 3)


def decoder(
    scratch: Path, *, max_bad: float = 1.0, workers: int = 2, always_map: bool = False, cache: Cache = NO_CACHE
) -> Decoder:
    return Decoder(
        geometry=GEOMETRY, workers=workers, max_bad=max_bad, scratch=scratch, always_map=always_map, cache=cache
    )


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def bomb() -> bytes:
    """A 20,000 × 20,000 pixel PNG of 50 kB."""
    return encoded(Image.new("1", (20_000, 20_000)), "PNG")


RGB = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 60, 3), dtype=np.uint8))
PALETTE = RGB.convert("P", palette=Image.Palette.ADAPTIVE)

GOOD = {
    "sixteen.png": encoded(Image.fromarray(np.arange(3000, dtype=np.uint16).reshape(50, 60) * 20), "PNG"),
    "cmyk.jpg": encoded(RGB.convert("CMYK"), "JPEG"),
    "palette.png": encoded(PALETTE, "PNG"),
    "rgba.png": encoded(RGB.convert("RGBA"), "PNG"),
    "animated.webp": encoded(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(90)]),
    "gray.jpg": encoded(RGB.convert("L"), "JPEG"),
}

BAD = {
    "truncated.jpg": encoded(RGB, "JPEG")[:300],
    "corrupt.png": encoded(RGB, "PNG")[:60] + b"\0" * 400,
    "empty.jpg": b"",
    "text.jpg": b"this is no image",
    "bomb.png": bomb(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = image_folder(tmp_path / "data" / "train", {"a": 3, "b": 3})
    for name, data in (GOOD | BAD).items():
        (root / "a" / name).write_bytes(data)
    return tmp_path / "data"


def split_of(folder: Path) -> Split:
    return find(folder, quick(test_fraction="0", validation_fraction="0.1")).splits["train"]


def whole(folder: Path) -> Split:
    """All files of the train channel."""
    files = sorted(p for p in (folder / "train").rglob("*") if p.is_file())
    return Split("train", tuple(files), tuple(int(p.parent.name == "b") for p in files))


@pytest.mark.parametrize("workers", [0, 3])
def test_every_readable_image_is_decoded_as_serving_would_and_every_bad_one_is_named(
    folder: Path, tmp_path: Path, workers: int
) -> None:
    images = decoder(tmp_path / "scratch", workers=workers).decode(whole(folder), margin=False)
    assert {b.path.name for b in images.bad} == set(BAD)
    assert {p.name for p in images.files} >= set(GOOD)
    for pixels, path in zip(images.pixels, images.files, strict=True):
        np.testing.assert_array_equal(pixels, prepare(path.read_bytes(), GEOMETRY))
    assert "bomb.png (The image has far too many pixels" in decode.named(images.bad)


def test_a_single_pixel_image_is_decoded(folder: Path, tmp_path: Path) -> None:
    (folder / "train" / "b" / "dot.png").write_bytes(encoded(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"))
    images = decoder(tmp_path / "scratch").decode(whole(folder), margin=False)
    dot = images.pixels[[p.name for p in images.files].index("dot.png")]
    assert (dot == (9, 8, 7)).all()


def test_too_many_bad_files_are_an_error_that_counts_and_names_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"5 of 17 files in the train split .*max-bad-images=0\.2 .*empty\.jpg"):
        decoder(tmp_path / "scratch", max_bad=0.2).decode(whole(folder), margin=False)


def test_a_class_left_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "train", {"a": 3, "b": 1})
    (root / "b" / "000.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"No image in .*b can be read"):
        decoder(tmp_path / "scratch").decode(whole(tmp_path), margin=False)


def test_the_margin_holds_the_plain_square_in_its_middle(pictures: Path, tmp_path: Path) -> None:
    split = find(pictures, quick()).splits["test"]
    plain = decoder(tmp_path).decode(split, margin=False).pixels
    wide = decoder(tmp_path).decode(split, margin=True).pixels
    assert wide.shape[1] == GEOMETRY.resize_size == 37
    np.testing.assert_array_equal(center(wide, 32), plain)


def test_a_set_too_large_for_memory_goes_to_a_file(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = find(pictures, quick()).splits["test"]
    expected = decoder(tmp_path).decode(split, margin=False)
    assert not isinstance(expected.pixels, np.memmap)
    monkeypatch.setattr(decode, "MEMORY_FRACTION", 0.0)
    mapped = decoder(tmp_path / "scratch").decode(split, margin=False)
    assert isinstance(mapped.pixels, np.memmap)
    np.testing.assert_array_equal(mapped.pixels, expected.pixels)


def test_a_file_that_the_disk_has_no_room_for_is_told_before_anything_is_decoded(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    split = find(pictures, quick()).splits["test"]
    with pytest.raises(StorageError, match=r"test\.pixels cannot be written: the disk is full"):
        decoder(tmp_path / "scratch", always_map=True).decode(split, margin=False)


def test_the_other_processes_of_a_host_map_what_the_first_decoded(folder: Path, tmp_path: Path) -> None:
    first = decoder(tmp_path / "scratch", always_map=True).decode(whole(folder), margin=False)
    (tmp_path / "scratch" / "train.json").write_text(__import__("json").dumps(sharing._described(first)))
    second = sharing._mapped(tmp_path / "scratch" / "train.json")
    np.testing.assert_array_equal(second.pixels, first.pixels)
    np.testing.assert_array_equal(second.labels, first.labels)
    assert (second.files, second.digests, second.bad) == (first.files, first.digests, first.bad)


def test_one_process_alone_shares_with_nobody(pictures: Path, tmp_path: Path) -> None:
    import torch

    split = find(pictures, quick()).splits["test"]
    images = sharing.decode_shared(decoder(tmp_path), split, World(torch.device("cpu")), margin=False)
    assert len(images) == 24
    assert not (tmp_path / "test.json").exists()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("cached", [False, True])
def test_a_file_that_cannot_be_read_is_an_error_and_no_bad_image(
    folder: Path, tmp_path: Path, workers: int, cached: bool
) -> None:
    split = whole(folder)
    split.files[-1].unlink()
    split.files[-1].mkdir()
    cache = shared(tmp_path / "cache") if cached else NO_CACHE
    with pytest.raises(DataError, match=r"b/002\.png cannot be read \(Is a directory\)"):
        decoder(tmp_path / "scratch", workers=workers, cache=cache).decode(split, margin=False)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), r"Memory ran out while .*000\.png was decoded"),
        (KeyError("x"), r"000\.png cannot be decoded \(KeyError: 'x'\)"),
    ],
)
def test_what_no_image_is_to_blame_for_names_the_file_and_leaves_nothing_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(decode, "prepare", failing)
    split = whole(folder)
    with pytest.raises(DataError, match=words):
        decoder(tmp_path / "scratch").decode(Split("train", split.files[:1], (0,)), margin=False)


def shared(folder: Path) -> Cache:
    """A cache in ``folder``, as another job of this machine would open it."""
    folder.mkdir(exist_ok=True)
    return Cache(folder, console=Console(silent=True), stop=StopSignal())


def test_a_second_job_decodes_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = decoder(tmp_path / "scratch").decode(whole(folder), margin=False)
    first = decoder(tmp_path / "scratch", cache=shared(tmp_path / "cache")).decode(whole(folder), margin=False)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(decode, "prepare", never)
    second = decoder(tmp_path / "scratch", cache=shared(tmp_path / "cache")).decode(whole(folder), margin=False)
    for found in (first, second):
        np.testing.assert_array_equal(found.pixels, alone.pixels)
        np.testing.assert_array_equal(found.labels, alone.labels)
        assert (found.files, found.digests, found.bad) == (alone.files, alone.digests, alone.bad)
    assert not list(tmp_path.glob("scratch/*"))


def test_pixels_that_were_pruned_are_decoded_when_they_are_asked_for(folder: Path, tmp_path: Path) -> None:
    alone = decoder(tmp_path / "scratch").decode(whole(folder), margin=False)
    decoder(tmp_path / "scratch", cache=shared(tmp_path / "cache")).decode(whole(folder), margin=False)
    (pruned,) = (tmp_path / "cache" / "images").iterdir()
    shutil.rmtree(pruned)
    found = decoder(tmp_path / "scratch", cache=shared(tmp_path / "cache")).decode(whole(folder), margin=False)
    assert not pruned.exists()
    np.testing.assert_array_equal(found.pixels, alone.pixels)
    assert pruned.exists()


def test_another_picture_under_the_same_name_is_decoded(pictures: Path, folder: Path, tmp_path: Path) -> None:
    first = decoder(tmp_path / "scratch", cache=shared(tmp_path / "cache")).decode(whole(folder), margin=False)
    (folder / "train" / "a" / "000.png").write_bytes((folder / "train" / "b" / "000.png").read_bytes())
    second = decoder(tmp_path / "scratch", cache=shared(tmp_path / "cache")).decode(whole(folder), margin=False)
    assert not np.array_equal(first.pixels[0], second.pixels[0])
