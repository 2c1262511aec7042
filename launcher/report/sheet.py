"""A contact sheet: the pictures that an endpoint was asked about, with true and predicted labels.

write(rows, Path("sheet.html"), endpoint="birds-live")     # or sheet.png

The page shows labels in any script; the picture has one font, which knows Latin letters alone.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from container.common.errors import RequestError
from launcher.errors import ConfigError
from launcher.verbs.scoring import Scored, Tally

if TYPE_CHECKING:
    from PIL.Image import Image

PAGE, PICTURES = (".html", ".htm"), (".png", ".jpg", ".jpeg", ".webp")

_TEMPLATE = Path(__file__).parent / "templates" / "sheet.html.j2"
# Pixels of a thumbnail's side, JPEG's quality, and how many a page and a picture bear.
_SIDE, _QUALITY = 128, 80
_ON_A_PAGE, _ON_A_PICTURE, _COLUMNS = 1000, 200, 8
_CAPTION = 30
# As the page has them: right, wrong, not known.
_COLOURS = {True: (26, 127, 75), False: (179, 38, 30), None: (87, 96, 106)}


@dataclass(frozen=True)
class Shown:
    """A row with its thumbnail as a data URI, empty where the file is no picture that can be read."""

    row: Scored
    uri: str


def check(output: Path) -> None:
    """Raise ConfigError for a file that no sheet can be written to."""
    if output.suffix.lower() not in (*PAGE, *PICTURES):
        raise ConfigError(
            f"A contact sheet is a page or a picture, and {output} is neither; name it .html or .png, as in sheet.html."
        )


def write(rows: Sequence[Scored], output: Path, *, endpoint: str) -> Path:
    """Write the sheet, the surest mistakes first; where it is. Raises ConfigError."""
    check(output)
    ordered = in_order(rows)
    if output.suffix.lower() in PAGE:
        output.write_text(page(ordered, endpoint=endpoint), encoding="utf-8", errors="replace")
    else:
        _picture(ordered).save(output)
    return output


def in_order(rows: Sequence[Scored]) -> list[Scored]:
    """The surest mistakes first, then what is right, then what nobody knows."""
    return sorted(rows, key=lambda row: (row.right is not False, row.right is None, -row.probability))


def page(rows: Sequence[Scored], *, endpoint: str) -> str:
    """The sheet as HTML, in the order of ``rows``."""
    from container.common.charts.page import render

    shown = [Shown(row, thumbnail(row.file)) for row in rows[:_ON_A_PAGE]]
    return render(_TEMPLATE, endpoint=endpoint, tally=Tally.of(rows), shown=shown, more=len(rows) - len(shown))


def thumbnail(file: Path) -> str:
    """The picture, made small, as a data URI; "" for what is no picture."""
    small = _small(file)
    if small is None:
        return ""
    data = io.BytesIO()
    small.save(data, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def _small(file: Path) -> Image | None:
    """Upright, as the network sees it; None for what is no picture, such as a .npy file."""
    import numpy as np
    from PIL import Image

    from container.common.images import decode

    try:
        decoded = decode(file.read_bytes())
    except (OSError, RequestError):
        return None
    picture = Image.fromarray(decoded) if isinstance(decoded, np.ndarray) else decoded
    picture = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    picture.thumbnail((_SIDE, _SIDE))
    return picture


def _picture(rows: Sequence[Scored]) -> Image:
    """All on one picture, a row of eight."""
    from PIL import Image, ImageDraw

    shown = rows[:_ON_A_PICTURE]
    columns = min(_COLUMNS, max(1, len(shown)))
    cell = (_SIDE + 12, _SIDE + _CAPTION + 12)
    sheet = Image.new("RGB", (columns * cell[0], -(-len(shown) // columns) * cell[1]), "white")
    pen = ImageDraw.Draw(sheet)
    for index, row in enumerate(shown):
        left, top = index % columns * cell[0] + 6, index // columns * cell[1] + 6
        small = _small(row.file)
        if small is not None:
            sheet.paste(small, (left + (_SIDE - small.width) // 2, top + (_SIDE - small.height) // 2))
        lines = [f"{_latin(row.predicted)} {row.probability:.2f}"]
        lines += [] if row.true is None else [f"is {_latin(row.true)}"]
        pen.text((left, top + _SIDE + 3), "\n".join(lines), fill=_COLOURS[row.right], spacing=2)
    return sheet


def _latin(label: str, most: int = 20) -> str:
    """What the built-in font can write, in the room there is."""
    plain = label.encode("latin-1", "replace").decode("latin-1")
    return plain if len(plain) <= most else plain[: most - 1] + "."
