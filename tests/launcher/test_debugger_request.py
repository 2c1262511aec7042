"""--aws-debugger and --tensorboard-output: requests that SageMaker takes, and the very ones that AWS's SDK sends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from container.common.hyperparameters import parse
from container.common.rules import DEFAULT, NAMES
from container.common.rules import parse as parse_rules
from launcher import requests
from launcher.config import Training, training_config, tuning_config
from launcher.config.evaluators import ACCOUNTS, evaluator_image
from launcher.config.presets import Preset
from launcher.config.tuning_words import TuneWords
from launcher.config.words import Place, TrainWords
from launcher.errors import ConfigError
from tests.launcher import sdk
from tests.launcher.test_requests import check, in_aws
from tests.launcher.test_training_request import WORDS as SHARED

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's imports warn of much

FIELDS = ("DebugHookConfig", "DebugRuleConfigurations", "ProfilerConfig", "ProfilerRuleConfigurations",
          "TensorBoardOutputConfig")  # fmt: skip
IMAGES = ".*normalize_output_0"
WORDS = {**SHARED, "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/byoc-train:1"}

WATCHED: dict[str, dict[str, str]] = {
    "the default rules": {},
    "every rule": {"rules": ",".join(NAMES)},
    "one": {"rules": "VanishingGradient"},
    "no rules": {"rules": "none"},
    "parameters": {"rules": '["Overfit", {"VanishingGradient": {"threshold": 1e-6}}]'},
    "lists": {"rules": '{"UnchangedTensor": {"collection_names": ["weights", "biases"]}}'},
    "another run": {"rules": '{"SimilarAcrossRuns": {"other_trials": "s3://b/other/debug-output"}}'},
    "an interval": {"rules": "VanishingGradient,LossNotDecreasing", "debug-save-interval": "7"},
    "an interval for each phase": {
        "rules": "VanishingGradient",
        "debug-save-interval": "100",
        "debug-eval-interval": "10",
    },
    "a regular expression": {"rules": "Overfit", "debug-include-regex": "CrossEntropyLoss_output_0"},
    "stopped by all": {"rules": "VanishingGradient,Overfit", "stop-on-rules": "all"},
    "stopped by one": {"rules": "VanishingGradient,Overfit", "stop-on-rules": "Overfit"},
    "a slow profile": {"profile-interval-ms": "60000"},
    "no profile": {"profile-interval-ms": "0"},
}


def debugged(hyperparameters: dict[str, str], **changes: Any) -> Training:
    return in_aws(hyperparameters={"lr": "0.01", **hyperparameters}, debugger=True, **changes)


def theirs(training: Training, catcher: sdk.Catcher) -> dict[str, Any]:
    """The request that the SDK sends for the same wishes, told in its own classes."""
    from sagemaker.debugger import (
        CollectionConfig,
        DebuggerHookConfig,
        ProfilerConfig,
        ProfilerRule,
        TensorBoardOutputConfig,
    )
    from sagemaker.debugger import rule_configs as theirs
    from sagemaker.estimator import Estimator

    h = parse(training.hyperparameters)
    profiled = h.profile_interval_ms > 0
    rules = [_rule(each.rule, each.parameters, h) for each in parse_rules(h.rules if h.rules != "auto" else "default")]
    estimator = Estimator(
        image_uri=training.image, role=training.role, instance_count=1, instance_type=training.instance_type,
        output_path=training.output, sagemaker_session=sdk.session(catcher),
        rules=[*rules, *([ProfilerRule.sagemaker(theirs.ProfilerReport())] if profiled else [])] or None,
        debugger_hook_config=DebuggerHookConfig(
            s3_output_path=training.output, hook_parameters=_intervals(h),
            collection_configs=[
                CollectionConfig("included", {"include_regex": h.debug_include_regex, **_intervals(h)})
            ] if h.debug_include_regex else None,
        ),
        profiler_config=ProfilerConfig(system_monitor_interval_millis=h.profile_interval_ms) if profiled else None,
        disable_profiler=not profiled,
        tensorboard_output_config=TensorBoardOutputConfig(training.tensorboard) if training.tensorboard else None,
    )  # fmt: skip
    estimator.fit(None, job_name=training.name, wait=False)
    return catcher.caught["create_training_job"]


def _intervals(h: Any) -> dict[str, str]:
    of_evaluation = {"eval.save_interval": str(h.debug_eval_interval)} if h.debug_eval_interval else {}
    return {"save_interval": str(h.debug_save_interval), **of_evaluation}


def _rule(name: str, parameters: dict[str, Any], h: Any) -> Any:
    from sagemaker.debugger import CollectionConfig, Rule, rule_configs

    base = getattr(rule_configs, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())()
    given = {key: ",".join(value) if isinstance(value, list) else str(value) for key, value in parameters.items()}
    other = given.pop("other_trials", None)
    if name == "CheckInputImages":
        given = {"regex": IMAGES, **given}
    # The rule's own collections, at the interval that is asked for.
    collections = [
        CollectionConfig(
            each["CollectionName"],
            {
                **each["CollectionParameters"],
                **({"include_regex": IMAGES} if name == "CheckInputImages" else {}),
                **_intervals(h),
            },
        )
        for each in base.get("CollectionConfigurations", [])
    ]
    stops = h.stop_on_rules == "all" or name in h.stop_on_rules
    return Rule.sagemaker(
        base, rule_parameters=given, collections_to_save=collections,
        other_trials_s3_input_paths=[other] if other else None, actions=rule_configs.StopTraining() if stops else None,
    )  # fmt: skip


def of_debugger(request: dict[str, Any]) -> dict[str, Any]:
    """Debugger's fields of a request; the SDK keeps collections in a set."""
    found = {name: request[name] for name in FIELDS if request.get(name)}
    collections = found.get("DebugHookConfig", {}).get("CollectionConfigurations", [])
    collections.sort(key=lambda each: each["CollectionName"])
    return found


