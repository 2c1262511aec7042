"""What multi-model-server calls in each worker: ``handle(data, context)``.

The first call, without data, loads the model and makes a warm-up prediction; a model that cannot be
loaded ends the worker, and the reason is left where the gate finds it. A function at module level is
needed for that: the server swallows what a handler class raises while it loads.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from container.common.errors import ArtifactError, ContainerError, first_line
from container.serve import packages, pipeline, report
from container.serve.overrides import UserCodeError
from container.serve.request import Request
from container.serve.settings import Settings, read_settings, several_models

log = logging.getLogger("serve")


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[bytes]:
    """Answer a batch of requests; each with the headers it came with."""
    properties = context.system_properties
    served = _served(context.model_name, properties["model_dir"], properties.get("gpu_id"))
    if not data:
        return []
    answers = served.answer([_request(item, context.get_all_request_header(i)) for i, item in enumerate(data)], context)
    for index, answer in enumerate(answers):
        context.set_response_status(answer.status, answer.phrase, index)
        context.set_response_content_type(index, answer.content_type)
    return [answer.body for answer in answers]


def _request(item: dict[str, Any], headers: dict[str, Any]) -> Request:
    # Beside the request's headers the server puts a dict for each part of a form; those are no text.
    plain = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    return Request(plain, item.get("body", b""))


@functools.cache
def _served(name: str, registered: str, gpu: int | None) -> pipeline.Pipeline:
    """The worker's one model. Ends the worker when it cannot be loaded.

    ``registered`` is the folder that the server knows: the model's own only where there are several.
    """
    _quiet()
    several = several_models()
    if not several:
        report.note_loading()
    model_dir, details = Path(registered), ""
    try:
        settings = read_settings()
        model_dir = _one_of_several(registered, settings) if several else settings.model_dir
        if model_dir.is_dir():
            os.chdir(model_dir)  # where the user's code may look for its files
        served = pipeline.load(model_dir, settings, gpu)
    except (ContainerError, UserCodeError) as exc:
        if exc.__cause__ is not None and isinstance(exc, UserCodeError):
            details = "".join(traceback.format_exception(exc.__cause__))
        reason = str(exc)
    except MemoryError as exc:
        reason = (
            f"Memory is too short to load the model at {model_dir} ({first_line(exc)}); unload another "
            "model, or give the container more."
        )
        if several:
            report.note_short(name, reason)
            raise  # the server answers 507
    except Exception as exc:  # whatever the user's code raises
        details = traceback.format_exc()
        reason = f"The model at {model_dir} cannot be loaded ({type(exc).__name__}: {exc}); the log above says where."
    else:
        if not several:
            report.note_ready()
        return served
    report.note_failure(reason, details)
    raise SystemExit(1)


def _one_of_several(registered: str, settings: Settings) -> Path:
    """A model's true folder. Raises ArtifactError when it is not one of those that SageMaker has put in place."""
    model_dir, models = Path(registered).resolve(), settings.model_dir.resolve()
    if models not in model_dir.parents:
        raise ArtifactError(f"The model at {model_dir} lies outside {models}; load a model from there.")
    if (model_dir / packages.REQUIREMENTS).is_file():
        log.warning(
            "%s is not installed, since several models share one environment; add its packages to the image.",
            model_dir / packages.REQUIREMENTS,
        )
    return model_dir


def _quiet() -> None:
    """The container's log holds what matters: our lines, the user's, and no line for each request."""
    ours = logging.StreamHandler(sys.stderr)
    ours.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    log.addHandler(ours)
    log.propagate = False
    logging.getLogger("mms").setLevel(logging.WARNING)
    logging.getLogger().addFilter(_not_the_end)


def _not_the_end(record: logging.LogRecord) -> bool:
    """False for what the server's worker writes when its model is unloaded or did not fit, a traceback among it."""
    cause = record.exc_info[1] if record.exc_info else record.msg
    return not str(cause).startswith(("Frontend disconnected", "507 - "))
