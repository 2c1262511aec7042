"""Running a search before a person's eyes; `tune` and `logs -f` share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from container.common.durations import span
from launcher.cli.console import print_json, public, say, suggest
from launcher.cli.running import engine_words, place_words, say_billed
from launcher.cli.trials import document, follow, headline, open_view
from launcher.cli.watching import let_go
from launcher.errors import INTERRUPTED
from launcher.kept import save_config
from launcher.opening import DoorWords
from launcher.verbs import training, tuning

if TYPE_CHECKING:
    from launcher.config import RunConfig
    from launcher.doors import Door
    from launcher.verbs.tuning import Look


def run_tuning(door: Door, config: RunConfig, where: DoorWords, *, wait: bool, as_json: bool) -> None:
    """Start a search, follow it to its end, print what it found; raises JobFailed or JobStopped."""
    assert config.tuning is not None
    name = tuning.start(door, config.tuning)
    save_config(config, where.state)
    if wait:
        watch_tuning(door, name, where, as_json=as_json)
    else:
        leave_tuning(door, name, where, as_json=as_json)


def leave_tuning(door: Door, name: str, where: DoorWords, *, as_json: bool) -> None:
    """Name a search that is not waited for."""
    print_json(public(tuning.describe(door, name))) if as_json else click.echo(name)
    back = place_words(where, door, name)
    suggest(f"launch.py logs {name} -f{back}", f"launch.py status {name}{back}", f"launch.py stop {name}{back}")


def watch_tuning(door: Door, name: str, where: DoorWords, *, as_json: bool, known: Look | None = None) -> None:
    """Follow a search to its end, print what it found; raises JobFailed or JobStopped.

    ``known`` is how it stood before it went on, which needs no telling.
    """
    back = place_words(where, door, name)
    try:
        look = follow(tuning.watch(door, name), open_view(known))
    except KeyboardInterrupt:
        let_go(name, back, kind="search", local=door.kind == "local")
        raise click.exceptions.Exit(INTERRUPTED) from None
    if as_json:
        print_json(document(look))
    elif look.description.get("BestTrainingJob"):
        report_best(door, look)
    say(f"{headline(look)}, in {span(look.seconds)}.")
    if door.kind == "aws":
        say_billed(tuning.described(door, [trial.name for trial in look.trials]))
    tuning.conclude(door, look.description)
    again = engine_words(door, where)
    suggest(
        f"launch.py report {name}{back}",
        f"launch.py train --from-tuning {name}{again}{back}",
        f"launch.py deploy --from-tuning {name}{again}{back}",
    )


def report_best(door: Door, look: Look) -> None:
    """The best trial: its objective, its values, its model."""
    best = tuning.best(look.description)
    click.echo(f"best {best['TrainingJobName']}")
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric")
    if metric:
        click.echo(f"{metric['MetricName']} {metric['Value']:g}")
    for name, value in best["TunedHyperParameters"].items():
        click.echo(f"{name} {value}")
    description = training.describe(door, best["TrainingJobName"])
    if description.get("ModelArtifacts", {}).get("S3ModelArtifacts"):
        click.echo(f"model {description['ModelArtifacts']['S3ModelArtifacts']}")
