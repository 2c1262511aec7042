"""What a search's request may not ask, each refused as AWS refuses; and answers in the shape of AWS's."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.model import Shape

from launcher.errors import EngineError
from launcher.local.client import LocalSageMaker
from launcher.local.wire import service_model
from tests.launcher.searches import LR, OPTIMIZER, AtEnd, Make, client_fixture, over_fixture, search_fixture, trials_of

__all__ = ["client_fixture", "over_fixture", "search_fixture"]


def refused(client: LocalSageMaker, request: dict[str, Any]) -> str:
    """The message with which a request is refused; nothing of it is left."""
    with pytest.raises(ClientError) as error:
        client.create_hyper_parameter_tuning_job(**request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
    return str(error.value.response["Error"]["Message"])


def number(low: str, high: str, scaling: str = "Auto", kind: str = "ContinuousParameterRanges") -> dict[str, Any]:
    return {"ranges": {kind: [{"Name": "lr", "MinValue": low, "MaxValue": high, "ScalingType": scaling}]}}


INTEGER = "IntegerParameterRanges"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (number("1", "0.1"), "MinValue 1 of lr is greater than MaxValue 0.1"),
        (number("low", "1"), "MinValue 'low' of lr is not a number"),
        (number("0", "inf"), "not finite"),
        (number("1.5", "3", kind=INTEGER), "MinValue '1.5' of lr is not an integer"),
        (number("0", "1", "Logarithmic"), "Logarithmic scaling of lr needs values greater than 0"),
        (number("0.5", "1", "ReverseLogarithmic"), "from 0 to less than 1"),
        (number("0", "1", "ReverseLogarithmic", INTEGER), "is for continuous ranges"),
        (number("0", "1", "Cubic"), "Member must satisfy enum value set: [Auto, Linear, Logarithmic"),
        ({"ranges": {"ContinuousParameterRanges": []}}, "needs one range at least"),
        ({"ranges": {"ContinuousParameterRanges": [LR, LR]}}, "more than one range"),
        ({"static": {"lr": "1"}}, "both in StaticHyperParameters and in ParameterRanges"),
        ({"ranges": {"AutoParameters": [{"Name": "a", "ValueHint": "1"}]}}, "AutoParameters does not run locally"),
        ({"strategy": "Guess"}, "at 'hyperParameterTuningJobConfig.strategy'"),
        ({"strategy": "Grid", "jobs": None}, "takes categorical ranges only"),
        (
            {"strategy": "Grid", "jobs": 3, "ranges": {"CategoricalParameterRanges": [OPTIMIZER]}},
            "the grid has 2 combinations",
        ),
        ({"strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"}, "must be Off with the Hyperband"),
        ({"strategy": "Hyperband", "static": {"epochs": "many"}}, "MaxResource is not given and cannot be read"),
        (
            {"strategy": "Hyperband", "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 9}}},
            "MinResource 9 <= MaxResource 3",
        ),
        ({"StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 9}}}, "StrategyConfig is for Hyperband"),
        ({"TrainingJobEarlyStoppingType": "Maybe"}, "enum value set: [Off, Auto]"),
        (
            {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:los"}},
            "'validation:los' is not among the metric definitions of the training job: validation:loss",
        ),
        ({"jobs": None}, "MaxNumberOfTrainingJobs, MaxRuntimeInSeconds or TuningJobCompletionCriteria is needed"),
        ({"ResourceLimits": {"MaxRuntimeInSeconds": 99_999_999}}, "less than or equal to 15768000"),
        ({"top": {"Autotune": {"Mode": "Enabled"}}}, "Autotune does not run locally"),
        ({"definition": {"OutputDataConfig": {"S3OutputPath": "s3://bucket/x"}}}, "s3://bucket/x"),
        (
            {"ranges": {"CategoricalParameterRanges": [{"Name": "a", "Values": [str(each) for each in range(31)]}]}},
            "Member must have length less than or equal to 30",
        ),
    ],
)  # fmt: skip
def test_a_request_that_aws_would_refuse_is_refused(
    client: LocalSageMaker, search: Make, asked: dict[str, Any], words: str
) -> None:
    assert words in refused(client, search(**asked))


def warm(*parents: str, how: str = "IdenticalDataAndAlgorithm") -> dict[str, Any]:
    names = [{"HyperParameterTuningJobName": name} for name in parents]
    return {"WarmStartConfig": {"ParentHyperParameterTuningJobs": names, "WarmStartType": how}}


def test_more_than_five_parents_and_a_parent_that_is_not_there_are_refused(
    client: LocalSageMaker, search: Make
) -> None:
    assert "less than or equal to 5" in refused(client, search(top=warm(*"abcdef")))
    with pytest.raises(ClientError, match="not found: tuning job nobody"):
        client.create_hyper_parameter_tuning_job(**search(top=warm("nobody")))


def test_a_warm_start_knows_its_parents_trials(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    even = number("0", "1", "Linear")
    client.create_hyper_parameter_tuning_job(**search("parent", jobs=8, **even))
    best = over("parent")["BestTrainingJob"]
    client.create_hyper_parameter_tuning_job(
        **search(
            "child",
            strategy="Bayesian",
            jobs=2,
            static={"mode": ""},
            top=warm("parent", how="TransferLearning"),
            **even,
        )
    )
    assert "OverallBestTrainingJob" not in over("child")
    client.create_hyper_parameter_tuning_job(**search("twin", strategy="Bayesian", jobs=2, top=warm("parent"), **even))
    # A parent may be deleted once its child was created.
    over("twin")
    client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="parent")
    description = over("twin")
    overall = description["OverallBestTrainingJob"]
    values = [
        each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in (best, description["BestTrainingJob"])
    ]
    assert overall["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == min(values)
    # From its first trial it looks where the parent found the best.
    first = float(trials_of(client, "twin")[0]["TunedHyperParameters"]["lr"])
    assert abs(first - 0.3) < 0.3


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"definition": {"InputDataConfig": []}}, "trained on other data; use TransferLearning"),
        ({"static": {"mode": ""}}, "has not the same hyperparameters (mode); use TransferLearning"),
        (
            {"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:loss"}},
            "goes by another objective",
        ),
        ({"ranges": {"CategoricalParameterRanges": [OPTIMIZER]}}, "has no hyperparameter optimizer"),
    ],
)
def test_a_warm_start_from_a_search_that_does_not_fit_is_refused(
    client: LocalSageMaker, search: Make, over: AtEnd, changed: dict[str, Any], words: str
) -> None:
    client.create_hyper_parameter_tuning_job(**search("parent", jobs=1))
    over("parent")
    if "InputDataConfig" in changed.get("definition", {}):
        data = search()["TrainingJobDefinition"]["InputDataConfig"]
        changed = {"definition": {"InputDataConfig": [{**data[0], "ChannelName": "training"}]}}
    with pytest.raises(ClientError, match="ValidationException") as error:
        client.create_hyper_parameter_tuning_job(**search("child", top=warm("parent"), **changed))
    assert words in str(error.value)


def test_a_search_that_runs_still_is_no_parent(
    client: LocalSageMaker, search: Make, over: AtEnd, tmp_path: Path
) -> None:
    client.create_hyper_parameter_tuning_job(**search("parent", jobs=1, static={"gate": str(tmp_path / "gate")}))
    with pytest.raises(ClientError, match="needs one that has ended"):
        client.create_hyper_parameter_tuning_job(**search("child", top=warm("parent")))
    (tmp_path / "gate").touch()
    over("parent")


def faults(value: Any, shape: Shape, place: str) -> list[str]:
    """Where an answer is not of the service model's shape: unknown or missing members, wrong kinds."""
    kinds: dict[str, Any] = {
        "structure": dict, "map": dict, "list": list, "string": str, "integer": int, "long": int,
        "float": (int, float), "double": (int, float), "boolean": bool, "timestamp": datetime,
    }  # fmt: skip
    if not isinstance(value, kinds[shape.type_name]):
        return [f"{place} is {type(value).__name__}, not {shape.type_name}"]
    found: list[str] = []
    if shape.type_name == "structure":
        members: dict[str, Shape] = shape.members  # type: ignore[attr-defined]
        found += [f"{place}.{name} is unknown" for name in value if name not in members]
        found += [f"{place}.{name} is missing" for name in shape.required_members if name not in value]  # type: ignore[attr-defined]
        for name in value.keys() & members.keys():
            found += faults(value[name], members[name], f"{place}.{name}")
    elif shape.type_name == "list":
        for index, each in enumerate(value):
            found += faults(each, shape.member, f"{place}[{index}]")  # type: ignore[attr-defined]
    elif shape.type_name == "map":
        for name, each in value.items():
            found += faults(each, shape.value, f"{place}[{name}]")  # type: ignore[attr-defined]
    return found


