"""launch.py deploy"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import click

from launcher.cli.options import DoorWords, Verb, door_options, json_option, pairs


@click.command(cls=Verb)
@click.option("--job", help="A completed training job, whose model is served.")
@click.option("--from-tuning", metavar="SEARCH", help="A search, whose best trial's model is served.")
@click.option("--model", help="A model.tar.gz, or the folder of an unpacked one (s3:// in AWS).")
@click.option("--name", help="The endpoint's name.  [default: JOB-endpoint or SEARCH-endpoint, or the time]")
@click.option("--preset", help="A recipe by name, for its instance type and environment.")
@click.option("--image", help="The serving image.  [default with --local: byoc-serve, built when missing]")
@click.option("--role", help="ARN of the IAM role SageMaker assumes; needed in AWS.")
@click.option("--instance-type", help="AWS instance type, such as ml.m5.large.")
@click.option("--instances", "instance_count", type=click.IntRange(1), help="How many instances.  [default: 1]")
@click.option("--startup-timeout", type=click.IntRange(60, 3600),
              help="Seconds within which it must answer.  [default: 600]")  # fmt: skip
@click.option("--env", "environment", multiple=True, callback=pairs, metavar="NAME=VALUE",
              help="An environment variable of the server; repeatable.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Return at once; `status NAME` tells when it answers.")
@click.option("--dry-run", is_flag=True, help="Print the requests as JSON and start nothing.")
@json_option
@door_options(starts=True)
def command(
    *,
    where: DoorWords,
    job: str | None,
    from_tuning: str | None,
    model: str | None,
    name: str | None,
    preset: str | None,
    no_wait: bool,
    dry_run: bool,
    as_json: bool,
    **words: Any,
) -> None:
    """Put a trained model behind an endpoint.

    \b
      launch.py deploy --local --job JOB
      launch.py deploy --local --from-tuning SEARCH
      launch.py deploy --local --model model.tar.gz --name bees
    """
    from launcher import requests
    from launcher.cli.console import print_json
    from launcher.cli.running import run_endpoint
    from launcher.config import endpoint_config, load_preset
    from launcher.config.presets import Preset
    from launcher.config.words import DeployWords, Place, endpoint_name, fresh_name
    from launcher.errors import NotFound, UnusableData
    from launcher.verbs import training, tuning

    if [job, from_tuning, model].count(None) != 2:
        raise click.UsageError("Give one of --job JOB, --from-tuning SEARCH and --model PATH.")
    where = where.at(job or from_tuning)
    where.remark(instance_type=words["instance_type"])
    source = job or from_tuning
    if from_tuning:
        model = tuning.artifact(where.open_for(from_tuning), from_tuning)
    if job:
        found = training.describe(where.open_for(job), job)
        model = training.artifact(training.conclude(found) if found["TrainingJobStatus"] == "Failed" else found)
    assert model is not None
    if where.local and "://" not in model and not Path(model).exists():
        raise NotFound(f"There is no model at {model}; give a model.tar.gz, or the folder of an unpacked one.")
    if where.local and Path(model).is_file() and not tarfile.is_tarfile(model):
        raise UnusableData(f"{model} is no tar archive; give a model.tar.gz, or the folder of an unpacked one.")
    config = endpoint_config(
        DeployWords(name=name or (endpoint_name(source) if source else fresh_name("endpoint")),
                    model_data=model, **words),
        load_preset(preset) if preset else Preset(),
        Place(door="local" if where.local else "aws", state=where.state, gpu=where.gpu),
    )  # fmt: skip
    assert config.endpoint is not None
    if dry_run:
        print_json(
            {
                "create_model": requests.create_model(config.endpoint),
                "create_endpoint_config": requests.create_endpoint_config(config.endpoint),
                "create_endpoint": requests.create_endpoint(config.endpoint),
            }
        )
        return
    door = where.open(starts=True)
    run_endpoint(door, config, where, wait=not no_wait, as_json=as_json)
