"""Debugger's fields of a request on this machine: our rules do the work, and all lands where AWS puts it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from container.common.hyperparameters import parse
from container.common.rules import Configuration
from container.common.rules import parse as parse_rules
from launcher.config.run import Training
from launcher.doors import Door
from launcher.local import debugger
from launcher.local.uris import to_uri
from launcher.requests import create_training_job
from tests.launcher.conftest import wait
from tests.launcher.test_verdicts import written

Request = dict[str, Any]
AtEnd = Callable[[str], dict[str, Any]]


def rule(invoked: str, name: str | None = None, **parameters: str) -> Request:
    """A rule's configuration."""
    return {
        "RuleConfigurationName": name or invoked,
        "RuleEvaluatorImage": "sagemaker-debugger-rules:latest",
        "RuleParameters": {"rule_to_invoke": invoked, **parameters},
    }


@pytest.fixture
def debugged(training: Callable[..., Training], tmp_path: Path) -> Callable[..., Request]:
    """The request of --aws-debugger --tensorboard-output --local."""

    def make(hyperparameters: dict[str, str] | None = None, **changes: Any) -> Request:
        asked = training(
            "job", hyperparameters={"lr": "0.01", **(hyperparameters or {})}, debugger=True,
            tensorboard=to_uri(tmp_path / "boards"), **changes,
        )  # fmt: skip
        return create_training_job(asked)

    return make


