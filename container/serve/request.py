"""A request: its headers and body → images as (N, S, S, C) uint8, or an error of the caller's.

Nothing here loads a pickle, fetches anything, or trusts a size it has not checked first.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.common.errors import BadInput, PayloadTooLarge, UnsupportedContentType
from container.common.images import MAX_PIXELS, Geometry, PixelBudget, Pixels, fit, prepare
from container.common.names import nearest

JSON, NPY, OCTETS = "application/json", "application/x-npy", "application/octet-stream"
IMAGES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif", "application/x-image")
ACCEPTED = (*IMAGES, OCTETS, NPY, JSON)
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-ms-bmp": "image/bmp", "": OCTETS}

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
EXPLANATIONS = ("gradcam", "occlusion")
DEFAULT_TOP_K = 5

# Decoded and resized in one request: some seconds of work, whatever the images' number.
MAX_REQUEST_PIXELS = 4 * MAX_PIXELS

# Occlusion asks the network 50 times an image.
MAX_EXPLAINED = 16

# Other words in the custom attributes are the caller's own; one must be very like ours to be a slip.
_ALIKE = 0.8

# How the gate marks a form.
_UNREAD = "unread/"

_NPY_MAGIC = b"\x93NUMPY"


@dataclass(frozen=True)
class Limits:
    """The most one request may hold."""

    payload: int
    images: int
    pixels: int = MAX_REQUEST_PIXELS

    def check_payload(self, body: bytes) -> None:
        """Raises PayloadTooLarge for a body of too many bytes."""
        if len(body) > self.payload:
            raise PayloadTooLarge(
                f"The body has {len(body)} bytes, and at most {self.payload} are taken; send fewer images at once, "
                "or raise SAGEMAKER_MAX_PAYLOAD_IN_MB."
            )

    def check_count(self, count: int) -> None:
        """Raises PayloadTooLarge for too many images."""
        if count > self.images:
            raise PayloadTooLarge(
                f"The request holds {count} images, and at most {self.images} are taken; send fewer at once, "
                "or raise SERVE_MAX_IMAGES."
            )


@dataclass(frozen=True)
class Options:
    """What the caller asked for in the custom attributes."""

    top_k: int = DEFAULT_TOP_K
    explain: str | None = None


@dataclass(frozen=True)
class Request:
    """One request as it came: header names in lower case."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case, without parameters."""
        plain = self.headers.get("content-type", "").split(";", 1)[0].strip().lower()
        return _ALIASES.get(plain, plain)

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")

    def options(self, *, guess: bool = True) -> Options:
        """The options; raises BadInput for a value that cannot be, or (``guess``) a name that is nearly one of ours.

        Other names are left alone: SageMaker's callers put identifiers of their own into this header.
        """
        found: dict[str, str] = {}
        for word in self.headers.get(ATTRIBUTES, "").replace(";", ",").split(","):
            name, equals, value = (part.strip() for part in word.partition("="))
            if not equals:
                continue
            if name in ("top_k", "explain"):
                found[name] = value
            elif guess and (near := nearest(name, ("top_k", "explain"), _ALIKE)):
                raise BadInput(f"Unknown option '{name}' in {ATTRIBUTES}; did you mean '{near}'?")
        top_k = found.get("top_k", str(DEFAULT_TOP_K))
        if not (top_k.isascii() and top_k.isdigit() and len(top_k) < 7 and int(top_k) > 0):
            raise BadInput(f"The option top_k is '{top_k[:20]}', and a whole number from 1 on is expected.")
        explain = found.get("explain", "none").lower()
        if explain not in (*EXPLANATIONS, "none"):
            raise BadInput(f"The option explain is '{explain[:20]}'; known are {', '.join(EXPLANATIONS)} and none.")
        return Options(int(top_k), None if explain == "none" else explain)


def decode(body: bytes, content_type: str, geometry: Geometry, limits: Limits) -> Pixels:
    """A body of one of the ACCEPTED types → (N, S, S, C) uint8.

    Raises BadInput (400), PayloadTooLarge (413) or UnsupportedContentType (415).
    """
    if content_type.startswith(_UNREAD):
        form = content_type.removeprefix(_UNREAD)
        whose = "curl's own type with -F" if form.startswith("multipart/") else "curl's own type unless told otherwise"
        raise UnsupportedContentType(
            f"A form ('{form}', {whose}) cannot be read; send the file itself with its type, as in --data-binary "
            f"@PICTURE.jpg -H 'Content-Type: image/jpeg'; accepted are {', '.join(ACCEPTED)}."
        )
    if content_type not in ACCEPTED:
        raise UnsupportedContentType(
            f"The content type '{content_type[:80]}' cannot be read; accepted are {', '.join(ACCEPTED)}."
        )
    limits.check_payload(body)
    if not body:
        raise BadInput("The body is empty (0 bytes); send the file's bytes.")
    if content_type == JSON:
        return _json_images(body, geometry, limits)
    if content_type == NPY or (content_type == OCTETS and body.startswith(_NPY_MAGIC)):
        return _array_images(_npy(body), geometry, limits)
    return prepare(bytes(body), geometry, budget=PixelBudget(limits.pixels))[None]


