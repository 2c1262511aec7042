"""The user's code/inference.py: any of model_fn, input_fn, predict_fn, output_fn.

Names and signatures are the SageMaker inference toolkit's, the optional last argument ``context``
included. What is left out keeps our behaviour; ``pipeline`` says what ours take and give.

    def output_fn(prediction, accept):
        return json.dumps({"best": int(prediction[0].argmax())}), "application/json"
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container.common.artifact import CODE
from container.common.errors import ArtifactError, RequestError

FUNCTIONS: dict[str, int] = {"model_fn": 1, "input_fn": 2, "predict_fn": 2, "output_fn": 2}


class UserCodeError(Exception):
    """A function of code/inference.py raised; the message names it, the cause is chained for the log."""


@dataclass
class Overrides:
    """The functions that the user defines. ``context`` is set to the server's before each call."""

    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    context: Any = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.functions)

    def has(self, name: str) -> bool:
        return name in self.functions

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the user's; RequestErrors go through, anything else becomes UserCodeError."""
        function = self.functions[name]
        extra = (self.context,) if _has_place(function, len(arguments) + 1) else ()
        try:
            return function(*arguments, *extra)
        except (RequestError, MemoryError):
            raise
        except (Exception, SystemExit) as exc:  # sys.exit would take the worker with it
            raise UserCodeError(
                f"{name} in the model's code/inference.py failed with {type(exc).__name__}; the log says where."
            ) from exc


def load_overrides(model_dir: Path, program: str | None) -> Overrides:
    """The functions in ``model_dir/code/program``; with None in inference.py, where there is one.

    Raises ArtifactError for a file that is not there or cannot be imported, or whose functions take something else.
    """
    path = model_dir / CODE if program is None else model_dir / CODE.parent / program
    if not path.is_file():
        if program is None:
            return Overrides()
        raise ArtifactError(
            f"SAGEMAKER_PROGRAM is {program}, and {path} does not exist; put the file there, or unset the variable."
        )
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # the file's own neighbours
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ArtifactError(f"{path} is not a Python file; SAGEMAKER_PROGRAM names the file to use.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except MemoryError:
        raise
    except (Exception, SystemExit) as exc:
        raise ArtifactError(f"{path} cannot be imported ({type(exc).__name__}: {exc}); correct it.") from exc
    if hasattr(module, "transform_fn"):
        raise ArtifactError(
            f"{path} defines transform_fn, which is not used here; split it into input_fn, predict_fn and output_fn."
        )
    functions = {name: getattr(module, name) for name in FUNCTIONS if callable(getattr(module, name, None))}
    for name, function in functions.items():
        given = FUNCTIONS[name]
        if not _can_take(function, given + _has_place(function, given + 1)):
            raise ArtifactError(
                f"{name}{inspect.signature(function)} in {path} cannot be called with {given} arguments, which it is, "
                "and with the server's context after them when it has a place for one more."
            )
    return Overrides(functions)


def _has_place(function: Callable[..., Any], count: int) -> bool:
    """Whether there are so many places of their own; what goes to ``*args`` may go on to anything."""
    parameters = inspect.signature(function).parameters.values()
    return sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters) >= count


def _can_take(function: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True
