"""An answer: which type the caller takes, and probabilities or an error written in it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np

from container.common.errors import NotAcceptable, RequestError
from container.serve.engines import Floats

JSON, JSONLINES, CSV, NPY = "application/json", "application/jsonlines", "text/csv", "application/x-npy"
PRODUCED = (JSON, JSONLINES, CSV, NPY)


# One media type (RFC 9110, 8.3.1), in letters that take a byte each: the server counts letters and sends bytes.
_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+([ \t]*;[ !-+\--~]*)?", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """What goes back: status, media type, body."""

    status: int
    content_type: str
    body: bytes

    @property
    def phrase(self) -> str:
        return HTTPStatus(self.status).phrase


def plain_type(content_type: object) -> str:
    """``content_type`` where it is one media type, else JSON's: it may be a caller's Accept header as it came."""
    text = content_type.strip() if isinstance(content_type, str) else ""
    return text if _TYPE.fullmatch(text) else JSON


def negotiate(accept: str, default: str = JSON) -> str:
    """The type to answer in, from an Accept header with quality values and wildcards (RFC 9110, 12.5.1).

    The highest quality wins, then the more exact range, then ``default``, then the order of PRODUCED.
    Raises NotAcceptable (406) when none of them is taken.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    if not ranges:
        return default if default in PRODUCED else JSON
    best: tuple[float, int, bool, int] = (0.0, 0, False, 0)
    chosen = None
    for order, produced in enumerate(PRODUCED):
        matching = [(exact, quality) for pattern, quality in ranges if (exact := _matches(pattern, produced))]
        if not matching:
            continue
        exact, quality = max(matching)  # the most exact range that fits speaks for the type
        rank = (quality, exact, produced == default, -order)
        if quality > 0 and (chosen is None or rank > best):
            best, chosen = rank, produced
    if chosen is None:
        raise NotAcceptable(f"No answer can be given as '{accept[:120]}'; there are {', '.join(PRODUCED)}.")
    return chosen


def _range(text: str) -> tuple[str, float]:
    pattern, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    return pattern, quality if math.isfinite(quality) else 0.0


def _matches(pattern: str, produced: str) -> int:
    """3 for the type itself, 2 for its family, 1 for anything, 0 for no match."""
    if pattern == produced:
        return 3
    if pattern == produced.partition("/")[0] + "/*":
        return 2
    return 1 if pattern == "*/*" else 0


def predictions(
    probabilities: Floats,
    classes: Sequence[str],
    top_k: int,
    explanations: Sequence[Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """(N, K) probabilities → one entry an image: label, index, probability and the ``top_k`` best."""
    entries = []
    for number, row in enumerate(probabilities):
        # Stable, so that equal probabilities come in the classes' order.
        order = np.argsort(-row, kind="stable")[:top_k]
        best = [{"label": classes[i], "index": int(i), "probability": round(float(row[i]), 6)} for i in order]
        entry: dict[str, Any] = {**best[0], "top_k": best}
        if explanations is not None:
            entry["explanation"] = explanations[number]
        entries.append(entry)
    return entries


def encode(entries: list[dict[str, Any]], probabilities: Floats, content_type: str) -> bytes:
    """The predictions in one of PRODUCED.

    application/json          {"predictions": [entry, …]}
    application/jsonlines     an entry a line
    text/csv                  a line an image: label,index,probability for each of the top_k, best first
    application/x-npy         (N, K) float32 probabilities, in the order of the classes
    """
    if content_type == NPY:
        file = io.BytesIO()
        np.save(file, probabilities.astype(np.float32), allow_pickle=False)
        return file.getvalue()
    if content_type == CSV:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([v for best in e["top_k"] for v in best.values()] for e in entries)
        return text.getvalue().encode()
    if content_type == JSONLINES:
        return "".join(_json(entry) + "\n" for entry in entries).encode()
    return _json({"predictions": entries}).encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def error(exc: RequestError) -> Answer:
    """A fault of the caller's, with its own status."""
    return failure(exc.status, exc.code, str(exc))


def failure(status: int, code: str, message: str) -> Answer:
    """An error as JSON, whatever the caller accepts."""
    return Answer(status, JSON, _json({"error": {"code": code, "message": message}}).encode())
