"""launch.py stop"""

from __future__ import annotations

import click

from launcher.cli.options import DoorWords, Verb, door_options


@click.command(cls=Verb)
@click.argument("name")
@click.option("--no-wait", is_flag=True, help="Ask, and return at once.")
@door_options()
def command(where: DoorWords, name: str, no_wait: bool) -> None:
    """Stop the training job NAME; it writes a last checkpoint first."""
    from launcher.cli.console import say, suggest
    from launcher.cli.running import place_words
    from launcher.sagemaker import TRAINING_ENDED
    from launcher.verbs import training

    door = where.open_for(name)
    status = training.stop(door, name)
    if status in TRAINING_ENDED:
        say(f"Training job {name} had ended already.")
    elif not no_wait:
        for event in training.watch(door, name, follow=False):
            if isinstance(event, training.Ended):
                status = str(event.description["TrainingJobStatus"])
    click.echo(f"{name} {status}")
    suggest(f"launch.py status {name}{place_words(where)}")
