"""What a description must not tell: values of environment variables that are secrets by their names or their form.

AWS gives them back to whoever may describe a job. What a person prints with `--json` ends in logs and in issues.
"""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "***"
_NAME = re.compile(r"TOKEN(?!IZER)|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY", re.IGNORECASE)
# https://user:password@host
_VALUE = re.compile(r"://[^/@\s]+@")


def without_secrets(value: Any) -> Any:
    """The same, with the secrets of each Environment in it hidden."""
    if isinstance(value, list):
        return [without_secrets(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: _hidden(name, text) for name, text in inner.items()}
        if key == "Environment" and isinstance(inner, dict)
        else without_secrets(inner)
        for key, inner in value.items()
    }


def _hidden(name: str, text: str) -> str:
    return HIDDEN if _NAME.search(name) or _VALUE.search(text) else text