@pytest.mark.parametrize("hyperparameters", WATCHED.values(), ids=WATCHED)
def test_the_request_is_the_one_that_awss_own_sdk_sends(
    hyperparameters: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sdk.quiet(monkeypatch, tmp_path)
    training = debugged(hyperparameters, tensorboard="s3://b/boards" if hyperparameters else None)
    ours = of_debugger(requests.create_training_job(training))
    assert ours == of_debugger(theirs(training, sdk.Catcher()))
    assert ("TensorBoardOutputConfig" in ours) == bool(hyperparameters)


@pytest.mark.parametrize("hyperparameters", WATCHED.values(), ids=WATCHED)
def test_the_request_is_one_that_sagemaker_takes(hyperparameters: dict[str, str]) -> None:
    check("CreateTrainingJob", requests.create_training_job(debugged(hyperparameters, tensorboard="s3://b/boards")))


def test_nothing_of_debugger_is_sent_unasked() -> None:
    request = requests.create_training_job(in_aws(hyperparameters={"rules": "default", "stop-on-rules": "all"}))
    assert not [name for name in FIELDS if name in request]
    assert request["HyperParameters"] == {"rules": "default", "stop-on-rules": "all"}


def test_what_debugger_does_is_not_done_in_the_job_once_more() -> None:
    request = requests.create_training_job(debugged({"stop-on-rules": "all"}))
    assert request["HyperParameters"] == {"lr": "0.01", "rules": "none"}
    assert [each["RuleConfigurationName"] for each in request["DebugRuleConfigurations"]] == list(DEFAULT)


def test_the_accounts_of_the_evaluators_are_those_of_awss_sdk() -> None:
    from sagemaker import image_uris

    own = "123456789012.dkr.ecr.{}.{}/byoc-train"
    config = image_uris.config_for_framework("debugger")["versions"]["latest"]["registries"]
    assert config == ACCOUNTS
    for region in ACCOUNTS:
        domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        assert evaluator_image(own.format(region, domain)) == image_uris.retrieve("debugger", region)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ({"image": "123456789012.dkr.ecr.xx-west-9.amazonaws.com/a"}, "there is no Debugger in xx-west-9; leave out"),
        ({"image": "docker.io/me/a"}, "give the address of one in ECR"),
        ({"hyperparameters": {"profile-interval-ms": "300"}}, "choose one of 100, 200, 500, 1000, 5000, 60000, or 0"),
    ],
)
def test_what_debugger_cannot_do_is_refused_before_anything_starts(words: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(fault)):
        training_config(TrainWords(**{**WORDS, **words}, aws_debugger=True), Preset(), Place(door="aws"))


def test_the_words_reach_the_request_behind_both_doors(tmp_path: Path, images: Path) -> None:
    local = TrainWords(data=str(images), aws_debugger=True, tensorboard_output="")
    here = training_config(local, Preset(), Place(door="local", state=tmp_path)).training
    there = training_config(
        TrainWords(**WORDS, aws_debugger=True, tensorboard_output="s3://b/boards"), Preset(), Place(door="aws")
    ).training
    assert here is not None and there is not None
    ours, aws = requests.create_training_job(here), requests.create_training_job(there)
    assert ours["TensorBoardOutputConfig"] == {"S3OutputPath": ours["OutputDataConfig"]["S3OutputPath"]}
    assert aws["TensorBoardOutputConfig"] == {"S3OutputPath": "s3://b/boards"}
    assert {name for name in FIELDS if name in ours} == {name for name in FIELDS if name in aws} == set(FIELDS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"aws_debugger": True}, "--aws-debugger is for `launch.py train`: .* add --rules default"),
        ({"tensorboard_output": ""}, "--tensorboard-output is for `launch.py train`"),
    ],
)
def test_a_search_has_no_place_for_them(words: dict[str, Any], said: str) -> None:
    given = TuneWords(training=TrainWords(**WORDS, **words), ranges={"lr": "0.1:0.2"})
    with pytest.raises(ConfigError, match=said):
        tuning_config(given, Preset(), Place(door="aws"))
