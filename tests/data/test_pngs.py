"""Small PNGs decoded the quick way: Pillow's pixels, and Pillow's word on whatever is not plain and whole."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from launcher.data import pngs


def encoded(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def noise(width: int, height: int, mode: str) -> Image.Image:
    """Noise over a gradient: an encoder chooses another filter for row after row."""
    rng = np.random.default_rng([width, height])
    shape = (height, width) if mode == "L" else (height, width, 3)
    ramp = np.linspace(0, 200, width)[None, :].repeat(height, 0)
    ramp = ramp if mode == "L" else ramp[..., None]
    return Image.fromarray((ramp + rng.integers(0, 40, shape)).astype(np.uint8))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, rows: bytes, *more: bytes) -> bytes:
    """A gray file of rows with their filters' bytes; ``more`` chunks stand before them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return pngs.SIGNATURE + header + b"".join(more) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("level", [1, 9])
@pytest.mark.parametrize(("width", "height", "mode"), [(128, 128, "L"), (1, 1, "L"), (255, 255, "L"), (97, 61, "RGB")])
def test_the_pixels_are_pillows(width: int, height: int, mode: str, level: int) -> None:
    data = encoded(noise(width, height, mode), compress_level=level)
    decoded = pngs.decode(data)
    assert decoded is not None
    assert (decoded.mode, decoded.size) == (mode, (width, height))
    assert decoded.tobytes() == Image.open(io.BytesIO(data)).tobytes()


@pytest.mark.parametrize("number", range(5))
def test_each_filter_is_undone(number: int) -> None:
    rows = np.random.default_rng(1).integers(0, 256, (9, 18), dtype=np.uint8)
    rows[:, 0] = number
    data = png(17, 9, rows.tobytes())
    decoded = pngs.decode(data)
    assert decoded is not None
    assert decoded.tobytes() == Image.open(io.BytesIO(data)).tobytes()


PLAIN = encoded(noise(40, 30, "L"))
ROWS = bytes(5 * 4)
LEFT_TO_PILLOW: dict[str, bytes] = {
    "a jpeg": b"\xff\xd8\xff" + PLAIN,
    "nothing": b"",
    "a signature alone": pngs.SIGNATURE,
    "a large one": encoded(noise(300, 300, "L")),
    "a palette": encoded(noise(40, 30, "L").convert("P")),
    "two values": encoded(noise(40, 30, "L").convert("1")),
    "see-through": encoded(noise(40, 30, "RGB").convert("RGBA")),
    "sixteen bits": encoded(Image.fromarray(np.arange(60, dtype=np.uint16).reshape(6, 10))),
    "a transparent gray": png(4, 4, ROWS, chunk(b"tRNS", b"\0\1")),
    "no width": png(0, 4, bytes(4)),
    "too few rows": png(4, 5, ROWS),
    "too many rows": png(4, 3, ROWS),
    "a bomb": png(4, 4, bytes(50_000_000)),
    "a filter that is none": png(4, 4, b"\x09" + ROWS[1:]),
    "no picture": pngs.SIGNATURE + chunk(b"IEND", b""),
    **{f"cut off at {part} %": PLAIN[: len(PLAIN) * part // 100] for part in (10, 50, 90, 99)},
    **{f"a bit changed at {part} %": PLAIN[: (at := len(PLAIN) * part // 100)] + bytes([PLAIN[at] ^ 4])
       + PLAIN[at + 1 :] for part in (5, 50, 90)},
}  # fmt: skip


@pytest.mark.parametrize("what", LEFT_TO_PILLOW)
def test_what_is_not_small_plain_and_whole_is_left_to_pillow(what: str) -> None:
    assert pngs.decode(LEFT_TO_PILLOW[what]) is None
