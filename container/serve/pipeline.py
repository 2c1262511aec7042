"""From requests to answers: decode, predict, encode; one bad request never touches another.

The four steps are the toolkit's, and each can be the user's own (``overrides``). Ours take and give:

    model_fn(model_dir)              → Model: callable, (N, S, S, C) uint8 → (N, K) float32 logits
    input_fn(body, content_type)     → (N, S, S, C) uint8
    predict_fn(data, model)          → (N, K) float32 probabilities
    output_fn(prediction, accept)    → (body, content_type)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.common.artifact import Manifest, check_readable, read_manifest
from container.common.errors import ArtifactError, BadInput, NotAcceptable, PayloadTooLarge, RequestError
from container.common.images import Pixels
from container.serve import explanation, request, response
from container.serve.engines import Engine, Floats, open_engine
from container.serve.overrides import UserCodeError, load_overrides
from container.serve.request import Limits, Request
from container.serve.response import Answer
from container.serve.settings import Settings

log = logging.getLogger("serve")


class ModelFault(Exception):
    """The model gave something that is no answer (500)."""


@dataclass(frozen=True)
class Model:
    """What our model_fn gives, and a user's predict_fn receives."""

    manifest: Manifest
    engine: Engine
    folder: Path

    def __call__(self, pixels: Pixels) -> Floats:
        """(N, S, S, C) uint8 → (N, K) float32 logits."""
        return self.engine.run(pixels).logits


def softmax(logits: Floats) -> Floats:
    """(N, K) logits → probabilities. Raises ModelFault when one is not a number."""
    if logits.size == 0 or not np.isfinite(logits).all():
        raise ModelFault("The model's result holds values that are no numbers.")
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


