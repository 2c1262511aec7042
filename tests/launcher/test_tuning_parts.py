"""The pieces of a search by themselves: scales, spaces, the median rule, completion, strategies."""

from __future__ import annotations

import math
from statistics import median as middle
from typing import Any

import optuna
import pytest

from launcher.local.tuning import completion, median
from launcher.local.tuning.epochs import epochs_of
from launcher.local.tuning.hyperband import Hyperband
from launcher.local.tuning.scales import Range, scale_of
from launcher.local.tuning.space import Space
from launcher.local.tuning.strategies.base import draw
from launcher.local.tuning.strategies.bayesian import Bayesian
from launcher.local.tuning.strategies.random import Random
from launcher.local.tuning.trials import Objective, Point, Trial
from launcher.local.tuning.warmstart import Known

LOSS = Objective(metric="validation:loss", maximize=False)


def trial(number: int, *values: float, status: str = "Completed", ended: float = 0.0, **given: str) -> Trial:
    """A trial that printed ``values``, one a second."""
    return Trial(
        number=number,
        name=f"t-{number:03d}",
        values=given,
        record={"TrainingJobStatus": status, "CreationTime": 0.0, "TrainingEndTime": ended or float(number)},
        points=tuple(Point(value, number * 100.0 + epoch) for epoch, value in enumerate(values)),
    )


def space(**ranges: dict[str, Any]) -> Space:
    """A space of ranges by kind and name."""
    given: dict[str, list[dict[str, Any]]] = {}
    for name, each in ranges.items():
        kind = "CategoricalParameterRanges" if "Values" in each else each.pop("kind", "ContinuousParameterRanges")
        given.setdefault(kind, []).append({"Name": name, **each})
    return Space.of({"ParameterRanges": given})


def real(low: str, high: str, scaling: str = "Auto") -> dict[str, Any]:
    return {"MinValue": low, "MaxValue": high, "ScalingType": scaling}


def whole(low: str, high: str, scaling: str = "Auto") -> dict[str, Any]:
    return {**real(low, high, scaling), "kind": "IntegerParameterRanges"}


@pytest.mark.parametrize(
    ("scaling", "low", "high", "meant"),
    [
        ("Auto", 1e-4, 1e-2, "Logarithmic"),
        ("Auto", 1e-3, 0.099, "Linear"),
        ("Auto", 0.0, 1.0, "Linear"),
        ("Auto", -1.0, 1000.0, "Linear"),
        ("Linear", 1e-5, 1.0, "Linear"),
        ("ReverseLogarithmic", 0.9, 0.999, "ReverseLogarithmic"),
    ],
)
def test_auto_is_logarithmic_from_two_decades_above_zero(scaling: str, low: float, high: float, meant: str) -> None:
    assert scale_of(scaling, low, high) == meant


def test_each_scale_puts_half_of_its_draws_below_its_own_middle() -> None:
    ranges = space(
        linear=real("0", "1", "Linear"),
        log=real("0.0001", "1", "Logarithmic"),
        reverse=real("0", "0.9999", "ReverseLogarithmic"),
    )
    drawn = [draw(ranges, seed) for seed in range(300)]
    for name, center in (("linear", 0.5), ("log", 0.01), ("reverse", 0.99)):
        below = sum(float(each[name]) < center for each in drawn)
        assert 110 < below < 190, name


def test_values_are_strings_that_read_back_and_stay_in_their_range() -> None:
    ranges = space(
        lr=real("0.001", "0.1"),
        momentum=real("0.5", "0.999", "ReverseLogarithmic"),
        size=whole("8", "64"),
        wide=whole("1", "1000", "Logarithmic"),
        name={"Values": ['"adam"', '"sgd"']},
    )
    for seed in range(50):
        values = draw(ranges, seed)
        assert 0.001 <= float(values["lr"]) <= 0.1 and 0.5 <= float(values["momentum"]) <= 0.999
        assert values["size"].isdecimal() and 8 <= int(values["size"]) <= 64 and 1 <= int(values["wide"]) <= 1000
        # A categorical value goes through as it was given, quotes and all.
        assert values["name"] in ('"adam"', '"sgd"')
        back = ranges.params(values)
        assert back is not None
        again = ranges.texts(back)
        assert float(again.pop("momentum")) == pytest.approx(float(values.pop("momentum")))
        assert again == values


