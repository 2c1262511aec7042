"""launch.py demo"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.cli.options import Verb
from launcher.opening import ENGINES, STATE_VARIABLE, DoorWords

if TYPE_CHECKING:
    from launcher.doors import Door

PRESET = "demo"


@click.command(cls=Verb)
@click.option("--local", type=click.Choice(ENGINES), metavar="[docker|process]", default="auto",
              help="Insist on an engine.  [default: Docker when one answers, processes otherwise]")  # fmt: skip
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), default="demo-data", show_default=True,
              help="Folder of the demo pictures, drawn when missing.")  # fmt: skip
@click.option("--train", "train_count", type=click.IntRange(120), default=2400, show_default=True,
              help="Training pictures to draw.")  # fmt: skip
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), envvar=STATE_VARIABLE, default=".sagemaker",
              show_default=True, help="Folder of the local jobs and endpoints.")  # fmt: skip
def command(local: str, data: Path, train_count: int, state: Path) -> None:
    """Train, deploy and ask a small classifier on this machine, end to end; leaves nothing running.

    Draws pictures of hands, fine-tunes with the preset "demo", serves the model, asks about one picture.
    """
    import time

    from container.common.durations import span
    from launcher.cli.console import say, suggest
    from launcher.config.words import endpoint_name

    began = time.monotonic()
    where = DoorWords(local=local, state=state, region=None, profile=None)
    with _terminated_as_interrupted():
        prepared = demo_data(data, train_count)
        door = where.open(starts=True, say=say)
        job = _train(door, where, prepared)
        picture = _a_picture(prepared)
        _serve_and_ask(door, where, job, picture)
    say(f"Done in {span(time.monotonic() - began)}; nothing is left running.")
    suggest(
        f"launch.py train --local --preset {PRESET} --data {prepared} --epochs 20",
        "launch.py train --local --data YOUR_FOLDER   (a folder of pictures a class)",
        f"launch.py deploy --job {job} && launch.py predict {endpoint_name(job)} {picture}",
    )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: tidily."""
    import signal

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def demo_data(data: Path, train_count: int) -> Path:
    """The prepared splits in the folder ``data``, made when missing; all or nothing, and in nobody else's folder."""
    from dataclasses import replace

    from launcher.cli.console import say
    from launcher.cli.data import report
    from launcher.data import generate_fingers, prepare
    from launcher.data.whole import workplace
    from launcher.errors import ConfigError

    prepared = data / "prepared"
    if (prepared / "statistics.json").is_file():
        there = sum(1 for _ in (data / "drawn" / "train").glob("*.png"))
        if there != train_count:
            say(f"{data} holds {there} training pictures, which are used; for {train_count} give another --data.")
        return prepared
    if data.exists() and any(data.iterdir()):
        raise ConfigError(f"{data} holds something else than the demo pictures; give another folder with --data.")
    say(f"Drawing {train_count} training pictures of hands into {data}")
    with workplace(data) as (_, folder):
        generate_fingers(folder / "drawn", train=train_count, test=train_count // 4, seed=0)
        made = prepare(folder / "drawn", folder / "prepared", validation_fraction=0.2, test_fraction=0.15)
    report(replace(made, destination=prepared))
    return prepared


def _train(door: Door, where: DoorWords, data: Path) -> str:
    """A completed training job's name; interrupted, it is stopped."""
    from launcher.cli.console import say
    from launcher.cli.watching import follow
    from launcher.config import load_preset, training_config
    from launcher.config.words import Place, TrainWords
    from launcher.kept import save_config
    from launcher.verbs import training

    config = training_config(TrainWords(data=str(data)), load_preset(PRESET), Place(door="local", state=where.state))
    assert config.training is not None
    say(f"Training job {config.training.name}")
    name = training.start(door, config.training)
    save_config(config, where.state)
    try:
        description = follow(training.watch(door, name))
    except BaseException:
        say("Stopping the training job")
        training.stop(door, name)
        for _event in training.watch(door, name, follow=False):
            pass  # until it has ended
        raise
    training.conclude(description)
    _report(description)
    return name


def _report(description: dict[str, Any]) -> None:
    from launcher.local.packing import read_member
    from launcher.local.uris import to_path
    from launcher.verbs.training import artifact, metrics

    manifest = read_member(to_path(artifact(description)), "manifest.json")
    measured = metrics(description)
    if "test:accuracy" in measured:
        click.echo(f"test accuracy        {measured['test:accuracy']:.4f}")
    precisions = manifest.get("precisions", {})
    click.echo(f"exported precision   {manifest.get('precision')} ({manifest.get('inference_precision')} arithmetic)")
    for precision, values in precisions.items():
        shown = ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in values.items())
        click.echo(f"  {precision:<18} {shown}")


def _a_picture(data: Path) -> Path:
    """One test picture, in the middle of one of its classes."""
    folders = sorted(p for p in (data / "test").iterdir() if p.is_dir())
    pictures = sorted(folders[len(folders) // 2].iterdir())
    return pictures[len(pictures) // 2]


def _serve_and_ask(door: Door, where: DoorWords, job: str, picture: Path) -> None:
    """Deploy, predict, delete; deleted also when something fails on the way."""
    from launcher.cli.console import say
    from launcher.cli.running import await_endpoint
    from launcher.config import endpoint_config, load_preset
    from launcher.config.words import DeployWords, Place, endpoint_name
    from launcher.verbs import endpoints, prediction, training

    model = training.artifact(training.describe(door, job))
    words = DeployWords(name=endpoint_name(job), model_data=model)
    config = endpoint_config(words, load_preset(PRESET), Place(door="local", state=where.state))
    assert config.endpoint is not None
    name = endpoints.deploy(door, config.endpoint)
    try:
        await_endpoint(door, name)
        endpoints.conclude(door, name)
        for answer in prediction.predict(door, name, [picture], top_k=3):
            for each in answer.predictions:
                click.echo(f"picture              {picture}")
                click.echo(f"true label           {picture.parent.name}")
                click.echo(f"predicted label      {each['label']} (probability {each['probability']:.4f})")
    finally:
        say("Deleting the endpoint")
        endpoints.delete(door, name)