def shape_of(operation: str) -> Shape:
    shape = service_model("sagemaker").operation_model(operation).output_shape
    assert shape is not None
    return shape


def test_the_checker_of_shapes_sees_faults() -> None:
    shape = shape_of("ListHyperParameterTuningJobs")
    wrong = {"HyperParameterTuningJobSummaries": [{"Strategy": 5}], "Extra": 1}
    found = faults(wrong, shape, "answer")
    assert "answer.Extra is unknown" in found and any("Strategy is int" in each for each in found)
    assert any("CreationTime is missing" in each for each in found)


def test_every_answer_has_the_shape_of_awss(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    def check(operation: str, answer: dict[str, Any]) -> None:
        answer.pop("ResponseMetadata")
        assert faults(answer, shape_of(operation), operation) == []

    mode = {"Name": "mode", "Values": ["", "fail"]}
    modes = {"ContinuousParameterRanges": [LR], "CategoricalParameterRanges": [mode]}
    created = client.create_hyper_parameter_tuning_job(**search("old", jobs=5, ranges=modes))
    check("CreateHyperParameterTuningJob", created)
    describe: Callable[..., dict[str, Any]] = client.describe_hyper_parameter_tuning_job
    check("DescribeHyperParameterTuningJob", describe(HyperParameterTuningJobName="old"))
    check("DescribeHyperParameterTuningJob", over("old"))
    client.create_hyper_parameter_tuning_job(**search("new", jobs=1, ranges=modes, top=warm("old")))
    check("DescribeHyperParameterTuningJob", over("new"))
    check("ListHyperParameterTuningJobs", client.list_hyper_parameter_tuning_jobs())
    listed = client.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName="old")
    check("ListTrainingJobsForHyperParameterTuningJob", listed)
    job = client.describe_training_job(TrainingJobName=listed["TrainingJobSummaries"][0]["TrainingJobName"])
    assert job["TuningJobArn"] == over("old")["HyperParameterTuningJobArn"]


def test_a_bayesian_search_for_whose_environment_there_is_no_room_is_not_created(
    client: LocalSageMaker, search: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)  # no torch beside the launcher
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2 * 10**8))
    with pytest.raises(EngineError, match=r"has 0\.2 GB free and the tune environment needs about 5\.5 GB; make room"):
        client.create_hyper_parameter_tuning_job(**search(strategy="Bayesian"))
    assert client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
