"""Asking an endpoint from Python, whichever door it is behind.

    predictor = Predictor("birds-live")            # this machine's, when it is known here; AWS otherwise
    predictor.predict("some.jpg").label            # a path, bytes, a PIL image, or an array (H, W[, C]) of uint8
    predictor.predict_batch(array)                 # (N, H, W, C), one request

What is sent is the picture as it is: a file's own bytes, an image without loss, an array as numpy writes it.
"""

from __future__ import annotations

import base64
import io
import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from launcher.doors import Door
from launcher.errors import PredictionError, UnusableData
from launcher.opening import STATE_VARIABLE, DoorWords
from launcher.verbs.prediction import OCTETS, ask, content_type_of, explanation_png

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Picture: TypeAlias = str | Path | bytes | Image | NDArray[np.uint8]

# SageMaker takes 25 MB a request; beyond this an image is sent as JPEG, at a quality that nobody sees.
_LOSSLESS_BYTES = 20 * 2**20
_QUALITY = 95


@dataclass(frozen=True)
class Candidate:
    """A label and how probable it is."""

    label: str
    index: int
    probability: float


@dataclass(frozen=True)
class Prediction(Candidate):
    """What the endpoint says of one picture: the best label, and the ``top_k`` best, it first.

    ``heat_map`` is a PNG, white where the picture decided, when an explanation was asked for. A notebook shows both.
    """

    top_k: tuple[Candidate, ...]
    heat_map: bytes | None = None

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(each.label)}</td><td>{each.probability:.4f}</td></tr>" for each in self.top_k
        )  # fmt: skip
        table = f"<table><tr><th>label</th><th>probability</th></tr>{rows}</table>"
        if self.heat_map is None:
            return table
        return f'{table}<img alt="what decided" src="data:image/png;base64,{base64.b64encode(self.heat_map).decode()}">'


class Predictor:
    """An endpoint by its name.

    It is looked for on this machine first (in the folder ``state``, else BYOC_STATE, else .sagemaker) unless a
    ``region`` or ``profile`` says AWS; ``local`` looks there alone. A ``door`` is used as it is. ``target_model`` and
    ``variant`` say which of an endpoint's models or variants is asked, where it has several.
    """

    def __init__(
        self,
        name: str,
        *,
        local: bool = False,
        state: Path | str | None = None,
        region: str | None = None,
        profile: str | None = None,
        target_model: str | None = None,
        variant: str | None = None,
        door: Door | None = None,
    ) -> None:
        place = Path(state or os.environ.get(STATE_VARIABLE) or ".sagemaker")
        words = DoorWords(local="auto" if local else None, state=place, region=region, profile=profile)
        self.name = name
        self._door = door or words.open_for(name)
        self._target = {
            key: word for key, word in (("TargetModel", target_model), ("TargetVariant", variant)) if word
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"Predictor('{self.name}', {self._door.kind})"

    def predict(
        self,
        picture: Picture,
        *,
        content_type: str | None = None,
        top_k: int | None = None,
        explain: str | None = None,
    ) -> Prediction:
        """Ask about one picture; ``explain`` is gradcam or occlusion.

        Raises PredictionError in the server's words, UnusableData for what is no picture, NotFound for an endpoint
        that is not there.
        """
        what, body, kind = _encoded(picture)
        found = self._ask(what, body, content_type or kind, top_k=top_k, explain=explain)
        if len(found) != 1:
            raise PredictionError(f"Endpoint {self.name} saw {len(found)} pictures in {what}; ask with predict_batch.")
        return found[0]

    def predict_batch(
        self, pictures: NDArray[np.uint8], *, top_k: int | None = None, explain: str | None = None
    ) -> list[Prediction]:
        """Ask about all pictures of an (N, H, W, C) array in one request."""
        return self._ask("the array", _npy(pictures), "application/x-npy", top_k=top_k, explain=explain)

    def _ask(self, what: str, body: bytes, content_type: str, **options: Any) -> list[Prediction]:
        reply = ask(self._door, self.name, body, what=what, content_type=content_type, target=self._target, **options)
        if not reply.predictions:
            raise PredictionError(
                f"Endpoint {self.name} answered {reply.content_type or 'nothing'} without predictions; is it one of "
                "this project's?"
            )
        return [_prediction(each) for each in reply.predictions]


def _prediction(raw: dict[str, Any]) -> Prediction:
    best = _candidate(raw)
    others = tuple(_candidate(each) for each in raw.get("top_k", [])) or (best,)
    return Prediction(best.label, best.index, best.probability, others, explanation_png(raw))


def _candidate(raw: dict[str, Any]) -> Candidate:
    return Candidate(str(raw["label"]), int(raw["index"]), float(raw["probability"]))


def _encoded(picture: Picture) -> tuple[str, bytes, str]:
    """How a picture is called, the bytes to send, and what they are."""
    if isinstance(picture, bytes):
        return "the bytes", picture, OCTETS
    if isinstance(picture, str | Path):
        path = Path(picture)
        try:
            return str(path), path.read_bytes(), content_type_of(path)
        except OSError as exc:
            raise UnusableData(f"The picture {path} cannot be read ({exc.strerror}); give an image file.") from exc
    import numpy as np

    if isinstance(picture, np.ndarray):
        return "the array", _npy(picture), "application/x-npy"
    from PIL.Image import Image

    if isinstance(picture, Image):
        return "the image", *_image(picture)
    raise UnusableData(
        f"A {type(picture).__name__} is no picture; give a path, bytes, a PIL image or an array of uint8."
    )


def _npy(array: Any) -> bytes:
    import numpy as np

    if getattr(array, "dtype", None) != np.uint8:
        kind = getattr(array, "dtype", type(array).__name__)
        raise UnusableData(f"The array holds {kind}, and uint8 from 0 to 255 is expected; convert it first.")
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getvalue()


def _image(image: Image) -> tuple[bytes, str]:
    """A PIL image, upright, without loss unless it would be too large to send."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    # Sixteen bits of gray are kept: the server scales them as training does.
    plain = upright if upright.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else upright.convert("RGB")
    data = io.BytesIO()
    plain.save(data, "PNG", compress_level=1)
    if data.tell() <= _LOSSLESS_BYTES:
        return data.getvalue(), "image/png"
    data = io.BytesIO()
    upright.convert("RGB").save(data, "JPEG", quality=_QUALITY)
    return data.getvalue(), "image/jpeg"