def test_a_reversed_value_survives_the_way_there_and_back() -> None:
    momentum = Range(name="momentum", kind="continuous", low=0.5, high=0.999, scale="ReverseLogarithmic")
    for text in ("0.5", "0.9", "0.999"):
        assert float(momentum.text(momentum.value(text))) == pytest.approx(float(text), abs=1e-12)


def test_values_outside_a_range_are_no_values_of_it() -> None:
    ranges = space(lr=real("0.1", "1"), name={"Values": ["a"]})
    assert ranges.params({"lr": "0.05", "name": "a"}) is None
    assert ranges.params({"lr": "0.5", "name": "b"}) is None
    assert ranges.params({"lr": "much", "name": "a"}) is None
    assert ranges.params({"lr": "0.5"}) is None
    assert ranges.params({"lr": "0.5", "name": "a"}) == {"lr": 0.5, "name": "a"}


def test_the_median_rule_stops_above_its_threshold_and_not_on_it() -> None:
    previous = [[1.0, 0.5], [2.0, 1.0], [3.0, 1.5]]
    # Running averages up to epoch 2: 0.75, 1.5, 2.25.
    assert median.threshold(previous, 2) == 1.5
    assert not median.is_worse([9.0, 1.5], previous, maximize=False)
    assert median.is_worse([0.1, 1.5001], previous, maximize=False)
    assert not median.is_worse([0.1, 1.5], previous, maximize=True)
    assert median.is_worse([9.0, 1.4999], previous, maximize=True)


def test_the_median_rule_looks_no_further_than_the_same_epoch() -> None:
    assert median.threshold([[1.0, 100.0, 100.0], [3.0]], 1) == middle([1.0, 3.0])
    # A job that ended before counts with what it had.
    assert median.threshold([[1.0, 3.0], [4.0]], 2) == middle([2.0, 4.0])


def test_the_median_rule_stops_nobody_without_a_job_before() -> None:
    assert not median.is_worse([5.0], [], maximize=False)
    assert not median.is_worse([5.0], [[]], maximize=False)
    assert not median.is_worse([], [[1.0]], maximize=False)


def test_one_percent_or_less_is_no_improvement() -> None:
    trials = [trial(1, 1.0), trial(2, 0.995), trial(3, 0.991), trial(4, 0.98), trial(5, status="Failed")]
    assert completion.details(trials[:3], LOSS) == {"NumberOfTrainingJobsObjectiveNotImproving": 2}
    assert completion.details(trials, LOSS) == {"NumberOfTrainingJobsObjectiveNotImproving": 1}


def test_failures_before_the_first_success_are_no_lack_of_improvement() -> None:
    failed = [trial(number, status="Failed") for number in range(1, 20)]
    assert completion.details(failed, LOSS) == {"NumberOfTrainingJobsObjectiveNotImproving": 0}


def test_convergence_is_ten_trials_without_improvement_and_improvement_undoes_it() -> None:
    flat = [trial(number, 1.0) for number in range(1, 12)]
    assert completion.details(flat, LOSS)["ConvergenceDetectedTime"] == 11.0
    assert "ConvergenceDetectedTime" not in completion.details(flat[:-1], LOSS)
    assert "ConvergenceDetectedTime" not in completion.details([*flat, trial(12, 0.5)], LOSS)


