"""What the tests of searches share: a client whose training is over at once, requests, and the end of a search."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launcher.config.words import LOCAL_ROLE
from launcher.local.client import LocalSageMaker
from launcher.local.settings import Settings
from launcher.local.uris import to_uri
from tests.launcher.conftest import FAKES, wait

Request = dict[str, Any]
Make = Callable[..., Request]
AtEnd = Callable[[str], dict[str, Any]]

LR = {"Name": "lr", "MinValue": "0.001", "MaxValue": "1.0"}
OPTIMIZER = {"Name": "optimizer", "Values": ["adam", "sgd"]}


@pytest.fixture(name="client")
def client_fixture(state: Path, settings: Settings) -> LocalSageMaker:
    commands = {"train": (sys.executable, str(FAKES / "tune.py"))}
    return LocalSageMaker(state, replace(settings, commands=commands))


@pytest.fixture(name="search")
def search_fixture(tmp_path: Path, images: Path) -> Make:
    """A search's request; ``static`` are hyperparameters, ``config`` changes what the search itself is asked."""

    def make(
        name: str = "find", *, strategy: str = "Random", jobs: int | None = 3, at_once: int = 1,
        static: dict[str, str] | None = None, ranges: dict[str, Any] | None = None,
        definition: dict[str, Any] | None = None, top: dict[str, Any] | None = None, **config: Any,
    ) -> Request:  # fmt: skip
        limits = {"MaxParallelTrainingJobs": at_once, **({"MaxNumberOfTrainingJobs": jobs} if jobs else {})}
        limits.update(config.pop("ResourceLimits", {}))
        return {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": {
                "Strategy": strategy,
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:loss"},
                "ResourceLimits": limits,
                "ParameterRanges": ranges or {"ContinuousParameterRanges": [LR]},
                "RandomSeed": 7,
                **config,
            },
            "TrainingJobDefinition": {
                "StaticHyperParameters": {"epochs": "3", **(static or {})},
                "AlgorithmSpecification": {
                    "TrainingImage": "byoc-train",
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [
                        {"Name": f"validation:{what}", "Regex": f"validation:{what}=([0-9.eE+-]+)"}
                        for what in ("loss", "accuracy")
                    ],
                },
                "RoleArn": LOCAL_ROLE,
                "InputDataConfig": [
                    {
                        "ChannelName": "train",
                        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": to_uri(images)}},
                    }
                ],
                "OutputDataConfig": {"S3OutputPath": to_uri(tmp_path / "output")},
                "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 1},
                "StoppingCondition": {"MaxRuntimeInSeconds": 600},
                **(definition or {}),
            },
            **(top or {}),
        }

    return make


@pytest.fixture(name="over")
def over_fixture(client: LocalSageMaker) -> AtEnd:
    """Wait for a search's end; its description."""

    def at_end(name: str = "find") -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            description = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            over = description["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped")
            return description if over else None

        found: dict[str, Any] = wait(look)
        return found

    return at_end


def trials_of(client: LocalSageMaker, name: str = "find") -> list[dict[str, Any]]:
    """Summaries of a search's trials, by number."""
    answer = client.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, MaxResults=100, SortBy="Name"
    )
    rows: list[dict[str, Any]] = answer["TrainingJobSummaries"]
    return rows
