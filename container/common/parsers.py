"""Readers of one hyperparameter's text: a value of its type, or a ValueError that says what is expected.

integer(1, 64)("32")        # 32
one_of("adamw", "sgd")("adam")  # ValueError: it must be one of adamw, sgd
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

from container.common import rules

Parser = Callable[[str], Any]
_Number = TypeVar("_Number", int, float)


def integer(minimum: int | None = None, maximum: int | None = None) -> Parser:
    def parse_one(text: str) -> int:
        # A tuner may send an integer as "64.0".
        number = float(text)
        if not math.isfinite(number) or number != int(number):
            raise ValueError("a whole number is expected")
        return _bounded(int(number), minimum, maximum)

    return parse_one


def real(minimum: float | None = None, maximum: float | None = None, *, above: bool = False) -> Parser:
    def parse_one(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError("a finite number is expected")
        if above and minimum is not None and number <= minimum:
            raise ValueError(f"it must be above {minimum:g}")
        return _bounded(number, minimum, maximum)

    return parse_one


def _bounded(number: _Number, minimum: float | None, maximum: float | None) -> _Number:
    if minimum is not None and number < minimum:
        raise ValueError(f"it must be at least {minimum:g}")
    if maximum is not None and number > maximum:
        raise ValueError(f"it must be at most {maximum:g}")
    return number


def one_of(*words: str) -> Parser:
    def parse_one(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"it must be one of {', '.join(words)}")
        return text.lower()

    return parse_one


_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


def boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("true or false is expected")


def sizes(text: str) -> tuple[int, ...]:
    """ "" → (), "256" → (256,), "512,64" → (512, 64); also the JSON list "[512, 64]"."""
    words = [w for w in re.split(r"[,\s]+", text.strip("[]() ")) if w]
    return tuple(integer(1, 65536)(word) for word in words)


def dropouts(text: str) -> tuple[float, ...]:
    """ "0.2" for every layer of the head, or one for each: "0.2,0.5"."""
    words = [w for w in re.split(r"[,\s]+", text.strip("[]() ")) if w]
    return tuple(real(0.0, 0.95)(word) for word in words) or (0.0,)


def weights_by_class(text: str) -> str | dict[str, float]:
    """none | balanced | a JSON object {"class name": weight}."""
    if text.lower() in ("none", "balanced"):
        return text.lower()
    try:
        weights = json.loads(text)
        if not isinstance(weights, dict) or not weights:
            raise ValueError
        return {str(name): real(0.0)(str(weight)) for name, weight in weights.items()}
    except ValueError as exc:
        raise ValueError('none, balanced, or a JSON object such as {"ants": 2, "bees": 1} is expected') from exc


def watching_rules(text: str) -> str:
    """auto, or what ``container.common.rules.parse`` reads; as it is."""
    if text.lower() == "auto":
        return "auto"
    rules.parse(text)
    return text


def rules_to_stop_on(text: str) -> str:
    """all, or rules' names between commas; as they are."""
    if text.lower() == "all":
        return "all"
    return ",".join(one.rule for one in rules.parse(text))


def profile_interval(text: str) -> int:
    """Milliseconds between samples, as SageMaker Debugger bounds them; 0 is off."""
    milliseconds: int = integer(0, 60000)(text)
    if 0 < milliseconds < 100:
        raise ValueError("it must be 0, or at least 100")
    return milliseconds


# A step of a large network is some thousand events of a trace.
_MOST_TRACED_STEPS = 200


def step_range(text: str) -> str:
    """ "100:110" is the steps 100 to 109; "" is none."""
    if not text:
        return ""
    start, _, end = text.partition(":")
    if not (start.strip().isdigit() and end.strip().isdigit() and int(start) < int(end)):
        raise ValueError("two whole numbers are expected, the first one smaller, such as 100:110")
    if int(end) - int(start) > _MOST_TRACED_STEPS:
        raise ValueError(f"at most {_MOST_TRACED_STEPS} steps can be traced")
    return f"{int(start)}:{int(end)}"


def regex(text: str) -> str:
    """A regular expression, as it is; "" is none."""
    try:
        re.compile(text)
    except re.error as exc:
        raise ValueError(f"a regular expression is expected ({exc})") from exc
    return text


def word(pattern: str, what: str) -> Parser:
    def parse_one(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{what} is expected")
        return text

    return parse_one


def auto_or(inner: Parser) -> Parser:
    def parse_one(text: str) -> Any:
        return "auto" if text.lower() == "auto" else inner(text)

    return parse_one
