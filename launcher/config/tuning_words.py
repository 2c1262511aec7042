"""From the words of `tune` and a preset's `tuning:` section to a RunConfig; every fault named with its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from container.common import channels, hyperparameters
from container.common.errors import ended
from container.common.names import did_you_mean
from launcher.config.presets import Preset, TuningPart, problem
from launcher.config.ranges import Choices, Range, preset_range, read_range
from launcher.config.run import RunConfig, Training, Tuning
from launcher.config.tuning import EARLY_STOPPING, GOALS, STRATEGIES, WARM_START_TYPES, natural_goal
from launcher.config.words import Place, TrainWords, fresh_name, training_config
from launcher.errors import ConfigError

# Trials of a search unless told.
JOBS = 10
_OBJECTIVE = "validation:loss"
# What a preset has its trainings watched by; a search's trials are not, unless a flag says so.
_WATCHING = frozenset({"rules", "debug-hook", "debug-save-interval", "debug-eval-interval", "debug-include-regex"})
# What a name keeps of its stem when the moment takes the rest of 32 characters.
_STEM = 12


class TuneWords(TuningPart):
    """The flags of `tune`, as given; None and empty are what was not.

    Those that a preset may have too, and beside them ``training``, what all trials share, and where a search starts.
    """

    training: TrainWords
    warm_start: tuple[str, ...] = ()
    warm_start_type: str | None = None


def tuning_config(words: TuneWords, preset: Preset, place: Place, *, now: datetime | None = None) -> RunConfig:
    """The RunConfig of one search. Raises ConfigError."""
    ranges = _ranges(words, preset)
    training = _training(words, preset, place, ranges, now)
    fields = {key: value for key in _KEPT if (value := _chosen(words, preset, key)) is not None}
    fields["strategy"] = _word("--strategy", _chosen(words, preset, "strategy") or "Bayesian", STRATEGIES)
    fields["objective"] = _chosen(words, preset, "objective") or _OBJECTIVE
    fields["goal"] = _word("the goal", _chosen(words, preset, "goal") or natural_goal(fields["objective"]), GOALS)
    fields["early_stopping"] = _early_stopping(words, preset, fields["strategy"])
    fields["warm_start_type"] = _word("--warm-start-type", words.warm_start_type or WARM_START_TYPES[0],
                                      WARM_START_TYPES)  # fmt: skip
    fields["watching"] = {name: value for name, value in _hyphenated(preset) if name in _WATCHING}
    fields |= _limits(words, preset, fields["strategy"])
    if fields["strategy"] == "Hyperband":
        fields = {"min_resource": 1, "max_resource": _longest(training, ranges), **fields}
    elif words.min_resource is None and words.max_resource is None:
        fields = {key: value for key, value in fields.items() if key not in ("min_resource", "max_resource")}
    try:
        tuning = Tuning(training=training, ranges=ranges, warm_start=words.warm_start, **fields)
        return RunConfig(door=place.door, preset=preset.name or None, tuning=tuning)
    except ValueError as exc:
        said = ended(problem(exc))
        raise ConfigError(f"{said[0].upper()}{said[1:]}") from exc


_KEPT = ("max_search_runtime", "target", "patience_jobs", "until_converged", "random_seed", "min_resource",
         "max_resource")  # fmt: skip


# What a preset says of its objective alone, and not of one that a flag puts in its place.
_OF_OBJECTIVE = ("goal", "target")


def _hyphenated(preset: Preset) -> Iterator[tuple[str, str]]:
    """The preset's hyperparameters under the schema's own names."""
    yield from ((name.replace("_", "-"), value) for name, value in preset.hyperparameters.items())


def _chosen(words: TuneWords, preset: Preset, key: str) -> Any:
    given = getattr(words, key)
    if given is None and key in _OF_OBJECTIVE and words.objective not in (None, preset.tuning.objective):
        return None
    return given if given is not None else getattr(preset.tuning, key)


def _ranges(words: TuneWords, preset: Preset) -> tuple[Range, ...]:
    """The preset's ranges without those that a flag fixes or replaces, and the flags' own."""
    found = {range_.name: range_ for name, value in preset.tuning.ranges.items()
             if (range_ := preset_range(name, value))}  # fmt: skip
    fixed = {name.replace("_", "-") for name in words.training.hyperparameters}
    found = {name: range_ for name, range_ in found.items() if name not in fixed}
    given: dict[str, Range] = {}
    for name, text in words.ranges.items():
        range_ = read_range(name, text)
        if range_.name in given:
            raise ConfigError(f"Two ranges are given for '{range_.name}', with a hyphen and with an underscore.")
        given[range_.name] = range_
    return tuple({**found, **given}.values())


def _training(
    words: TuneWords, preset: Preset, place: Place, ranges: tuple[Range, ...], now: datetime | None
) -> Training:
    """What all trials share: the preset's hyperparameters make way for ranges, a flag's do not."""
    _refuse_debugger(words.training)
    tuned = {range_.name for range_ in ranges}
    left_out = tuned | _WATCHING
    static = {name: value for name, value in _hyphenated(preset) if name not in left_out}
    given = words.training.name
    name = fresh_name(preset.name or "tune", now, stem_length=_STEM) if given is None else given
    shared = replace(words.training, name=name)
    training = training_config(shared, preset.model_copy(update={"hyperparameters": static}), place).training
    assert training is not None
    weights = next((each for each in ranges if each.name == "weights"), None)
    if isinstance(weights, Choices) and "channel" in weights.values and channels.WEIGHTS not in training.channels:
        raise ConfigError("The range of 'weights' has the value channel, and no such channel is given; "
                          "add --channel weights=FILE.")  # fmt: skip
    if training.managed.keep_alive:
        raise ConfigError("Warm pools are for single jobs, and a search keeps its instances itself; leave out "
                          "--keep-alive.")  # fmt: skip
    # A trial is begun again only when its spot instance went; else its checkpoints need a place that was named.
    kept = words.training.checkpoints or training.managed.spot
    return training if kept else training.model_copy(update={"checkpoints": None})


def _refuse_debugger(words: TrainWords) -> None:
    """A search's trials have no such fields in SageMaker's API."""
    if words.aws_debugger:
        raise ConfigError(
            "--aws-debugger is for `launch.py train`: CreateHyperParameterTuningJob has no fields for it; add "
            "--rules default to have the rules watch each trial from inside."
        )
    if words.tensorboard_output is not None:
        raise ConfigError(
            "--tensorboard-output is for `launch.py train`: CreateHyperParameterTuningJob has no field for it; train "
            "the best trial again with `launch.py train --from-tuning SEARCH --tensorboard-output`."
        )


def _word(what: str, given: str, known: Sequence[str]) -> str:
    """One of SageMaker's words, written in any case."""
    for word in known:
        if word.lower() == given.lower():
            return word
    raise ConfigError(f"{what[0].upper()}{what[1:]} cannot be '{given}'.{did_you_mean(given, known)}")


def _early_stopping(words: TuneWords, preset: Preset, strategy: str) -> str:
    """Off unless asked for; a preset's Auto is for the strategies that have it."""
    if words.early_stopping is None and strategy == "Hyperband":
        return "Off"
    return _word("--early-stopping", _chosen(words, preset, "early_stopping") or "Off", EARLY_STOPPING)


def _limits(words: TuneWords, preset: Preset, strategy: str) -> dict[str, int]:
    """How many trials, and how many at once; a preset's numbers give way to a flag they do not fit."""
    jobs = words.jobs if strategy == "Grid" else _chosen(words, preset, "jobs") or JOBS
    parallel = _chosen(words, preset, "parallel") or 1
    if words.parallel is None and jobs is not None:
        parallel = min(parallel, jobs)
    return {"parallel": parallel} | ({} if jobs is None else {"jobs": jobs})


def _longest(training: Training, ranges: Sequence[Range]) -> int:
    """The most epochs that any trial runs for: what Hyperband may spend on one."""
    for each in ranges:
        if each.name == "epochs":
            return max(int(float(v)) for v in (each.values if isinstance(each, Choices) else [each.maximum]))
    return hyperparameters.parse(training.hyperparameters).epochs
