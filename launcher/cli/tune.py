"""launch.py tune"""

from __future__ import annotations

from typing import Any

import click

from launcher.cli.aws_options import idle
from launcher.cli.options import Word, door_options, json_option, pairs, remark
from launcher.cli.training_options import TrainingVerb, hyperparameter_options, training_options, training_words
from launcher.opening import DoorWords

# As launcher.config.tuning has them, whose import takes longer than `--help` may; a test compares the two.
_STRATEGIES = ("Bayesian", "Random", "Grid", "Hyperband")
_EARLY_STOPPING = ("Off", "Auto")
_WARM_START_TYPES = ("IdenticalDataAndAlgorithm", "TransferLearning")


@click.command(
    cls=TrainingVerb,
    epilog="Each hyperparameter of `launch.py train` is an option here too, and fixes its value for all trials.",
)
@click.option("--range", "ranges", multiple=True, callback=pairs, metavar="NAME=RANGE",
              help="What a hyperparameter may be: MIN:MAX, MIN:MAX:SCALE (Auto, Linear, Logarithmic or "
              "ReverseLogarithmic), or A,B,C; semicolons where values have commas. Wins over the preset's; "
              "repeatable.")  # fmt: skip
@click.option("--strategy", type=Word(*_STRATEGIES), help="How values are chosen; Bayesian with --local installs "
              "one more environment, once.  [default: Bayesian]")  # fmt: skip
@click.option("--objective", metavar="METRIC",
              help="What is optimized: a metric that training prints.  [default: validation:loss]")  # fmt: skip
@click.option("--minimize", "goal", flag_value="Minimize", default=None, help="The default for losses.")
@click.option("--maximize", "goal", flag_value="Maximize", default=None, help="The default for everything else.")
@click.option("--jobs", type=click.IntRange(1), help="Trials in all; Grid tries all combinations.  [default: 10]")
@click.option("--parallel", type=click.IntRange(1), help="Trials at once.  [default: 1]")
@click.option("--early-stopping", type=Word(*_EARLY_STOPPING),
              help="Auto ends a trial that is worse than the median of those before it.  [default: Off]")  # fmt: skip
@click.option("--target", type=float, help="End the search once the objective is this good.")
@click.option("--patience-jobs", type=click.IntRange(3), help="End it after so many trials without a better one.")
@click.option("--until-converged", is_flag=True, default=None, help="End it when no better one is to be expected.")
@click.option("--max-search-runtime", type=click.IntRange(120, 15_768_000), metavar="SECONDS",
              help="End it after so long.")  # fmt: skip
@click.option("--warm-start", multiple=True, metavar="SEARCH", help="Begin with what an earlier search found; up to 5.")
@click.option("--warm-start-type", type=Word(*_WARM_START_TYPES),
              help="Whether data and image are the same.  [default: IdenticalDataAndAlgorithm]")  # fmt: skip
@click.option("--random-seed", type=click.IntRange(0), help="The same seed tries the same values.")
@click.option("--min-resource", type=click.IntRange(1), help="Hyperband: epochs every trial has.  [default: 1]")
@click.option("--max-resource", type=click.IntRange(1),
              help="Hyperband: epochs of the longest trials.  [default: --epochs]")  # fmt: skip
@click.option("--resume", metavar="SEARCH", help="Go on with a search of this machine that was stopped or killed.")
@training_options
@click.option("--no-wait", is_flag=True, help="Start the search and return at once.")
@click.option("--dry-run", is_flag=True, help="Print the request as JSON and start nothing.")
@json_option
@door_options(starts=True)
@hyperparameter_options(hidden=True)
def command(
    *,
    where: DoorWords,
    preset: str | None,
    resume: str | None,
    dry_run: bool,
    no_wait: bool,
    as_json: bool,
    **words: Any,
) -> None:
    """Search for the best hyperparameters: many trials, in AWS or with --local on this machine.

    \b
      launch.py tune --local --preset fingers --data demo-data/prepared
      launch.py tune --local --data photos --range lr=0.0001:0.1:log --range batch-size=16,32,64 --jobs 20
      launch.py tune --resume SEARCH
    """
    from launcher.cli.console import print_json, say
    from launcher.cli.running import say_price
    from launcher.config import load_preset, tuning_config
    from launcher.config.presets import Preset
    from launcher.config.tuning_words import TuneWords
    from launcher.requests import create_hyper_parameter_tuning_job
    from launcher.verbs import cost

    if resume:
        unused = [name for name, value in {"preset": preset, "dry-run": dry_run, **words}.items() if value]
        _resume(where, resume, unused, wait=not no_wait, as_json=as_json)
        return
    given = training_words(words)
    remark(where, instance_type=given.instance_type, volume_gb=given.volume_gb, **idle(given.managed))
    config = tuning_config(
        TuneWords(training=given, **words),
        load_preset(preset) if preset else Preset(),
        where.place(),
    )
    assert config.tuning is not None
    request = create_hyper_parameter_tuning_job(config.tuning)
    if dry_run:
        print_json(request)
        say_price(where, cost.of_tuning, config.tuning)
        return
    door = where.open(starts=True, say=say)
    if where.local:
        _announce(request["HyperParameterTuningJobConfig"])
    else:
        from launcher.verbs.settling import settled

        config = settled(door, config, given.managed, say=say)
    assert config.tuning is not None
    from launcher.cli.searching import run_tuning

    search, shared = config.tuning, config.tuning.training
    shown = ", ".join(f"{name}={value}" for name, value in shared.hyperparameters.items())
    say(f"Search {search.name}: {search.strategy}, {search.goal.lower()} {search.objective}")
    for each in search.ranges:
        say(f"  {each}")
    say(f"  all trials: {shown or 'the default hyperparameters'}")
    for name, uri in shared.channels.items():
        say(f"  channel {name}: {uri}")
    run_tuning(door, config, where, wait=not no_wait, as_json=as_json)


def _announce(config: dict[str, Any]) -> None:
    """Say what a search installs before its first trial."""
    from launcher.cli.console import say
    from launcher.local.settings import Settings
    from launcher.local.tuning import interpreter

    needed = interpreter.missing_bytes(config, Settings())
    if needed:
        say(
            f"A Bayesian search first installs an environment of its own, once: about {needed / 1e9:.1f} GB, a minute "
            "or two; --strategy Random needs none."
        )


def _resume(where: DoorWords, name: str, idle: list[str], *, wait: bool, as_json: bool) -> None:
    from launcher.cli.searching import leave_tuning, watch_tuning
    from launcher.verbs import tuning

    if idle:
        option = idle[0].removeprefix("hp_").replace("_", "-")
        raise click.UsageError(f"--resume goes on with the search as it was asked for; leave out '{option}'.")
    door = where.open_for(name)
    known = tuning.Observer(door, name).look()
    tuning.resume(door, name)
    if wait:
        watch_tuning(door, name, where, as_json=as_json, known=known)
    else:
        leave_tuning(door, name, where, as_json=as_json)
