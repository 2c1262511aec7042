"""Small ordinary PNGs, decoded in half of Pillow's time, which most of preparing many small pictures is.

Pillow inflates row by row, and calls for a few hundred bytes each cost it more than the work. Here ISA-L inflates the
picture at once, and Pillow is handed the rows as a zlib stream that is stored and not compressed: it undoes PNG's
filters, which are all that is left. Whatever is not plain and whole is left to Pillow, which has the last word.
"""

from __future__ import annotations

import struct

from isal import isal_zlib
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# 8 bits a channel, not interlaced: colour types 0 and 2 of the PNG specification.
_MODES = {0: ("L", 1), 2: ("RGB", 3)}
# What one stored block of a zlib stream can hold (RFC 1951, 3.2.4).
_MOST = 0xFFFF
_STORED = b"\x78\x01\x01"
# Its stubs take the class for an instance.
_Damaged: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]
# Chunks that make another picture of it: a palette, a transparent colour, an animation.
_OTHER = (b"PLTE", b"tRNS", b"acTL")


def decode(data: bytes) -> Image.Image | None:
    """The picture, gray or in colour; None for a file that is not small, plain and whole."""
    if not data.startswith(SIGNATURE):
        return None
    try:
        return _decoded(data)
    except (struct.error, KeyError, ValueError, _Damaged):
        return None


def _decoded(data: bytes) -> Image.Image | None:
    view, at, packed = memoryview(data), len(SIGNATURE), []
    width = height = expected = 0
    mode, kind = "", b""
    while kind != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        kind, body, end = data[at + 4 : at + 8], view[at + 8 : at + 8 + length], at + 8 + length
        if struct.unpack_from(">I", data, end)[0] != isal_zlib.crc32(view[at + 4 : end]) or kind in _OTHER:
            return None
        if kind == b"IHDR":
            width, height, depth, colours, *ways = struct.unpack(">IIBBBBB", body)
            mode, channels = _MODES[colours]
            expected = height * (1 + width * channels)
            if depth != 8 or any(ways) or not width or not 0 < expected <= _MOST:
                return None
        elif kind == b"IDAT":
            packed.append(body)
        at = end + 4
    # No more than there should be, whatever a few bytes would unpack to.
    inflating = isal_zlib.decompressobj()
    rows = inflating.decompress(b"".join(packed), expected + 1)
    if not mode or len(rows) != expected or not inflating.eof:
        return None
    size = struct.pack("<HH", expected, expected ^ _MOST)
    stream = b"".join((_STORED, size, rows, struct.pack(">I", isal_zlib.adler32(rows))))
    return Image.frombytes(mode, (width, height), stream, "zip", mode, 0)