@pytest.mark.parametrize(("maximize", "value", "over"), [(False, 0.1, True), (False, 0.2, False), (True, 0.2, True)])
def test_the_target_is_reached_from_either_side(maximize: bool, value: float, over: bool) -> None:
    config = {"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.15}}
    objective = Objective(metric="m", maximize=maximize)
    assert (completion.reached(config, [trial(1, value)], objective) is not None) is over


def test_the_objective_of_a_trial_is_its_last_value_unless_it_failed_or_runs() -> None:
    assert trial(1, 0.5, 0.7, status="Stopped").objective == 0.7
    assert trial(1, 0.5, status="Failed").objective is None
    assert trial(1, 0.5, status="InProgress").objective is None
    assert trial(1, status="Stopped").objective_status == "Failed"
    best = LOSS.best([trial(1, 0.5), trial(2, 0.5), trial(3, 0.9)])
    assert best is not None and best.number == 1


@pytest.mark.parametrize(
    ("given", "epochs"), [({"epochs": "9"}, 9), ({"n_epochs": '"4"'}, 4), ({"lr": "1"}, None), ({"epochs": "x"}, None)]
)
def test_epochs_are_read_where_aws_looks_for_them(given: dict[str, str], epochs: int | None) -> None:
    assert epochs_of(given) == epochs


def hyperband_epochs(curves: list[list[float]]) -> list[int]:
    """How many epochs each of these trials runs, one after the other."""
    pruner, done, ran = Hyperband(1, len(curves[0]), LOSS), [], []
    for number, curve in enumerate(curves, start=1):
        for epoch in range(1, len(curve) + 1):
            if pruner.doomed([*done, trial(number, *curve[:epoch], status="InProgress")]):
                break
        done.append(trial(number, *curve[:epoch]))
        ran.append(epoch)
    return ran


def test_hyperband_spends_at_most_half_the_epochs_and_keeps_the_best() -> None:
    curves = [[(number * 7 % 20) / 20 + 1 / epoch for epoch in range(1, 28)] for number in range(1, 21)]
    ran = hyperband_epochs(curves)
    assert sum(ran) <= 20 * 27 / 2
    assert max(ran) == 27
    # Number 20 is the best of all.
    assert ran[19] >= 9


def test_hyperband_shown_everything_at_once_decides_as_it_did_step_by_step() -> None:
    curves = [[(number * 7 % 20) / 20 + 1 / epoch for epoch in range(1, 10)] for number in range(1, 9)]
    for goal in (0.0, 0.2, 0.4, 0.9):
        following = [goal + 1 / epoch for epoch in range(1, 10)]
        *ran, step_by_step = hyperband_epochs([*curves, following])
        done = [
            trial(number, *curve[:epochs]) for number, (curve, epochs) in enumerate(zip(curves, ran, strict=True), 1)
        ]
        late = Hyperband(1, 9, LOSS)
        for epoch in range(1, 10):
            if late.doomed([*done, trial(9, *following[:epoch], status="InProgress")]):
                break
        assert epoch == step_by_step


def bowl(values: dict[str, str]) -> float:
    """Least, 0, at lr 0.01 and dropout 0.3."""
    return (math.log10(float(values["lr"])) + 2) ** 2 + 4 * (float(values["dropout"]) - 0.3) ** 2


def run(strategy: Any, number: int) -> list[Trial]:
    done: list[Trial] = []
    for each in range(1, number + 1):
        values = strategy.suggest(each, done)
        done.append(trial(each, bowl(values), **values))
    return done


def two() -> Space:
    return space(lr=real("0.0001", "1"), dropout=real("0", "1", "Linear"))


def test_bayesian_finds_in_half_the_trials_what_random_finds() -> None:
    wins = 0
    for seed in range(3):
        random = min(each.objective or 0 for each in run(Random(two(), seed), 20))
        bayesian = min(each.objective or 0 for each in run(Bayesian(two(), seed + 100, LOSS), 10))
        wins += bayesian < random
    assert wins >= 2


def test_bayesian_goes_by_what_earlier_searches_found_from_its_first_trial() -> None:
    ranges = space(x=real("0", "1", "Linear"))
    known = [
        Known(parent="old", identical=True, values={"x": repr(each / 20)}, objective=(each / 20 - 0.7) ** 2)
        for each in range(21)
    ]
    values = Bayesian(ranges, 1, LOSS, known).suggest(1, [])
    assert values is not None and abs(float(values["x"]) - 0.7) < 0.1


def test_with_transfer_learning_only_the_shape_of_the_earlier_objectives_counts() -> None:
    ranges = space(x=real("0", "1", "Linear"))
    known = [
        Known(
            parent="old", identical=False, values={"x": repr(each / 20)}, objective=1000 + 50 * (each / 20 - 0.7) ** 2
        )
        for each in range(21)
    ]
    own = [trial(1, 0.49, x="0.0"), trial(2, 0.09, x="1.0")]
    values = Bayesian(ranges, 1, LOSS, known).suggest(3, own)
    assert values is not None and abs(float(values["x"]) - 0.7) < 0.2


def test_optuna_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    run(Bayesian(two(), 0, LOSS), 5)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR
