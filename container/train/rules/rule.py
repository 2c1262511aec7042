"""The base of all rules: smdebug's open Rule interface, AWS's parameters, findings with advice.

A rule looks at one saved step after the other. Its condition is a pure function of arrays or numbers
in its module; the first step that meets it ends its evaluation, as in SageMaker.

    VanishingGradient(create_trial(path), threshold="1e-6").invoke_at_step(0)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from smdebug.rules.rule import Rule

from container.train.rules.findings import Finding, Value
from container.train.rules.parameters import read
from container.train.rules.steps import Step

P = TypeVar("P")


class TensorRule(Rule, Generic[P]):  # type: ignore[misc]
    """A rule over saved tensors. ``Parameters`` names its parameters and their defaults."""

    Parameters: ClassVar[type]

    def __init__(self, base_trial: Any, /, *, trials: Sequence[Any] = (), **parameters: Any) -> None:
        """``trials`` beside the base one, and ``parameters`` as SageMaker sends them, or as values.

        Raises HyperparameterError for an unknown name or a value that cannot be read.
        """
        super().__init__(base_trial, "", list(trials))
        self.parameters: P = read(type(self).__name__, type(self).Parameters, parameters)
        self.findings: list[Finding] = []

    @abstractmethod
    def examine(self, step: Step) -> Iterable[Finding]:
        """What is wrong at ``step``."""

    def conclude(self) -> Iterable[Finding]:
        """What can be said only now that the last step has been seen."""
        return ()

    def wait(self, _seconds: float) -> Iterable[Finding]:
        """What is wrong when no step has come for so many seconds while training goes on."""
        return ()

    def invoke_at_step(self, step: int) -> bool:
        """Whether the condition is met at the global ``step``: smdebug's interface."""
        return self.note(self.examine(Step(self.base_trial, step)))

    def note(self, found: Iterable[Finding]) -> bool:
        """Keep what was ``found``; whether it was anything."""
        new = list(found)
        self.findings += new
        return bool(new)


def finding(step: Step, tensor: str, advice: str, **values: Value) -> Finding:
    """A finding at ``step``."""
    return Finding(step.mode_step, step.mode, tensor, values, advice)
