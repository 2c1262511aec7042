"""Preprocessing, written once: encoded bytes or a file → the uint8 array the network sees.

Training, calibration and serving all call this; normalization is arithmetic on that array and
stands inside the exported model, so that it cannot differ either. Pinned by a golden test to
torchvision's Resize (on a PIL image, antialiased bilinear) and CenterCrop.

    pixels = prepare(Path("bee.jpg").read_bytes(), Geometry(image_size=224))
    pixels.shape, pixels.dtype       # (224, 224, 3), uint8
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from container.common.errors import BadInput, PayloadTooLarge, RequestError, first_line

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]


class _Sliced(Protocol):
    """What arrays and torch's tensors have in common."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, index: Any, /) -> Any: ...


Squares = TypeVar("Squares", bound=_Sliced)

# https://pytorch.org/vision/stable/models.html: the statistics torchvision's weights were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# The usual evaluation transform is Resize(256) then CenterCrop(224).
RESIZE_RATIO = 256 / 224

# A decoded image of 100 million RGB pixels takes 300 MB. Phone panoramas stay below; bombs do not.
MAX_PIXELS = 100_000_000

# At once, where pixels deeper than 8 bits are scaled: only the 8-bit image and a strip of them are ever held.
_STRIP_PIXELS = 4_000_000

_EXIF_ORIENTATION = 0x0112

# What Pillow may read. Its other formats are not pictures of a camera's, and some call other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")


@dataclass(frozen=True)
class Geometry:
    """How an image becomes a square: part of the model artifact."""

    image_size: int = 224
    rule: Literal["crop", "squash"] = "crop"
    channels: Literal[1, 3] = 3

    @property
    def resize_size(self) -> int:
        """Length of the shorter side after resizing, in pixels, under the crop rule."""
        return round(self.image_size * RESIZE_RATIO)

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after resizing. The long side is truncated, as torchvision's Resize does."""
        if self.rule == "squash":
            return self.image_size, self.image_size
        short = self.resize_size
        if width <= height:
            return short, max(int(short * height / width), short)
        return max(int(short * width / height), short), short


class PixelBudget:
    """How many pixels may still be decoded and resized: one image is bounded by MAX_PIXELS, a request by this."""

    def __init__(self, pixels: int) -> None:
        self._whole = self._left = pixels

    def spend(self, width: int, height: int) -> None:
        """Raises PayloadTooLarge when there are no more."""
        self._left -= width * height
        if self._left < 0:
            raise PayloadTooLarge(
                f"The images have more than {self._whole // 1_000_000} million pixels in all; send fewer at once, "
                "or scale them down first."
            )


def decode(data: bytes, budget: PixelBudget | None = None) -> Image.Image | Pixels:
    """Encoded bytes → an upright image: an HWC or HW uint8 array (JPEG), else a PIL image.

    The first frame of an animation; 16-bit gray scaled to 8; EXIF orientation applied.
    Raises BadInput when it is no readable image, PayloadTooLarge above MAX_PIXELS or the budget,
    MemoryError, and nothing else.
    """
    if data[:3] == b"\xff\xd8\xff":
        fast = _decode_jpeg(data, budget)
        if fast is not None:
            return fast
    return _decode_pillow(data, budget)


def _decode_jpeg(data: bytes, budget: PixelBudget | None) -> Pixels | None:
    """The quick way for ordinary JPEGs; None sends the bytes to Pillow, which has the last word."""
    try:
        import simplejpeg
    except ImportError:
        return None
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        _check_pixels(width, height)
        if colorspace not in ("YCbCr", "Gray", "RGB"):
            return None  # CMYK and YCCK need Adobe's inversion, which Pillow knows
        # Exif stands in the first segments; without it there is no orientation to ask Pillow for.
        if b"Exif\x00\x00" in data[:65536] and _stored_orientation(data) != 1:
            return None
        if budget:
            budget.spend(width, height)
        array: Pixels = simplejpeg.decode_jpeg(data, colorspace="GRAY" if colorspace == "Gray" else "RGB")
        return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    except (RequestError, MemoryError):
        raise
    except Exception:  # whatever it is that this decoder cannot read
        return None


def _stored_orientation(data: bytes) -> int | None:
    """A file's EXIF orientation; None where the file is an odd one, for Pillow to look into."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return _orientation(image)
    except MemoryError:
        raise
    except Exception:  # as in _decode_pillow, which sees the file next and says what is wrong
        return None


def _orientation(image: Image.Image) -> int:
    """How an opened picture is to be turned, as EXIF numbers it; 1, upright, where EXIF says nothing of use."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except MemoryError:
        raise
    except Exception:  # damaged EXIF, which says nothing against the pixels
        return 1
    return value if isinstance(value, int) else 1