def _npy(body: bytes) -> NDArray[np.uint8]:
    """A .npy file of uint8, read without numpy's own loader: no pickle, no size that is not there."""
    file = io.BytesIO(body)
    npy: Any = np.lib.format  # without types
    try:
        version = npy.read_magic(file)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"version {version} of the format is not known")
        shape, fortran, dtype = readers[version](file)
    except Exception as exc:
        # The header is a Python literal of at most 10 kB, and the reader raises nearly anything at an odd one:
        # TokenError, IndexError, and the parser's own MemoryError for brackets without end.
        raise BadInput(
            f"The body is not a .npy file that can be read ({_short(exc)}); write it with numpy.save."
        ) from exc
    if dtype.hasobject:
        raise BadInput("The .npy file holds pickled objects, which are never loaded; send an array of uint8.")
    if dtype != np.uint8:
        raise BadInput(f"The .npy file holds {dtype}, and uint8 is expected; convert it with astype(numpy.uint8).")
    if not 2 <= len(shape) <= 4:
        raise BadInput(f"The .npy file has {len(shape)} dimensions; (H, W), (H, W, C) or (N, H, W, C) is expected.")
    data = np.frombuffer(body, dtype=np.uint8, offset=file.tell())
    # In whole numbers of any size: numpy's product would run over.
    size = 1
    for length in shape:
        size *= length
    if size != data.size or any(length < 0 for length in shape):
        # Without the shape, whose numbers may be too long to be written.
        raise BadInput(f"The .npy file's shape does not fit the {data.size} bytes it holds; send it again.")
    if size == 0:
        raise BadInput("The array holds no pixel; send one with a height and a width.")
    return data.reshape(shape, order="F" if fortran else "C")


def _array_images(array: NDArray[np.uint8], geometry: Geometry, limits: Limits) -> Pixels:
    images = array if array.ndim == 4 else array[None]
    limits.check_count(len(images))
    budget = PixelBudget(limits.pixels)
    return np.stack([_fitted(image, geometry, budget) for image in images])


def _fitted(image: NDArray[np.uint8], geometry: Geometry, budget: PixelBudget) -> Pixels:
    """One (H, W, C), (H, W, 1) or (H, W) array, resized and cropped as an image file would be."""
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise BadInput(
            f"An image has the shape {image.shape}; height × width × channels is expected, with 1, 3 or 4 channels."
        )
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise PayloadTooLarge(f"An image has the shape {image.shape}, and at most {MAX_PIXELS} pixels are taken.")
    plain = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    return fit(np.ascontiguousarray(plain), geometry, budget=budget)


def _json_images(body: bytes, geometry: Geometry, limits: Limits) -> Pixels:
    example = '{"instances": [{"b64": "…"}, …]}'
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise BadInput(f"The body is not JSON ({_short(exc)}); send {example}.") from exc
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list) or not instances:
        raise BadInput(f"The JSON has no list 'instances' with an image in it; send {example}.")
    limits.check_count(len(instances))
    budget = PixelBudget(limits.pixels)
    images = []
    for index, instance in enumerate(instances):
        try:
            images.append(_instance(instance, geometry, budget))
        except (BadInput, PayloadTooLarge) as exc:
            raise type(exc)(f"Instance {index}: {exc}") from exc
    return np.stack(images)


def _instance(instance: Any, geometry: Geometry, budget: PixelBudget) -> Pixels:
    if isinstance(instance, dict):
        if set(instance) != {"b64"} or not isinstance(instance["b64"], str):
            raise BadInput('an object must be {"b64": "<the file in base64>"}.')
        try:
            data = base64.b64decode("".join(instance["b64"].split()), validate=True)
        except (binascii.Error, ValueError) as exc:
            raise BadInput(f"the base64 cannot be decoded ({_short(exc)}).") from exc
        return prepare(data, geometry, budget=budget)
    if not isinstance(instance, list):
        raise BadInput('an image is {"b64": "…"} or a nested list of height × width × channels.')
    try:
        array = np.array(instance)
    except (ValueError, OverflowError, RecursionError) as exc:
        raise BadInput("the nested list is ragged; every row and pixel needs the same length.") from exc
    if array.dtype.kind not in "iuf" or array.size == 0:
        raise BadInput("the nested list must hold numbers.")
    whole = np.isfinite(array).all() and (array == np.floor(array)).all()
    if not whole or array.min() < 0 or array.max() > 255:
        raise BadInput("the nested list must hold whole numbers from 0 to 255.")
    return _fitted(array.astype(np.uint8), geometry, budget)


def _short(thing: object) -> str:
    text = " ".join(str(thing).split())
    return text if len(text) <= 120 else text[:119] + "…"
