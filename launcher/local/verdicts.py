"""How a training job's rules stand, as DescribeTrainingJob tells it: from what they write while they watch.

The rules write output/data/rules.json at each change, the profiler's output/data/profile/rules.json, on the host that
leads the job. Both files stay in the job's folder when it has ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from launcher.local import debugger, layout

_FILES = {"Debug": "rules.json", "Profiler": "profile/rules.json"}

# SageMaker's own limit.
_LONGEST_DETAILS = 1024


def statuses(folder: Path, request: Mapping[str, Any], *, ended: bool) -> dict[str, list[dict[str, Any]]]:
    """DebugRuleEvaluationStatuses and ProfilerRuleEvaluationStatuses of the job in ``folder``, those there are.

    Of a job that has ended no rule is in progress, however it ended.
    """
    found = {}
    for kind, file in _FILES.items():
        told = _told(folder / "ml" / layout.hosts(1)[0] / "output" / "data" / file)
        asked = debugger.configured(request, kind)
        rules = [(name, told.get(rule)) for rule, name in asked.items()] or list(told.items())
        if rules:
            found[f"{kind}RuleEvaluationStatuses"] = [_status(name, state, ended) for name, state in rules]
    return found


def _told(path: Path) -> dict[str, Mapping[str, Any]]:
    """The states in a rules.json, by rule; none where it is not there, not ours, or not to be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = content if isinstance(content, list) else []
    return {str(each["RuleConfigurationName"]): each for each in entries if _is_state(each)}


def _is_state(entry: Any) -> bool:
    # A container of another's may write a file of this name.
    return isinstance(entry, dict) and {"RuleConfigurationName", "RuleEvaluationStatus"} <= set(entry)


def _status(name: str, state: Mapping[str, Any] | None, ended: bool) -> dict[str, Any]:
    state = state or {"RuleEvaluationStatus": "InProgress"}
    status, details = str(state["RuleEvaluationStatus"]), str(state.get("StatusDetails") or "")
    if ended and status == "InProgress":
        status, details = "Stopped", "The training ended before this rule had seen all of it."
    found: dict[str, Any] = {"RuleConfigurationName": name, "RuleEvaluationStatus": status}
    if details:
        found["StatusDetails"] = details[:_LONGEST_DETAILS]
    if state.get("LastModifiedTime"):
        # A container of another's may tell the time in words of its own.
        with suppress(ValueError):
            found["LastModifiedTime"] = datetime.fromisoformat(str(state["LastModifiedTime"]))
    return found
