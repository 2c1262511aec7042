"""Every rule speaks of its fault, and none of a healthy training; each training is a real one, of half a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import smdebug.pytorch as smd

from container.common.rules import DEFAULT, NAMES
from tests.train.rules.faults import FAULTS, HEALTHY, findings, record

pytestmark = [
    # smdebug 1.0.34 is older than what it stands on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

# Which rule of a healthy training may not speak: all, with the parameters that some need.
BOUNDS = {"TensorVariance": {"max_threshold": 10, "min_threshold": 0.00001}, "Confusion": {}}

# Told by test_rules and test_runner: these need another run, and time.
ELSEWHERE = {"SimilarAcrossRuns", "StalledTrainingRule"}


@pytest.fixture(autouse=True)
def _no_hook_is_left() -> Iterator[None]:
    yield
    smd.del_hook()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_its_rules(tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    record(fault, tmp_path / "tensors")
    found = findings(tmp_path / "tensors", fault.parameters)
    met = {rule for rule, what in found.items() if what}
    assert set(fault.rules) <= met
    for rule in met:
        for one in found[rule]:
            assert one.tensor and one.values and one.advice.endswith("."), (rule, one)


@pytest.mark.parametrize("name", HEALTHY)
def test_no_rule_speaks_of_a_healthy_training(tmp_path: Path, name: str) -> None:
    record(HEALTHY[name], tmp_path / "tensors")
    record(HEALTHY[name], tmp_path / "other", seed=1)
    parameters = BOUNDS | {"SimilarAcrossRuns": {"other_trials": str(tmp_path / "other")}}
    found = findings(tmp_path / "tensors", parameters)
    assert set(found) == set(NAMES)
    assert {rule: what for rule, what in found.items() if what} == {}


def test_every_rule_has_a_fault() -> None:
    assert {rule for fault in FAULTS.values() for rule in fault.rules} | ELSEWHERE == set(NAMES)
    assert set(DEFAULT) < set(NAMES)


def test_the_same_training_twice_is_told(tmp_path: Path) -> None:
    for name in ("one", "two"):
        record(HEALTHY["a head on features"], tmp_path / name)
    found = findings(tmp_path / "one", {"SimilarAcrossRuns": {"other_trials": str(tmp_path / "two")}})
    assert found["SimilarAcrossRuns"][0].step == 1


def test_a_relu_on_the_logits_is_told_of_the_first_step(tmp_path: Path) -> None:
    record(FAULTS["ReLU on the logits"], tmp_path / "tensors")
    (first,) = findings(tmp_path / "tensors", {})["DeadRelu"]
    assert (first.step, first.tensor) == (0, "head_outputs")
    assert "a ReLU stands on the logits" in first.advice