class Pipeline:
    """A loaded model with the steps around it."""

    def __init__(self, model_dir: Path, settings: Settings, gpu: int | None = None) -> None:
        """Load the model. Raises ContainerError in one sentence, or UserCodeError, when it cannot be."""
        check_readable(model_dir)
        self._settings = settings
        self._limits = Limits(settings.max_payload, settings.max_images)
        self._user = load_overrides(model_dir, settings.program)
        self._manifest = self._read_manifest(model_dir)
        if self._user.has("model_fn"):
            self._model = self._user.call("model_fn", str(model_dir))
        else:
            self._model = self._our_model(model_dir, gpu)

    def _read_manifest(self, model_dir: Path) -> Manifest | None:
        """The manifest; it may be missing where the user's code stands in for all that would need it."""
        try:
            return read_manifest(model_dir)
        except ArtifactError:
            if self._user.has("model_fn") and self._user.has("input_fn") and self._user.has("output_fn"):
                return None
            raise

    def _our_model(self, model_dir: Path, gpu: int | None) -> Model:
        manifest = read_manifest(model_dir)
        settings = self._settings
        engine = open_engine(model_dir, manifest, engine=settings.engine, threads=settings.threads, gpu=gpu)
        side, channels = manifest.image_size, manifest.channels
        outputs = engine.run(np.zeros((1, side, side, channels), np.uint8))
        if outputs.logits.shape != (1, len(manifest.classes)):
            raise ArtifactError(
                f"The model at {model_dir} gives {outputs.logits.shape[1]} values and its manifest names "
                f"{len(manifest.classes)} classes; take the whole artifact of one training job."
            )
        return Model(manifest, engine, model_dir)

    def warm_up(self) -> None:
        """One request through every step, so that the first caller's is not the slow one."""
        if self._user.names or self._manifest is None:
            return  # what the user's steps take is theirs to know
        from container.serve.samples import jpeg

        for _ in range(2):
            answer = self.answer([Request({"content-type": "image/jpeg"}, jpeg())])[0]
            if answer.status != 200:
                raise ArtifactError(
                    f"The model gave no answer to the warm-up picture ({answer.body.decode()}); export it again."
                )

    def answer(self, requests: Sequence[Request], context: Any = None) -> list[Answer]:
        """An answer for each request, in order; never raises but for what ends the worker."""
        self._user.context = context
        if self._user.names:
            return [self._guarded(one) for one in requests]
        answers: list[Answer | None] = [None] * len(requests)
        parts: list[_Part] = []
        for index, one in enumerate(requests):
            try:
                parts.append(self._part(index, one))
            except RequestError as exc:
                answers[index] = response.error(exc)
            except Exception as exc:
                answers[index] = _our_fault(exc)
        for part, answer in self._predicted(parts):
            answers[part.index] = answer
        return [answer for answer in answers if answer is not None]

    def _part(self, index: int, one: Request) -> _Part:
        assert self._manifest is not None
        options = one.options()
        accept = self._negotiated(one)
        if options.explain and accept not in (response.JSON, response.JSONLINES):
            raise NotAcceptable(f"A heat map cannot be given as {accept}; accept {response.JSON}.")
        pixels = request.decode(one.body, one.content_type, self._manifest.geometry, self._limits)
        if options.explain and len(pixels) > request.MAX_EXPLAINED:
            raise PayloadTooLarge(
                f"{len(pixels)} explanations are asked for, and at most {request.MAX_EXPLAINED} are made at once; "
                "send fewer images, or leave explain out."
            )
        return _Part(index, pixels, accept, options)

    def _negotiated(self, one: Request) -> str:
        return response.negotiate(one.accept, self._settings.default_accept)

    def _predicted(self, parts: list[_Part]) -> list[tuple[_Part, Answer]]:
        """The whole batch at once; one after the other when that fails, so that only the guilty one fails."""
        if not parts:
            return []
        model = self._model
        try:
            explain = any(part.options.explain for part in parts)
            outputs = model.engine.run(np.concatenate([part.pixels for part in parts]), features=explain)
            answers, start = [], 0
            for part in parts:
                end = start + len(part.pixels)
                maps = None if outputs.features is None else outputs.features[start:end]
                answers.append((part, self._written(part, outputs.logits[start:end], maps)))
                start = end
            return answers
        except Exception as exc:
            if len(parts) == 1:
                return [(parts[0], _our_fault(exc))]
            log.warning("a batch of %d requests failed (%s); each is tried alone", len(parts), exc)
            return [pair for part in parts for pair in self._predicted([part])]

    def _written(self, part: _Part, logits: Floats, maps: Floats | None) -> Answer:
        model = self._model
        probabilities = softmax(logits)
        explanations = None
        if part.options.explain:
            explanations = explanation.explain(model, part.pixels, logits, maps, part.options.explain)
        entries = response.predictions(probabilities, model.manifest.classes, part.options.top_k, explanations)
        return Answer(200, part.accept, response.encode(entries, probabilities, part.accept))

    def _guarded(self, one: Request) -> Answer:
        try:
            return self._through_user_code(one)
        except RequestError as exc:
            return response.error(exc)
        except Exception as exc:
            return _our_fault(exc)

    def _through_user_code(self, one: Request) -> Answer:
        """One request through the four steps, some of them the user's."""
        user, options = self._user, one.options(guess=False)
        if options.explain:
            raise BadInput("Explanations are not available where the model's own code/inference.py answers.")
        if user.has("input_fn"):
            self._limits.check_payload(one.body)
            data = user.call("input_fn", bytes(one.body), one.headers.get("content-type", ""))
        else:
            assert self._manifest is not None
            data = request.decode(one.body, one.content_type, self._manifest.geometry, self._limits)
        prediction = user.call("predict_fn", data, self._model) if user.has("predict_fn") else self._predict(data)
        if user.has("output_fn"):
            # As the toolkit does: "anything" is the default type.
            accept = one.accept if one.accept not in ("", "*/*") else self._settings.default_accept
            return _user_answer(user.call("output_fn", prediction, accept), accept)
        return self._output(prediction, self._negotiated(one), options.top_k)

    def _predict(self, data: Any) -> Floats:
        if not callable(self._model):
            raise ModelFault(
                "model_fn in code/inference.py gave something that cannot be called, and there is no predict_fn; "
                "define one, or give a callable: (N, S, S, C) uint8 → (N, K) logits."
            )
        logits = np.asarray(self._model(data), dtype=np.float32)
        if logits.ndim != 2:
            raise ModelFault(f"The model's result has the shape {logits.shape}, and (N, K) logits are expected.")
        return softmax(logits)

    def _output(self, prediction: Any, accept: str, top_k: int) -> Answer:
        """(N, K) probabilities as our own answer; anything else as plain JSON."""
        classes = self._manifest.classes if self._manifest else ()
        array = _array(prediction)
        if array is not None and array.ndim == 2 and array.dtype.kind in "fiu" and array.shape[1] == len(classes):
            if not np.isfinite(array).all():
                raise ModelFault("The result of predict_fn holds values that are no numbers.")
            entries = response.predictions(array, classes, top_k)
            return Answer(200, accept, response.encode(entries, array, accept))
        plain = prediction.tolist() if isinstance(prediction, np.ndarray) else prediction
        try:
            text = json.dumps({"predictions": plain}, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as exc:
            raise ModelFault(f"The result of predict_fn cannot be written as JSON ({exc}); define output_fn.") from exc
        return Answer(200, response.JSON, text.encode())


@dataclass(frozen=True)
class _Part:
    """A decoded request's place in its batch."""

    index: int
    pixels: Pixels
    accept: str
    options: request.Options


def _array(prediction: Any) -> NDArray[Any] | None:
    """An array, or nested lists as one; None for what is none."""
    if not isinstance(prediction, (np.ndarray, list)):
        return None
    try:
        return np.asarray(prediction)
    except ValueError:  # lists of different lengths, which JSON can hold all the same
        return None


def _user_answer(result: Any, accept: str) -> Answer:
    """What a user's output_fn gave: a body, or (body, content type), as with the toolkit."""
    body, content_type = result if isinstance(result, tuple) and len(result) == 2 else (result, accept)
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, (bytes, bytearray)):
        raise ModelFault(f"output_fn in code/inference.py gave {type(body).__name__}; give bytes or str.")
    return Answer(200, response.plain_type(content_type), bytes(body))


def _our_fault(exc: Exception) -> Answer:
    """A 500 whose body says what, and never where; the log has the traceback."""
    if isinstance(exc, MemoryError):
        log.error("a request failed for want of memory")
        return response.failure(507, "OutOfMemory", "Memory is short; send fewer images at once.")
    log.error("a request failed", exc_info=exc)
    if isinstance(exc, UserCodeError):
        return response.failure(500, "UserCodeError", str(exc))
    if isinstance(exc, ModelFault):
        return response.failure(500, "ModelError", str(exc))
    return response.failure(500, "InternalError", "The request could not be answered; the server's log says why.")


def load(model_dir: Path, settings: Settings, gpu: int | None = None) -> Pipeline:
    """Load the model and make the warm-up prediction."""
    pipeline = Pipeline(model_dir, settings, gpu)
    pipeline.warm_up()
    return pipeline