def test_the_job_is_told_where_to_write_and_which_rules_watch(
    door: Door, debugged: Callable[..., Request], ended: AtEnd, state: Path
) -> None:
    request = debugged({"rules": '{"Overfit": {"patience": 3}}', "stop-on-rules": "all", "profile-interval-ms": "1000"})
    assert request["HyperParameters"]["rules"] == "none"
    door.sagemaker.create_training_job(**request)
    assert ended("job")["TrainingJobStatus"] == "Completed"
    place = state / "training-jobs/job/ml/algo-1"

    def told(name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((place / "input/config" / name).read_text())
        return content

    h = parse(told("hyperparameters.json"))
    assert parse_rules(h.rules) == (Configuration("Overfit", {"patience": "3"}),)
    assert (h.stop_on_rules, h.profile_interval_ms, h.lr) == ("Overfit", 1000, 0.01)
    hook = request["DebugHookConfig"]
    assert told("debughookconfig.json") == {"LocalPath": str(place / "output/tensors"), **hook}
    assert told("profilerconfig.json") == request["ProfilerConfig"]
    assert told("tensorboardoutputconfig.json")["LocalPath"] == str(place / "output/tensorboard")


def test_what_the_job_writes_lands_where_aws_puts_it_and_is_there_while_it_runs(
    door: Door, debugged: Callable[..., Request], ended: AtEnd, tmp_path: Path
) -> None:
    profile = json.dumps([written("ProfilerReport", "NoIssuesFound")])
    environment = {"FAKE_MODE": "wait", "FAKE_PROFILE_RULES": profile}
    door.sagemaker.create_training_job(**debugged(environment=environment))
    tensors = tmp_path / "output/job/debug-output/written"
    wait(tensors.exists)
    assert door.sagemaker.describe_training_job(TrainingJobName="job")["TrainingJobStatus"] == "InProgress"
    assert (tmp_path / "boards/job/tensorboard-output/written").is_file()
    door.sagemaker.stop_training_job(TrainingJobName="job")
    ended("job")
    assert (tmp_path / "output/job/profiler-output/rules.json").read_text() == profile
    door.sagemaker.delete_training_job(TrainingJobName="job")
    assert tensors.read_text() == "debughookconfig.json"


def test_rules_are_described_by_the_names_they_were_given_from_the_first_moment(
    door: Door, debugged: Callable[..., Request], ended: AtEnd, state: Path
) -> None:
    told = [written("Overfit", "IssuesFound", "x"), written("DeadRelu", "NoIssuesFound")]
    profiled = [written("LowGPUUtilization", "NoIssuesFound"), written("ProfilerReport", "IssuesFound", "1 of 11")]
    environment = {"FAKE_RULES": json.dumps(told), "FAKE_PROFILE_RULES": json.dumps(profiled)}
    request = debugged(environment=environment)
    request["DebugRuleConfigurations"] = [rule("DeadRelu"), rule("Overfit", "my-own-name"), rule("AllZero")]
    door.sagemaker.create_training_job(**request)
    first = door.sagemaker.describe_training_job(TrainingJobName="job")["DebugRuleEvaluationStatuses"]
    assert [each["RuleConfigurationName"] for each in first] == ["DeadRelu", "my-own-name", "AllZero"]
    description = ended("job")
    found = [
        (e["RuleConfigurationName"], e["RuleEvaluationStatus"]) for e in description["DebugRuleEvaluationStatuses"]
    ]
    # Of AllZero nothing was written: it was stopped with the job.
    assert found == [("DeadRelu", "NoIssuesFound"), ("my-own-name", "IssuesFound"), ("AllZero", "Stopped")]
    (report,) = description["ProfilerRuleEvaluationStatuses"]
    assert (report["RuleConfigurationName"], report["RuleEvaluationStatus"]) == ("ProfilerReport", "IssuesFound")
    assert description["DebugRuleConfigurations"] == request["DebugRuleConfigurations"]


@pytest.mark.parametrize(
    ("field", "configurations", "said"),
    [
        ("Debug", [rule("NLPSequenceRatio")], "'NLPSequenceRatio', which is none of them"),
        ("Debug", [rule("Overfit", source_s3_uri="s3://b/rule.py")], "by rules of its own"),
        ("Debug", [rule("Overfit"), rule("Overfit", "again")], "Overfit is asked for twice"),
        ("Profiler", [rule("Overfit")], "'Overfit', which is none of them"),
        ("Profiler", [rule("ProfilerReport", CPUBottleneck_threshold="90")], "leave out 'CPUBottleneck_threshold'"),
    ],
)
def test_what_our_rules_cannot_do_is_refused(
    door: Door, debugged: Callable[..., Request], field: str, configurations: list[Request], said: str
) -> None:
    request = {**debugged(), f"{field}RuleConfigurations": configurations}
    with pytest.raises(ClientError, match=said):
        door.sagemaker.create_training_job(**request)


def test_rules_over_a_script_of_ones_own_are_refused(door: Door, debugged: Callable[..., Request]) -> None:
    request = debugged()
    request["HyperParameters"]["sagemaker_program"] = "train.py"
    with pytest.raises(ClientError, match="inside the training container, and not for a script of your own"):
        door.sagemaker.create_training_job(**request)


@pytest.mark.parametrize("field", ["DebugHookConfig", "TensorBoardOutputConfig", "ProfilerConfig"])
def test_places_in_s3_are_refused(door: Door, debugged: Callable[..., Request], field: str) -> None:
    request = debugged()
    request[field] = {**request[field], "S3OutputPath": "s3://b/x"}
    with pytest.raises(ClientError, match="The local door reads folders, not s3://b/x"):
        door.sagemaker.create_training_job(**request)


def test_debuggers_words_win_over_hyperparameters_however_they_are_spelt() -> None:
    request = {
        "HyperParameters": {"stop_on_rules": "AllZero", "rules": "none", "profile_interval_ms": "200", "lr": "1"},
        "DebugRuleConfigurations": [rule("Overfit", action_json='{\\"name\\": \\"stoptraining\\"}'), rule("AllZero")],
        "ProfilerConfig": {"DisableProfiler": True},
    }
    found = debugger.hyperparameters(request)
    assert found == {
        "lr": "1", "rules": '[{"Overfit": {}}, {"AllZero": {}}]', "stop-on-rules": "Overfit",
        "profile-interval-ms": "0",
    }  # fmt: skip


def test_another_run_is_a_folder_here(tmp_path: Path) -> None:
    compared = rule("SimilarAcrossRuns", other_trial_0=to_uri(tmp_path), scan_interval_us="60000000")
    (found,) = parse_rules(debugger.hyperparameters({"DebugRuleConfigurations": [compared]})["rules"])
    assert found.parameters == {"other_trials": str(tmp_path)}


def test_every_hosts_profile_is_delivered_and_the_leaders_summary_stands(tmp_path: Path) -> None:
    hosts = [tmp_path / "algo-1", tmp_path / "algo-2"]
    for host in hosts:
        profile = host / "output/data/profile"
        (profile / "system").mkdir(parents=True)
        (profile / "system" / f"{host.name}.json").touch()
        (profile / "summary.json").write_text(host.name)
    debugger.deliver_profile({"ProfilerConfig": {"S3OutputPath": to_uri(tmp_path / "out")}}, "job", hosts)
    delivered = tmp_path / "out/job/profiler-output"
    assert {path.name for path in (delivered / "system").iterdir()} == {"algo-1.json", "algo-2.json"}
    assert (delivered / "summary.json").read_text() == "algo-1"
    debugger.deliver_profile({}, "other", hosts)
    assert not (tmp_path / "out/other").exists()


def test_a_request_without_debugger_is_left_as_it_is() -> None:
    request = {"HyperParameters": {"lr": "1", "rules": "default"}}
    assert debugger.hyperparameters(request) == request["HyperParameters"]
    assert not list(debugger.config_files(request)) and not debugger.mounts(request, "job")
