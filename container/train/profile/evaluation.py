"""All profiler rules over a profile, by AWS's names, and ProfilerReport, which sums them up.

verdicts = evaluate(read(Path("output/data/profile")), {"StepOutlier_stddev": "4"})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from container.common.errors import HyperparameterError, first_line
from container.common.names import did_you_mean
from container.train.profile import step_rules as step
from container.train.profile import system_rules as system
from container.train.profile.rule import Judgement, Profile
from container.train.rules.board import KEPT_FINDINGS, Verdict
from container.train.rules.findings import ERROR, ISSUES, NO_ISSUES
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
NAMES = (*RULES, REPORT)


def evaluate(
    profile: Profile,
    parameters: Mapping[str, Any] | None = None,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Verdict]:
    """Every rule's verdict. ``parameters`` are named as ProfilerReport's are: StepOutlier_n_outliers.

    Raises HyperparameterError for a parameter that no rule has, or that cannot be read.
    """
    by_rule = _by_rule(parameters or {})
    time = now().isoformat(timespec="milliseconds")
    verdicts = []
    for name, (kind, judge) in RULES.items():
        verdict = Verdict(name, by_rule[name], modified=time)
        given = read(name, kind, by_rule[name])
        try:
            judgement = judge(profile, given)
        except Exception as exc:
            # A rule that fails on odd figures must not take the others, or the job's last minute, along.
            verdict.status, verdict.details = ERROR, f"{type(exc).__name__}: {first_line(exc)}"
        else:
            verdict.status = ISSUES if judgement.findings else NO_ISSUES
            verdict.details = judgement.details
            if judgement.findings:
                verdict.details = (
                    f"RuleEvaluationConditionMet: Evaluation of the rule {name} resulted in the condition being met. "
                    f"{judgement.findings[0].advice}"
                )
            verdict.findings = [one.to_json() for one in judgement.findings[:KEPT_FINDINGS]]
        verdicts.append(verdict)
    return [*verdicts, _report(verdicts, dict(parameters or {}), time)]


def _report(verdicts: Sequence[Verdict], parameters: dict[str, Any], time: str) -> Verdict:
    """The others in one sentence, with the first finding of each that has one."""
    met = [verdict for verdict in verdicts if verdict.status == ISSUES]
    failed = [verdict.rule for verdict in verdicts if verdict.status == ERROR]
    details = f"{len(met)} of {len(verdicts)} rules found an issue"
    details += f": {', '.join(verdict.rule for verdict in met)}" if met else ""
    details += f"; not evaluated: {', '.join(failed)}" if failed else ""
    findings = [verdict.findings[0] for verdict in met]
    return Verdict(REPORT, parameters, ISSUES if met else NO_ISSUES, details, time, findings)


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
