"""A rule's parameters: a frozen dataclass with AWS's names and defaults, read from SageMaker's strings.

read("VanishingGradient", Parameters, {"threshold": "1e-6"})   # Parameters(threshold=1e-06)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_type_hints

from container.common.errors import HyperparameterError
from container.common.names import did_you_mean
from container.common.parsers import boolean, integer, real

P = TypeVar("P")

# AWS's own: which rule a configuration means, and which job it looks at.
_NOT_PARAMETERS = ("rule_to_invoke", "base_trial")

_PARSERS: dict[Any, Callable[[str], Any]] = {bool: boolean, int: integer(), float: real(), str: str}


def read(rule: str, kind: type[P], given: Mapping[str, Any]) -> P:
    """``given`` as a ``kind``, defaults where nothing is given.

    Raises HyperparameterError for a name that ``kind`` has not, or a value that cannot be read.
    """
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, raw in given.items():
        if name in _NOT_PARAMETERS:
            continue
        if name not in known:
            raise HyperparameterError(f"The rule {rule} has no parameter '{name}'.{did_you_mean(name, known)}")
        try:
            values[name] = _value(hints[name], raw)
        except ValueError as exc:
            raise HyperparameterError(f"The parameter '{name}' of the rule {rule} cannot be {raw!r}: {exc}.") from exc
    return kind(**values)


def _value(hint: Any, raw: Any) -> Any:
    choices = [one for one in get_args(hint) if one is not type(None)]
    optional = len(choices) < len(get_args(hint))
    if optional and (raw is None or str(raw).strip().lower() in ("", "none")):
        return None
    if hint == tuple[str, ...]:
        return _words(raw)
    kind = choices[0] if optional else hint
    text = str(raw).strip()
    try:
        return _PARSERS[kind](text)
    except ValueError as exc:
        expected = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise ValueError(f"{expected} is expected") from exc


def _words(raw: Any) -> tuple[str, ...]:
    """A JSON list, or what stands between commas."""
    if isinstance(raw, str) and raw.strip().startswith("["):
        raw = json.loads(raw)
    if isinstance(raw, (list, tuple)):
        return tuple(str(word) for word in raw)
    return tuple(word.strip() for word in str(raw).split(",") if word.strip())
