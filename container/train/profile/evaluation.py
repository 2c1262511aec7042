"""All profiler rules over a profile, by AWS's names, and ProfilerReport, which sums them up.

verdicts = evaluate(read(Path("output/data/profile")), {"StepOutlier_stddev": "4"})
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from container.common.errors import HyperparameterError, first_line
from container.common.names import did_you_mean
from container.train.profile import step_rules as step
from container.train.profile import system_rules as system
from container.train.profile.rule import Judgement, Profile
from container.train.rules.board import KEPT_FINDINGS, Verdict
from container.train.rules.findings import ERROR, IN_PROGRESS, ISSUES, NO_ISSUES
from container.train.rules.parameters import read

REPORT = "ProfilerReport"

# A rule is its parameters' class, which has its name, and its function.
RULES: dict[str, tuple[type[Any], Callable[[Profile, Any], Judgement]]] = {
    kind.__name__: (kind, judge)
    for kind, judge in (
        (system.BatchSize, system.batch_size),
        (system.CPUBottleneck, system.cpu_bottleneck),
        (step.Dataloader, step.dataloader),
        (system.GPUMemoryIncrease, system.gpu_memory_increase),
        (system.IOBottleneck, system.io_bottleneck),
        (system.LoadBalancing, system.load_balancing),
        (system.LowGPUUtilization, system.low_gpu_utilization),
        (step.MaxInitializationTime, step.max_initialization_time),
        (step.OverallFrameworkMetrics, step.overall_framework_metrics),
        (system.OverallSystemUsage, system.overall_system_usage),
        (step.StepOutlier, step.step_outlier),
    )
}


class Evaluation:
    """The rules of one job, and how they stand. ``parameters`` are named as ProfilerReport's are: StepOutlier_stddev.

    Raises HyperparameterError for a parameter that no rule has, or that cannot be read.
    """

    def __init__(
        self, parameters: Mapping[str, Any] | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._parameters, self._now = dict(parameters or {}), now
        by_rule, time = _by_rule(self._parameters), self._time()
        self._given = {name: read(name, kind, by_rule[name]) for name, (kind, _) in RULES.items()}
        self._verdicts = {name: Verdict(name, by_rule[name], modified=time) for name in RULES}

    @property
    def intervals(self) -> dict[str, float]:
        """The seconds between two looks of each rule."""
        return {name: given.scan_interval_us / 1e6 for name, given in self._given.items()}

    @property
    def sound(self) -> list[str]:
        """The rules that have not failed."""
        return [name for name, verdict in self._verdicts.items() if verdict.status != ERROR]

    @property
    def verdicts(self) -> list[Verdict]:
        """Each rule's, and last ProfilerReport's."""
        verdicts = list(self._verdicts.values())
        return [*verdicts, _report(verdicts, self._parameters)]

    def look(self, profile: Profile, names: Iterable[str] = tuple(RULES), *, last: bool = True) -> None:
        """Judge ``profile`` by the rules ``names``; one that finds nothing is done where this look is the last."""
        for name in names:
            verdict, (_, judge) = self._verdicts[name], RULES[name]
            before = verdict.status, verdict.details
            verdict.findings = []
            try:
                judgement = judge(profile, self._given[name])
            except Exception as exc:
                # A rule that fails on odd figures must not take the others, or the job's last minute, along.
                verdict.status, verdict.details = ERROR, f"{type(exc).__name__}: {first_line(exc)}"
            else:
                verdict.status = NO_ISSUES if last else IN_PROGRESS
                verdict.details = judgement.details
                if judgement.findings:
                    verdict.status = ISSUES
                    verdict.details = (
                        f"RuleEvaluationConditionMet: Evaluation of the rule {name} resulted in the condition being "
                        f"met. {judgement.findings[0].advice}"
                    )
                verdict.findings = [one.to_json() for one in judgement.findings[:KEPT_FINDINGS]]
            if (verdict.status, verdict.details) != before:
                verdict.modified = self._time()

    def _time(self) -> str:
        return self._now().isoformat(timespec="milliseconds")


def evaluate(profile: Profile, parameters: Mapping[str, Any] | None = None) -> list[Verdict]:
    """Every rule's verdict over a whole job. Raises HyperparameterError as ``Evaluation`` does."""
    evaluation = Evaluation(parameters)
    evaluation.look(profile)
    return evaluation.verdicts


def _report(verdicts: Sequence[Verdict], parameters: dict[str, Any]) -> Verdict:
    """The others in one sentence, with the first finding of each that has one."""
    met = [verdict for verdict in verdicts if verdict.status == ISSUES]
    failed = [verdict.rule for verdict in verdicts if verdict.status == ERROR]
    going = any(verdict.status == IN_PROGRESS for verdict in verdicts)
    details = f"{len(met)} of {len(verdicts)} rules found an issue"
    details += f": {', '.join(verdict.rule for verdict in met)}" if met else ""
    details += f"; not evaluated: {', '.join(failed)}" if failed else ""
    status = ISSUES if met else IN_PROGRESS if going else NO_ISSUES
    modified = max(verdict.modified for verdict in verdicts)
    return Verdict(REPORT, parameters, status, details, modified, [verdict.findings[0] for verdict in met])


def _by_rule(parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """StepOutlier_n_outliers=3 → {"StepOutlier": {"n_outliers": 3}}; a rule's name in any case, as AWS takes it."""
    found: dict[str, dict[str, Any]] = {name: {} for name in RULES}
    known = {name.lower(): name for name in RULES}
    for key, value in parameters.items():
        rule, underscore, parameter = key.partition("_")
        if not underscore or rule.lower() not in known:
            raise HyperparameterError(
                f"There is no profiler rule for '{key}'; write RULE_PARAMETER, such as StepOutlier_stddev."
                f"{did_you_mean(rule, tuple(RULES))}"
            )
        found[known[rule.lower()]][parameter] = value
    return found
