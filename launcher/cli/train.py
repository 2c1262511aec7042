"""launch.py train"""

from __future__ import annotations

from typing import Any

import click

from launcher.cli.aws_options import idle
from launcher.cli.options import door_options, json_option, remark
from launcher.cli.training_options import TrainingVerb, hyperparameter_options, training_options, training_words
from launcher.opening import DoorWords


@click.command(cls=TrainingVerb)
@training_options
@click.option("--from-tuning", metavar="SEARCH",
              help="Train with the best values of a search, on its data; flags win over them.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Start the job and return at once.")
@click.option("--dry-run", is_flag=True, help="Print the request as JSON and start nothing.")
@json_option
@door_options(starts=True)
@hyperparameter_options()
def command(
    *,
    where: DoorWords,
    preset: str | None,
    from_tuning: str | None,
    dry_run: bool,
    no_wait: bool,
    as_json: bool,
    **words: Any,
) -> None:
    """Fine-tune a classifier: one training job, in AWS or with --local on this machine.

    \b
      launch.py train --local --preset demo --data demo-data
      launch.py train --local --data photos --model mobilenet_v2 --epochs 5
      launch.py train --local --data photos --weights channel --channel weights=mobilenet_v2.pth
      launch.py train --from-tuning SEARCH --epochs 20
    """
    from launcher.cli.console import print_json, say
    from launcher.cli.running import run_training, say_price
    from launcher.config import load_preset, training_config
    from launcher.config.presets import Preset
    from launcher.config.tuned import tuned_preset, tuned_words
    from launcher.kept import watching
    from launcher.requests import create_training_job
    from launcher.verbs import cost, tuning

    if from_tuning and preset:
        raise click.UsageError("Give either --preset or --from-tuning, which brings its search's own recipe.")
    where = where.at(from_tuning)
    given = training_words(words)
    remark(where, instance_type=given.instance_type, volume_gb=given.volume_gb, **idle(given.managed))
    recipe = load_preset(preset) if preset else Preset()
    if from_tuning:
        search = tuning.describe(where.open_for(from_tuning), from_tuning)
        recipe = tuned_preset(search, tuning.best(search), watching(from_tuning, where.state))
        given = tuned_words(search, given)
    place = where.place()
    config = training_config(given, recipe, place)
    assert config.training is not None
    request = create_training_job(config.training)
    if dry_run:
        print_json(request)
        say_price(where, cost.of_training, config.training)
        return
    door = where.open(starts=True, say=say)
    if not where.local:
        from launcher.verbs.settling import settled

        config = settled(door, config, given.managed, say=say)
    assert config.training is not None
    shown = ", ".join(f"{name}={value}" for name, value in config.training.hyperparameters.items())
    say(f"Training job {config.training.name}: {shown or 'the default hyperparameters'}")
    for name, uri in config.training.channels.items():
        say(f"  channel {name}: {uri}")
    run_training(door, config, where, wait=not no_wait, as_json=as_json)
