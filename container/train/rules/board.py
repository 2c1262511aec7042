"""How each rule stands: kept in rules.json, written whole or not at all, and told as a line at each change.

[rules] DeadRelu IssuesFound at step 0 of TRAIN, CrossEntropyLoss_input_0: The network's outputs are never …
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from container.train import storage
from container.train.rules.findings import ERROR, IN_PROGRESS, ISSUES, NO_ISSUES, Finding

TAG = "[rules]"

# More of one step than a person will read.
KEPT_FINDINGS = 20


@dataclass
class Verdict:
    """One rule's state, in SageMaker's words (DebugRuleEvaluationStatuses), with its findings."""

    rule: str
    parameters: dict[str, Any]
    status: str = IN_PROGRESS
    details: str = ""
    modified: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As it stands in rules.json."""
        return {
            "RuleConfigurationName": self.rule,
            "RuleParameters": self.parameters,
            "RuleEvaluationStatus": self.status,
            "StatusDetails": self.details,
            "LastModifiedTime": self.modified,
            "findings": self.findings,
        }


class Board:
    """The verdicts of one training, in the order the rules were asked for.

    ``begun`` says that the training has written already that all are in progress.
    """

    def __init__(
        self,
        verdicts: Sequence[Verdict],
        *,
        path: Path | None = None,
        say: Callable[[str], None] | None = None,
        on_issues: Callable[[str], None] = lambda _: None,
        begun: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._say, self._on_issues, self._now = path, say, on_issues, now
        self.verdicts = {verdict.rule: verdict for verdict in verdicts}
        for verdict in verdicts:
            verdict.modified = self._time()
        if not begun:
            self._write()

    def open(self) -> list[str]:
        """The rules that may still say something."""
        return [name for name, verdict in self.verdicts.items() if verdict.status == IN_PROGRESS]

    def issues(self, rule: str, found: Sequence[Finding]) -> None:
        """``rule``'s condition is met."""
        first = found[0]
        self._set(
            rule,
            ISSUES,
            f"RuleEvaluationConditionMet: Evaluation of the rule {rule} at step {first.step} resulted in the condition "
            f"being met. {first.advice}",
            f"at step {first.step} of {first.mode}, {first.tensor or 'no tensor'}: {first.advice}",
            [one.to_json() for one in found[:KEPT_FINDINGS]],
        )
        self._on_issues(rule)

    def fine(self, rule: str) -> None:
        """``rule`` has seen everything and has nothing to say."""
        self._set(rule, NO_ISSUES, "", "")

    def error(self, rule: str, reason: str) -> None:
        """``rule`` could not be evaluated."""
        self._set(rule, ERROR, reason, f": {reason}")

    def reached(self, step: str) -> None:
        """The rules that have found nothing yet have looked at all up to ``step``."""
        details = f"Looked up to {step}."
        going = [verdict for verdict in self.verdicts.values() if verdict.status == IN_PROGRESS]
        if not going or all(verdict.details == details for verdict in going):
            return
        for verdict in going:
            verdict.details, verdict.modified = details, self._time()
        self._write()

    def to_json(self) -> list[dict[str, Any]]:
        """What rules.json holds."""
        return [verdict.to_json() for verdict in self.verdicts.values()]

    def _set(self, rule: str, status: str, details: str, told: str, findings: Sequence[dict[str, Any]] = ()) -> None:
        verdict = self.verdicts[rule]
        verdict.status, verdict.details, verdict.findings = status, details, list(findings)
        verdict.modified = self._time()
        self._write()
        if self._say is not None:
            self._say(f"{TAG} {rule} {status} {told}".rstrip().replace(" : ", ": "))

    def _write(self) -> None:
        if self._path is not None:
            storage.write_text(self._path, dumps(self.to_json()))

    def _time(self) -> str:
        return self._now().isoformat(timespec="milliseconds")


def dumps(entries: list[dict[str, Any]]) -> str:
    """The text of a rules.json."""
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def read(path: Path) -> list[dict[str, Any]]:
    """What a rules.json holds; nothing where there is none (yet)."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return content if isinstance(content, list) else []
