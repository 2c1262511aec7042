"""What a rule says when its condition is met, and SageMaker's words for how it stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

IN_PROGRESS = "InProgress"
NO_ISSUES = "NoIssuesFound"
ISSUES = "IssuesFound"
ERROR = "Error"

Value = float | int | str


@dataclass(frozen=True)
class Finding:
    """A tensor at a step (counted within its mode), the values that met the condition, and what to do about it."""

    step: int
    mode: str
    tensor: str
    values: dict[str, Value]
    advice: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in rules.json; what is no finite number becomes a word."""
        return {**asdict(self), "values": {name: _plain(value) for name, value in self.values.items()}}


def _plain(value: Value) -> Value:
    if isinstance(value, float):
        # JSON has no inf and no nan.
        return float(f"{value:.6g}") if value - value == 0 else str(value)
    return value
