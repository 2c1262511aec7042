"""Asking an endpoint about pictures."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from botocore.exceptions import ClientError

from container.common.channels import IMAGE_SUFFIXES
from container.common.names import nearest
from launcher.doors import Door
from launcher.errors import NotFound, PredictionError
from launcher.verbs import named, training, tuning

JSON, OCTETS = "application/json", "application/octet-stream"
# The types that our server answers in.
ANSWERS = (JSON, "application/jsonlines", "text/csv", "application/x-npy")

# What a suffix says of the content; anything else is sent as bytes for the server to recognise.
CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".npy": "application/x-npy",
    ".json": JSON,
}
# In a folder, whatever may be a training image, and what the endpoint takes besides.
_SUFFIXES = IMAGE_SUFFIXES | {suffix for suffix, kind in CONTENT_TYPES.items() if kind.startswith("image/")}


# More labels than any model has: the server gives as many as there are.
ALL_LABELS = 999_999


class PictureRefused(PredictionError):
    """The endpoint is well, and could not take this picture."""


@dataclass(frozen=True)
class Reply:
    """What the endpoint said: predictions when it answered in our JSON, and the raw payload."""

    content_type: str
    payload: bytes
    predictions: list[dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """What the endpoint said about one file."""

    file: Path
    content_type: str
    payload: bytes
    predictions: list[dict[str, Any]]


def files_of(places: Iterable[Path]) -> list[Path]:
    """The files named, and the images in the folders named, at any depth. Raises NotFound."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = sorted(p for p in place.rglob("*") if is_picture(p) and p.is_file())
            if not inside:
                raise NotFound(f"There is no image in {place}; give image files, or a folder that holds some.")
            found += inside
        elif place.is_file():
            found.append(place)
        else:
            raise NotFound(f"There is no file {place}; give image files, or a folder that holds some.")
    return found


def is_picture(path: PurePath) -> bool:
    """Whether a file's name says that an endpoint takes it."""
    return path.suffix.lower() in _SUFFIXES


def predict(
    door: Door,
    name: str,
    files: Iterable[Path],
    *,
    content_type: str | None = None,
    accept: str = JSON,
    top_k: int | None = None,
    explain: str | None = None,
    target: Mapping[str, str] | None = None,
    on_refused: Callable[[PictureRefused], None] | None = None,
) -> Iterator[Answer]:
    """Ask about each file in turn; ``target`` is the model or the variant of an endpoint that has several.

    Raises PredictionError in the server's own words; a picture that is refused goes to ``on_refused``, if that is
    given, and the others are still asked about.
    """
    for file in files:
        sent = content_type or content_type_of(file)
        try:
            reply = ask(door, name, file.read_bytes(), what=str(file), content_type=sent, accept=accept, top_k=top_k,
                        explain=explain, target=target)  # fmt: skip
        except PictureRefused as exc:
            if on_refused is None:
                raise
            on_refused(exc)
            continue
        yield Answer(file, reply.content_type, reply.payload, reply.predictions)


def ask(
    door: Door,
    name: str,
    body: bytes,
    *,
    what: str,
    content_type: str,
    accept: str = JSON,
    top_k: int | None = None,
    explain: str | None = None,
    target: Mapping[str, str] | None = None,
) -> Reply:
    """One request; ``what`` names the body in an error. Raises PredictionError in the server's own words."""
    options = {"top_k": top_k, "explain": explain}
    attributes = ",".join(f"{key}={value}" for key, value in options.items() if value is not None)
    try:
        answer = door.runtime.invoke_endpoint(
            EndpointName=name,
            Body=body,
            **(target or {}),
            ContentType=content_type,
            Accept=accept,
            **({"CustomAttributes": attributes} if attributes else {}),
        )
    except ClientError as exc:
        raise _refusal(exc, door, name, what) from exc
    payload = answer["Body"].read()
    kind = str(answer.get("ContentType", "")).partition(";")[0]
    return Reply(kind, payload, predictions_of(kind, payload))


def content_type_of(file: Path) -> str:
    """What a file is by its suffix; bytes for the server to recognise when that says nothing."""
    return CONTENT_TYPES.get(file.suffix.lower(), OCTETS)


def predictions_of(content_type: str, payload: bytes) -> list[dict[str, Any]]:
    """The predictions of an answer in our own form; none of any other, which a model's own output_fn may have given."""
    if content_type != JSON:
        return []
    try:
        predictions = [dict(each) for each in json.loads(payload)["predictions"]]
    except (ValueError, KeyError, TypeError):
        return []
    ours = all({"label", "index", "probability"} <= each.keys() for each in predictions)
    return predictions if ours else []


def _refusal(error: ClientError, door: Door, name: str, what: str) -> Exception:
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    if code == "ModelError":
        said = str(error.response.get("OriginalMessage", message))
        try:
            said = json.loads(said)["error"]["message"]
        except (ValueError, KeyError, TypeError):
            said = said.strip() or message
        status = error.response.get("OriginalStatusCode", "?")
        # What a caller did wrong is the picture's, but for a model that is not there.
        kind = PictureRefused if str(status) in ("400", "413", "415") else PredictionError
        return kind(f"{what}: the endpoint answered {status}: {said}")
    if code in ("ValidationError", "ValidationException") and "not found" in message:
        return NotFound(f"There is no endpoint '{name}'; {_instead(door, name)}.")
    if code in ("ValidationError", "ServiceUnavailable"):
        return PredictionError(f"{message} `launch.py status {name}` says why.")
    return error


def _instead(door: Door, name: str) -> str:
    """What helps who asks a job, or a search, in place of an endpoint."""
    if door.kind == "aws":
        # A name that is mistyped is not worth more calls.
        return "`launch.py status` lists what there is"
    for option, kind in (("job", training), ("from-tuning", tuning)):
        if named.exists(partial(kind.describe, door, name)):
            return f"`launch.py deploy --{option} {name} --local` puts the model of that name behind one"
    near = nearest(name, [each["EndpointName"] for each in door.sagemaker.list_endpoints(MaxResults=100)["Endpoints"]])
    meant = f"did you mean '{near}'? " if near else ""
    return f"{meant}`launch.py status` lists what there is, and --state or BYOC_STATE says where else to look"


def explanation_png(prediction: dict[str, Any]) -> bytes | None:
    """The heat map of a prediction that was asked to explain itself: white where the picture decided."""
    try:
        return base64.b64decode(prediction["explanation"]["heat_map"], validate=True)
    except (KeyError, TypeError, binascii.Error):
        return None