def _decode_pillow(data: bytes, budget: PixelBudget | None) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise BadInput("The image is empty (0 bytes); send the file's bytes.")
    try:
        with warnings.catch_warnings():
            # Pillow warns below its own bomb limit; ours is checked before anything is decoded.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            _check_pixels(*image.size)
            if budget:
                budget.spend(*image.size)
            image.load()
            # Asked for now: some formats turn themselves when they are loaded, and 8 bits carry no EXIF.
            turn = _turns().get(_orientation(image))
            upright = _eight_bit(image)
            return upright if turn is None else upright.transpose(turn)
    except (RequestError, MemoryError):
        raise
    except Image.DecompressionBombError as exc:
        raise PayloadTooLarge(_too_large_text("far too many pixels")) from exc
    except UnidentifiedImageError as exc:
        raise BadInput("The bytes are not an image that can be read; send a JPEG, PNG, WebP, BMP or GIF file.") from exc
    except Exception as exc:
        # On odd files Pillow's decoders raise nearly anything: struct.error, KeyError, ZeroDivisionError, …
        raise BadInput(f"The image is damaged ({first_line(exc)}); send the file again, or another one.") from exc


def _turns() -> dict[int, Image.Transpose]:
    """EXIF orientation → what sets the picture upright (as PIL.ImageOps.exif_transpose does)."""
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PayloadTooLarge(_too_large_text(f"{width} × {height} pixels"))


def _too_large_text(size: str) -> str:
    return f"The image has {size}, and at most {MAX_PIXELS // 1_000_000} million are decoded; scale it down first."


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit and float gray scaled to 8 bits; Pillow's own convert would clip them to white."""
    from PIL import Image

    if not (image.mode.startswith("I;16") or image.mode in ("I", "F")):
        return image
    gray = np.empty((image.height, image.width), np.uint8)
    # Floats are 0 to 1 or 0 to 255; only the brightest tells which.
    unit = image.mode == "F" and max(float(np.nan_to_num(strip).max()) for _, strip in _strips(image)) <= 1.0
    for rows, strip in _strips(image):
        if image.mode == "F":
            gray[rows] = np.clip(np.nan_to_num(strip) * (255.0 if unit else 1.0), 0, 255)
        else:
            gray[rows] = np.clip(strip, 0, 65535) >> 8
    return Image.fromarray(gray)


def _strips(image: Image.Image) -> Iterator[tuple[slice, NDArray[Any]]]:
    """An image's values, some rows at a time."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield slice(top, bottom), np.asarray(image.crop((0, top, image.width, bottom)))


def fit(
    image: Image.Image | NDArray[Any], geometry: Geometry, *, margin: bool = False, budget: PixelBudget | None = None
) -> Pixels:
    """An image of any size → (S, S, C) uint8, resized and cropped by ``geometry``.

    ``margin`` keeps the whole resized square (side ``resize_size`` under the crop rule) for
    augmentation; its centre S × S equals the answer without ``margin``. Raises BadInput for colours
    that cannot be converted, PayloadTooLarge for an image too long to be resized, or over the budget.
    """
    from PIL import Image

    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    mode = "L" if geometry.channels == 1 else "RGB"
    if picture.mode != mode:
        try:
            picture = picture.convert(mode)
        except ValueError as exc:
            raise BadInput(f"The image's colours cannot be used ({exc}); save it as RGB.") from exc
    width, height = geometry.resized(*picture.size)
    if width * height > MAX_PIXELS:
        raise PayloadTooLarge(
            f"The image has {picture.width} × {picture.height} pixels, and with its shorter side resized it would "
            f"have {width} × {height}; crop it first."
        )
    if budget:
        budget.spend(width, height)
    side = geometry.resize_size if margin and geometry.rule == "crop" else geometry.image_size
    if (width, height) == picture.size == (side, side):
        return _hwc(picture)
    # Resized whole and then cropped: Pillow's ``box`` would be a little quicker, and up to 1/255 off.
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    # torchvision's CenterCrop: the offset is rounded half to even.
    left, top = round((width - side) / 2.0), round((height - side) / 2.0)
    return _hwc(resized.crop((left, top, left + side, top + side)))


def _hwc(picture: Image.Image) -> Pixels:
    array = np.array(picture, dtype=np.uint8)
    return array[:, :, None] if array.ndim == 2 else array


def prepare(data: bytes, geometry: Geometry, *, margin: bool = False, budget: PixelBudget | None = None) -> Pixels:
    """Encoded bytes → (S, S, C) uint8: ``decode`` then ``fit``. Raises RequestError or MemoryError alone."""
    return fit(decode(data, budget), geometry, margin=margin, budget=budget)


def center(pixels: Squares, size: int) -> Squares:
    """The central ``size`` × ``size`` of (..., H, W, C) pixels kept with a margin; of an array, or a torch tensor."""
    height, width = pixels.shape[-3], pixels.shape[-2]
    top, left = round((height - size) / 2.0), round((width - size) / 2.0)
    square: Squares = pixels[..., top : top + size, left : left + size, :]
    return square


def normalize(pixels: Pixels, mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """(..., H, W, C) uint8 → (..., C', H, W) float32, C' = len(mean): scaled to 0–1, minus mean, over std.

    A single gray channel is copied to every one of the C' channels. The exported model does this
    itself; the function is its definition, and what tests compare it with.
    """
    scaled = pixels.astype(np.float32) / np.float32(255)
    if scaled.shape[-1] == 1 and len(mean) > 1:
        scaled = np.repeat(scaled, len(mean), axis=-1)
    normal = (scaled - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(np.moveaxis(normal, -1, -3))
