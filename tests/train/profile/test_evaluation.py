"""All profiler rules at once: AWS's parameters, the report, a folder on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from smdebug_rulesconfig import profiler_rules

from container.common.errors import HyperparameterError
from container.common.rules import PROFILER_NAMES
from container.train.profile.__main__ import main
from container.train.profile.evaluation import REPORT, RULES, Evaluation, evaluate
from container.train.rules.findings import ERROR, ISSUES, NO_ISSUES
from tests.train.profile.systems import profile, steps

SLOW = steps(([10.0] * 49 + [100.0]) * 12)


@pytest.mark.parametrize("rule", [name for name in RULES if name != "OverallFrameworkMetrics"])
def test_every_rule_takes_the_parameters_of_aws_own_configurations(rule: str) -> None:
    theirs = getattr(profiler_rules.rules, rule)().rule_parameters
    given = {f"{rule}_{name}": value for name, value in theirs.items() if name != "rule_to_invoke"}
    assert [verdict.status for verdict in evaluate(profile(), given)] == [NO_ISSUES] * len(PROFILER_NAMES)


def test_the_report_sums_up_what_the_others_found() -> None:
    verdicts = {verdict.rule: verdict for verdict in evaluate(profile(timings=SLOW))}
    assert tuple(verdicts) == PROFILER_NAMES
    report = verdicts[REPORT]
    assert (report.status, report.details) == (ISSUES, "1 of 11 rules found an issue: StepOutlier")
    assert report.findings == verdicts["StepOutlier"].findings


def test_verdicts_have_the_form_of_rules_json() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    evaluation = Evaluation({"stepoutlier_n_outliers": "3"}, now=lambda: at)
    evaluation.look(profile(timings=SLOW))
    entry = evaluation.verdicts[-2].to_json()
    assert entry["RuleConfigurationName"] == "StepOutlier"
    assert entry["RuleParameters"] == {"n_outliers": "3"}
    assert entry["RuleEvaluationStatus"] == ISSUES
    assert entry["StatusDetails"].startswith("RuleEvaluationConditionMet: ")
    assert entry["LastModifiedTime"] == "2026-01-02T00:00:00.000+00:00"
    assert set(entry["findings"][0]) == {"step", "mode", "tensor", "values", "advice"}
    json.dumps(entry)


def test_a_rule_that_fails_is_an_error_and_the_others_are_evaluated() -> None:
    odd = steps([1.0] * 20, totals={"data": "much"})
    verdicts = {verdict.rule: verdict for verdict in evaluate(profile(timings=odd))}
    assert verdicts["Dataloader"].status == ERROR
    assert verdicts["StepOutlier"].status == NO_ISSUES
    assert verdicts[REPORT].details.endswith("; not evaluated: Dataloader, OverallFrameworkMetrics")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"StepOutlier_deviation": 3}, "has no parameter 'deviation'"),
        ({"StepOutlierr_stddev": 3}, "Did you mean 'StepOutlier'"),
        ({"StepOutlier_stddev": "many"}, "a number is expected"),
    ],
)
def test_a_parameter_that_is_none_is_refused_in_a_sentence(given: dict[str, object], said: str) -> None:
    with pytest.raises(HyperparameterError, match=said):
        evaluate(profile(), given)


def test_a_folder_is_evaluated_from_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SLOW.write(tmp_path)
    assert main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "StepOutlier               IssuesFound    12 of 590 steps" in out
    assert main([str(tmp_path), "--json", "--set", "StepOutlier_n_outliers=12"]) == 0
    found = {one["RuleConfigurationName"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["StepOutlier"]["RuleEvaluationStatus"] == NO_ISSUES


@pytest.mark.parametrize(
    ("content", "said"), [(None, "There is no profile in"), ("[]", "no part of a profile"), ("{", "no part of a")]
)
def test_what_is_no_profile_is_told_in_a_sentence(
    content: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "timings.json").write_text(content)
    assert main([str(tmp_path)]) == 1
    assert said in capsys.readouterr().err
