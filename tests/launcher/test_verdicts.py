"""How a job's rules stand: in DescribeTrainingJob's words, while it trains and afterwards, behind both doors."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator
from click.testing import CliRunner

from launcher.cli.root import root
from launcher.cli.running import report_training
from launcher.doors import Door
from launcher.local.verdicts import statuses
from launcher.verbs.rules import State, states, summary
from tests.launcher.conftest import wait
from tests.launcher.test_aws import Account, described, log_answers
from tests.launcher.test_requests import MODEL

Create = Callable[..., str]
AtEnd = Callable[[str], dict[str, Any]]
Said = Callable[[str, str], bool]

MET = "RuleEvaluationConditionMet: Evaluation of the rule DeadRelu at step 7 resulted in the condition being met."


def written(rule: str, status: str, details: str = "") -> dict[str, Any]:
    """An entry of rules.json."""
    return {
        "RuleConfigurationName": rule,
        "RuleParameters": {},
        "RuleEvaluationStatus": status,
        "StatusDetails": details,
        "LastModifiedTime": "2026-11-20T14:27:48.031+00:00",
        "findings": [{"step": 7}] if status == "IssuesFound" else [],
    }


WATCHED = [
    written("Overfit", "InProgress"),
    written("DeadRelu", "IssuesFound", f"{MET} Lower the learning rate."),
    written("AllZero", "NoIssuesFound"),
]
PROFILED = [written("LowGPUUtilization", "IssuesFound", "RuleEvaluationConditionMet: the GPU sleeps.")]


@pytest.fixture
def watched(create: Create) -> Callable[[str], str]:
    """Create a job whose rules have written how they stand."""

    def make(mode: str) -> str:
        told = {"FAKE_RULES": json.dumps(WATCHED), "FAKE_PROFILE_RULES": json.dumps(PROFILED)}
        return create("job", mode, environment={"FAKE_MODE": mode, **told})

    return make


def test_a_running_jobs_rules_are_described_live_and_stopped_with_it(
    door: Door, watched: Callable[[str], str], ended: AtEnd, said: Said
) -> None:
    name = watched("wait")
    wait(lambda: said(name, "waiting"))
    description = door.sagemaker.describe_training_job(TrainingJobName=name)
    found = {each["RuleConfigurationName"]: each for each in description["DebugRuleEvaluationStatuses"]}
    assert list(found) == ["Overfit", "DeadRelu", "AllZero"]
    assert found["Overfit"]["RuleEvaluationStatus"] == "InProgress"
    assert found["DeadRelu"] == {
        "RuleConfigurationName": "DeadRelu",
        "RuleEvaluationStatus": "IssuesFound",
        "StatusDetails": f"{MET} Lower the learning rate.",
        "LastModifiedTime": datetime(2026, 11, 20, 14, 27, 48, 31000, tzinfo=UTC),
    }
    (profiled,) = description["ProfilerRuleEvaluationStatuses"]
    assert profiled["RuleConfigurationName"] == "LowGPUUtilization"
    door.sagemaker.stop_training_job(TrainingJobName=name)
    after = {each["RuleConfigurationName"]: each for each in ended(name)["DebugRuleEvaluationStatuses"]}
    assert after["Overfit"]["RuleEvaluationStatus"] == "Stopped"
    assert after["DeadRelu"] == found["DeadRelu"]


def test_the_description_is_one_that_sagemaker_gives(watched: Callable[[str], str], ended: AtEnd) -> None:
    description = ended(watched("complete"))
    shape = MODEL.operation_model("DescribeTrainingJob").output_shape
    described = {key: value for key, value in description.items() if key != "ResponseMetadata"}
    report = ParamValidator().validate(described, shape)
    assert not report.has_errors(), report.generate_report()
    words = MODEL.shape_for("RuleEvaluationStatus").enum  # type: ignore[attr-defined]
    found = description["DebugRuleEvaluationStatuses"] + description["ProfilerRuleEvaluationStatuses"]
    assert len(found) == 4 and all(each["RuleEvaluationStatus"] in words for each in found)


def test_a_job_without_rules_tells_of_none(create: Create, ended: AtEnd) -> None:
    assert not [key for key in ended(create("job")) if "Rule" in key]


@pytest.mark.parametrize("content", ["", "{}", '[{"mine": 1}, 2]', "null"])
def test_a_file_of_another_make_is_passed_over(tmp_path: Path, content: str) -> None:
    place = tmp_path / "ml/algo-1/output/data/rules.json"
    place.parent.mkdir(parents=True)
    place.write_text(content)
    assert statuses(tmp_path, {}, ended=False) == {}


def test_a_time_of_another_make_is_left_out(tmp_path: Path) -> None:
    place = tmp_path / "ml/algo-1/output/data/rules.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps([{**written("Mine", "NoIssuesFound"), "LastModifiedTime": "yesterday"}]))
    assert statuses(tmp_path, {}, ended=True) == {
        "DebugRuleEvaluationStatuses": [{"RuleConfigurationName": "Mine", "RuleEvaluationStatus": "NoIssuesFound"}]
    }


def test_status_shows_a_line_a_rule_with_issues_first(watched: Callable[[str], str], ended: AtEnd, state: Path) -> None:
    ended(watched("complete"))
    done = CliRunner().invoke(root, ["status", "job", "--local", "--state", str(state)])
    assert done.exit_code == 0
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()[-4:]]
    assert lines == [
        ["DeadRelu", "IssuesFound", "at step 7: Lower the learning rate."],
        ["LowGPUUtilization", "IssuesFound", "RuleEvaluationConditionMet: the GPU sleeps."],
        ["Overfit", "Stopped", "The training ended before this rule had seen all of it."],
        ["NoIssuesFound", "AllZero"],
    ]


def test_a_trainings_end_says_in_a_line_what_its_rules_found(
    door: Door, watched: Callable[[str], str], ended: AtEnd, capsys: pytest.CaptureFixture[str]
) -> None:
    report_training(door, ended(watched("complete")), as_json=False)
    assert capsys.readouterr().err.splitlines()[-1] == (
        "4 rules watched, and found issues: DeadRelu, LowGPUUtilization; `launch.py status job` tells more."
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], ""),
        ([State("Overfit", "NoIssuesFound", "")], "1 rule watched, and found no issues."),
        (
            [State("Overfit", "Error", "It hung."), State("AllZero", "NoIssuesFound", "")],
            "2 rules watched, and found no issues; not evaluated: Overfit; `launch.py status job` tells more.",
        ),
        (
            [State("IOBottleneck", "IssuesFound", "Wait."), State("ProfilerReport", "IssuesFound", "1: IOBottleneck")],
            "2 rules watched, and found issues: IOBottleneck; `launch.py status job` tells more.",
        ),
    ],
)
def test_the_line_suits_what_there_is_to_say(found: list[State], said: str) -> None:
    assert summary(found, "job") == said


def test_debuggers_own_states_are_shown_from_aws(account: Account) -> None:
    description = described(
        "InProgress", "Training", "x",
        DebugRuleEvaluationStatuses=[
            {"RuleConfigurationName": "Overfit", "RuleEvaluationStatus": "InProgress"},
            {"RuleConfigurationName": "DeadRelu", "RuleEvaluationStatus": "IssuesFound", "StatusDetails": f"{MET}\n"},
        ],
    )  # fmt: skip
    found = states(account.door, description)
    assert [(state.rule, state.status, state.details) for state in found] == [
        ("DeadRelu", "IssuesFound", "at step 7"), ("Overfit", "InProgress", ""),
    ]  # fmt: skip


def test_rules_inside_a_job_in_aws_are_told_by_its_log(account: Account) -> None:
    from container.train.rules.board import Board, Verdict
    from container.train.rules.findings import Finding

    lines: list[str] = []
    board = Board([Verdict(rule, {}) for rule in ("Overfit", "DeadRelu", "AllZero")], say=lines.append)
    board.error("Overfit", "it took longer than 60 seconds at one step")
    board.fine("AllZero")
    board.issues("DeadRelu", [Finding(7, "TRAIN", "relu_output_0", {}, "Lower lr.")])
    log_answers(account, ["epoch=1 validation:loss=0.5", *lines, "[profiler] IOBottleneck IssuesFound: Wait less."])
    found = states(account.door, described("InProgress", "Training", "x"))
    assert [(state.rule, state.status, state.details) for state in found] == [
        ("DeadRelu", "IssuesFound", "at step 7 of TRAIN, relu_output_0: Lower lr."),
        ("IOBottleneck", "IssuesFound", "Wait less."),
        ("Overfit", "Error", "it took longer than 60 seconds at one step"),
        ("AllZero", "NoIssuesFound", ""),
    ]


def test_a_log_that_may_not_be_read_costs_the_rules_alone(account: Account) -> None:
    account.logs.add_client_error("describe_log_streams", "AccessDeniedException")
    assert states(account.door, described("InProgress", "Training", "x")) == []
