"""Words and a preset's section become one search, or one sentence that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from container.common.metrics import metric_definitions
from launcher.cli import tune
from launcher.config import Tuning, load_preset, preset_names, tuning_config
from launcher.config.presets import Preset, TuningPart
from launcher.config.ranges import _KINDS, _TYPES, Choices, Numbers, preset_range, read_range
from launcher.config.tuning import EARLY_STOPPING, OBJECTIVES, STRATEGIES, WARM_START_TYPES, natural_goal
from launcher.config.tuning_words import TuneWords
from launcher.config.words import Place, TrainWords
from launcher.errors import ConfigError
from launcher.local.uris import to_uri

LR = {"lr": "0.001:0.1:log"}
LISTED = {"lr": "0.01,0.1", "batch-size": "16,32,64"}


@pytest.fixture
def local(tmp_path: Path) -> Place:
    return Place(door="local", state=tmp_path / "state")


def search(
    images: Path, place: Place, preset: Preset | None = None, *, fixed: Mapping[str, str] | None = None, **words: Any
) -> Tuning:
    name = words.pop("name", None)
    training = TrainWords(data=str(images), hyperparameters=fixed or {}, name=name)
    config = tuning_config(TuneWords(training=training, **{"ranges": LR, **words}), preset or Preset(), place)
    assert config.tuning is not None
    return config.tuning


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("lr", "0.001:0.1", Numbers(name="lr", kind="Continuous", minimum="0.001", maximum="0.1")),
        ("lr", "1e-5:1", Numbers(name="lr", kind="Continuous", minimum="1e-05", maximum="1.0")),
        ("epochs", "3:5", Numbers(name="epochs", kind="Integer", minimum="3", maximum="5")),
        ("batch_size", "16:64:LOGARITHMIC",
         Numbers(name="batch-size", kind="Integer", minimum="16", maximum="64", scaling="Logarithmic")),
        ("momentum", "0.5:0.99:reverse",
         Numbers(name="momentum", kind="Continuous", minimum="0.5", maximum="0.99", scaling="ReverseLogarithmic")),
        ("dropout", "0:0.5:Linear",
         Numbers(name="dropout", kind="Continuous", minimum="0.0", maximum="0.5", scaling="Linear")),
        ("head", "64:512", Numbers(name="head", kind="Integer", minimum="64", maximum="512")),
        ("batch-size", "16, 32,64", Choices(name="batch-size", values=("16", "32", "64"))),
        ("head", "512,64;256;", Choices(name="head", values=("512,64", "256", ""))),
        ("optimizer", "sgd,adamw", Choices(name="optimizer", values=("sgd", "adamw"))),
    ],
)  # fmt: skip
def test_a_range_is_read_and_its_kind_is_the_schemas(name: str, text: str, meant: object) -> None:
    assert read_range(name, text) == meant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"min": 0.001, "max": 0.1, "scale": "Logarithmic"}, "0.001:0.1:Logarithmic"),
        ([16, 32, 64], "16,32,64"),
        ("0.001:0.1", "0.001:0.1"),
    ],
)
def test_a_presets_range_is_a_flags_range(value: object, text: str) -> None:
    name = "batch-size" if isinstance(value, list) else "lr"
    assert preset_range(name, value) == read_range(name, text)


def test_a_presets_list_may_hold_lists() -> None:
    assert preset_range("head", [[512, 64], 256, None]) == Choices(name="head", values=("512,64", "256", ""))
    assert preset_range("amp", [True, False]) == Choices(name="amp", values=("true", "false"))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("learning-rate", "0:1", "cannot be tuned: Unknown hyperparameter 'learning-rate'. Did you mean 'lr'?"),
        ("_tuning_objective_metric", "a,b", "which SageMaker itself sets"),
        ("lr", "0.1:0.001", "begins at 0.1, above its end at 0.001; swap the two"),
        ("lr", "0.1:0.1", "holds 0.1 alone; fix it with --lr 0.1"),
        ("lr", "0.1", "holds '0.1' alone"),
        ("lr", "abc", r"cannot be used: Hyperparameter 'lr' cannot be 'abc': a number is expected"),
        ("lr", "0:0.1", "cannot be used: Hyperparameter 'lr' cannot be '0': it must be above 0"),
        ("epochs", "1:20000", "it must be at most 10000"),
        ("epochs", "1.5:3", "a whole number is expected"),
        ("weight-decay", "0:0.1:Logarithmic", "begins at 0.0, which has no logarithm"),
        ("weight-decay", "0.5:2:ReverseLogarithmic", "ReverseLogarithmic is for 0 <= x < 1"),
        ("lr", "0.001:0.1:loud", "no scale 'loud'. Known: Auto, Linear"),
        ("lr", "0.001:0.1:l", "no scale 'l'"),
        ("lr", "small:0.1", "'lr' cannot be 'small': a number is expected"),
        ("lr", "1:2:3:4", "write MIN:MAX"),
        ("lr", "", "'lr' cannot be ''"),
        ("optimizer", "sgd:adam", "'optimizer' is no number and has no range"),
        ("optimizer", "sgd,lion", "it must be one of adamw, adam, sgd, adagrad"),
        ("batch-size", "16,32,16", "lists '16' twice"),
        ("batch-size", ",".join(map(str, range(1, 32))), "lists 31 values, and AWS takes 30"),
    ],
)  # fmt: skip
def test_a_range_that_cannot_be_is_one_sentence(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_range(name, text)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value) and str(raised.value).endswith((".", "?"))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"min": 1}, "min or max is missing"),
        ({"min": 1, "max": 2, "scaling": "Linear"}, "'scaling' is unknown"),
    ],
)
def test_a_presets_range_that_cannot_be_is_one_sentence(value: object, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        preset_range("lr", value)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"ranges": {}}, "there is nothing to tune; add --range"),
        ({"ranges": {"batch-size": "1:9", "batch_size": "1:9"}}, "two ranges are given for 'batch-size'"),
        ({"fixed": {"lr": "0.1"}}, "'lr' is both tuned and fixed to 0.1; keep --range or --lr"),
        ({"objective": "validation:los"}, "no metric 'validation:los' is printed by training. Did you mean "
                                          "'validation:loss'?"),
        ({"objective": "test:loss"}, "the test split is kept for the end"),
        ({"objective": "epoch"}, "an epoch's number is no measure"),
        ({"objective": "validation:mae"}, "for classes that are numbers alone; add --ordered-classes true"),
        ({"strategy": "bayes"}, "--strategy cannot be 'bayes'. Did you mean 'Bayesian'?"),
        ({"strategy": "Grid"}, "Grid tries listed values, and 'lr' is a range; list them"),
        ({"strategy": "Grid", "ranges": LISTED, "jobs": 5}, "Grid tries all 6 combinations; leave out --jobs 5"),
        ({"strategy": "Hyperband", "early_stopping": "Auto"}, "Hyperband stops trials itself"),
        ({"strategy": "Hyperband", "min_resource": 9, "max_resource": 3}, "--min-resource 9 is above"),
        ({"max_resource": 3}, "are Hyperband's; Bayesian has none"),
        ({"jobs": 2, "parallel": 3}, "--parallel 3 is more than --jobs 2"),
        ({"name": "x" * 33}, f"name: '{'x' * 33}' cannot name a search; that is up to 32 letters"),
        ({"warm_start": ["a_b"]}, "warm-start: 'a_b' cannot name a search"),
        ({"warm_start": list("abcdef")}, "starts from 5 earlier ones at most, not 6"),
        ({"warm_start": ["a", "a"]}, "each --warm-start names another search"),
        ({"warm_start": ["me"], "name": "me"}, "each --warm-start names another search"),
        ({"patience_jobs": 2}, "patience-jobs: input should be greater than or equal to 3"),
        ({"max_search_runtime": 60}, "max-search-runtime: input should be greater than or equal to 120"),
        ({"ranges": {"weights": "none,channel"}}, "add --channel weights=FILE"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_is_one_sentence(
    words: dict[str, Any], sentence: str, images: Path, local: Place
) -> None:
    with pytest.raises(ConfigError) as raised:
        search(images, local, **words)
    assert sentence.lower() in str(raised.value).lower()
    assert "\n" not in str(raised.value) and str(raised.value).endswith((".", "?"))


def test_a_metric_is_optimized_the_way_it_goes_unless_told(images: Path, local: Place) -> None:
    assert {metric: natural_goal(metric) for metric in OBJECTIVES} == {
        "train:loss": "Minimize", "train:accuracy": "Maximize", "validation:loss": "Minimize",
        "validation:accuracy": "Maximize", "validation:f1": "Maximize", "images_per_second": "Maximize",
        "validation:mae": "Minimize", "validation:rmse": "Minimize",
    }  # fmt: skip
    assert search(images, local, objective="validation:f1").goal == "Maximize"
    assert search(images, local, objective="validation:f1", goal="minimize").goal == "Minimize"


def test_what_a_preset_says_of_its_objective_is_not_said_of_a_flags(images: Path, local: Place) -> None:
    preset = Preset(tuning=TuningPart(objective="validation:loss", goal="Minimize", target=0.1))
    own = search(images, local, preset, objective="validation:loss")
    assert (own.goal, own.target) == ("Minimize", 0.1)
    given = search(images, local, preset, objective="validation:accuracy")
    assert (given.goal, given.target) == ("Maximize", None)


def test_flags_win_over_the_presets_search(images: Path, local: Place) -> None:
    part = TuningPart(
        strategy="random", goal="maximize", objective="validation:f1", jobs=18, parallel=6, random_seed=3,
        ranges={"lr": {"min": 0.5, "max": 0.6}, "batch_size": [16, 32]},
    )  # fmt: skip
    preset = Preset(name="p", tuning=part, hyperparameters={"lr": "0.1", "batch-size": "8", "epochs": "4"})
    found = search(images, local, preset, jobs=20, fixed={"epochs": "5"})
    assert (found.strategy, found.goal, found.objective, found.random_seed) == (
        "Random",
        "Maximize",
        "validation:f1",
        3,
    )
    assert (found.jobs, found.parallel) == (20, 6)
    assert found.ranges == (read_range("lr", LR["lr"]), read_range("batch-size", "16,32"))
    assert found.training.hyperparameters == {"epochs": "5"}, "what is tuned is fixed too"


def test_a_flag_that_fixes_a_value_takes_the_presets_range_away(images: Path, local: Place) -> None:
    preset = Preset(tuning=TuningPart(ranges={"batch-size": [16, 32], "lr": {"min": 0.5, "max": 0.6}}))
    found = search(images, local, preset, ranges={}, fixed={"batch_size": "64"})
    assert [each.name for each in found.ranges] == ["lr"]
    assert found.training.hyperparameters == {"batch-size": "64"}


def test_a_presets_numbers_give_way_to_a_flag_they_do_not_fit(images: Path, local: Place) -> None:
    preset = Preset(tuning=TuningPart(jobs=18, parallel=6, early_stopping="Auto"))
    assert search(images, local, preset, jobs=2).parallel == 2
    assert search(images, local, preset, strategy="Grid", ranges=LISTED).jobs is None
    assert search(images, local, preset, strategy="Hyperband").early_stopping == "Off"


def test_hyperband_spends_the_epochs_of_the_longest_trial_unless_told(images: Path, local: Place) -> None:
    def resources(**words: Any) -> tuple[int | None, int | None]:
        found = search(images, local, strategy="Hyperband", **words)
        return found.min_resource, found.max_resource

    assert resources() == (1, 10)
    assert resources(fixed={"epochs": "7"}) == (1, 7)
    assert resources(ranges={"epochs": "3:9"}) == (1, 9)
    assert resources(ranges={"epochs": "3,9,6"}) == (1, 9)
    assert resources(min_resource=2, max_resource=30) == (2, 30)
    other = search(images, local, Preset(tuning=TuningPart(max_resource=9)))
    assert other.max_resource is None, "a preset's is for Hyperband alone"


def test_an_early_stopping_of_off_in_yaml_is_the_word(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for written, meant in (("Off", "Off"), ("Auto", "Auto")):
        path.write_text(f"tuning: {{early-stopping: {written}}}")
        assert load_preset(str(path)).tuning.early_stopping == meant


def test_a_mistyped_key_of_a_presets_search_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("tuning: {job: 5}")
    with pytest.raises(ConfigError, match="Did you mean 'jobs'"):
        load_preset(str(path))


@pytest.mark.parametrize("name", [name for name in preset_names() if load_preset(name).tuning.ranges])
def test_every_presets_search_can_be_started(name: str, counts: Path, local: Place) -> None:
    words = TuneWords(training=TrainWords(data=str(counts)))
    assert tuning_config(words, load_preset(name), local).tuning is not None


def test_the_fingers_are_searched_as_published(images: Path, local: Place) -> None:
    config = tuning_config(TuneWords(training=TrainWords(data=str(images))), load_preset("fingers"), local)
    assert config.tuning is not None
    assert {str(each) for each in config.tuning.ranges} == {
        "lr 0.001 to 0.01 Logarithmic", "batch-size 32 | 64 | 128", "epochs 2 to 5",
    }  # fmt: skip
    static = config.tuning.training.hyperparameters
    assert (static["model"], static["head"], static["dropout"]) == ("vgg16", "512,64", "0,0.2,0.5")
    assert static["augment"] == "none", "a mirrored left hand is a right one"


def test_a_name_of_its_own_fits_a_search(images: Path, local: Place) -> None:
    words = TuneWords(training=TrainWords(data=str(images)), ranges=LR)
    config = tuning_config(words, Preset(name="a-preset-of-a-long-name"), local, now=datetime(2026, 1, 2, tzinfo=UTC))
    assert config.tuning is not None and config.tuning.name == "a-preset-of-20260102-000000-000"
    assert len(config.tuning.name) <= 32


def test_trials_keep_checkpoints_only_where_a_place_is_named(images: Path, local: Place, tmp_path: Path) -> None:
    assert search(images, local).training.checkpoints is None
    training = TrainWords(data=str(images), checkpoints=str(tmp_path / "c"))
    config = tuning_config(TuneWords(training=training, ranges=LR), Preset(), local)
    assert config.tuning is not None and config.tuning.training.checkpoints == to_uri(tmp_path / "c")


def test_the_command_line_offers_the_words_that_a_search_knows() -> None:
    assert (tune._STRATEGIES, tune._EARLY_STOPPING, tune._WARM_START_TYPES) == (
        STRATEGIES, EARLY_STOPPING, WARM_START_TYPES,
    )  # fmt: skip


def test_there_are_no_more_metrics_than_aws_takes() -> None:
    assert len(metric_definitions()) <= 40


def test_every_number_and_every_switch_can_be_tuned_by_a_list() -> None:
    texts = {"Continuous": "0.2,0.3", "Integer": "40,50", "bool": "true,false"}
    kinds = {name: _KINDS.get(written, written) for name, written in _TYPES.items()}
    assert {"lr", "epochs", "grayscale"} <= {name for name, kind in kinds.items() if kind in texts}
    own = {"profile-interval-ms": "100,200"}
    for name, kind in kinds.items():
        if kind in texts:
            assert isinstance(read_range(name, own.get(name, texts[kind])), Choices), name
