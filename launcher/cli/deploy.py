"""launch.py deploy"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.cli.aws_options import endpoint_aws_options, hosting_words, idle
from launcher.cli.options import Verb, door_options, image_option, json_option, pairs, remark, role_option
from launcher.opening import DoorWords

if TYPE_CHECKING:
    from launcher.config import Endpoint, RunConfig
    from launcher.verbs.overrides import Code


@click.command(cls=Verb)
@click.option("--job", help="A completed training job, whose model is served.")
@click.option("--from-tuning", metavar="SEARCH", help="A search, whose best trial's model is served.")
@click.option("--model", help="A model.tar.gz, or the folder of an unpacked one (s3:// in AWS).")
@click.option("--code", type=click.Path(path_type=Path), metavar="DIR",
              help="A folder with inference.py, which is put in place of the model's code/; the model itself stays. "
              "With --endpoint alone: of the model that serves there.")  # fmt: skip
@click.option("--name", help="The endpoint's name.  [default: JOB-endpoint or SEARCH-endpoint, or the time]")
@click.option("--preset", help="A recipe by name, for its instance type and environment.")
@image_option("serving", "byoc-serve")
@role_option
@click.option("--instance-type", help="AWS instance type, such as ml.m5.large.")
@click.option(
    "--instances",
    "instance_count",
    type=click.IntRange(1),
    help="How many instances.  [default: 1; of an update, as many as there are]",
)
@click.option("--startup-timeout", type=click.IntRange(60, 3600),
              help="Seconds within which it must answer.  [default: 600]")  # fmt: skip
@click.option("--env", "environment", multiple=True, callback=pairs, metavar="NAME=VALUE",
              help="An environment variable of the server; repeatable.")  # fmt: skip
@endpoint_aws_options
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
    code: Path | None,
    name: str | None,
    preset: str | None,
    update: str | None,
    variants: dict[str, str],
    multi_model: str | None,
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
      launch.py deploy --job JOB --endpoint bees --canary 10
      launch.py deploy --endpoint bees --code DIR
    """
    from launcher.cli.console import print_json, say
    from launcher.cli.running import run_endpoint, say_price
    from launcher.config import endpoint_config, load_preset
    from launcher.config.presets import Preset
    from launcher.config.words import DeployWords, endpoint_name, fresh_name
    from launcher.errors import ConfigError
    from launcher.verbs import cost, overrides, training, tuning, versions

    same_model = bool(update and code) and not (job or from_tuning or model or multi_model or variants)
    if [job, from_tuning, model, multi_model, variants or None].count(None) != 4 and not same_model:
        raise click.UsageError(
            "Give one of --job JOB, --from-tuning SEARCH, --model PATH, --variant NAME=MODEL and --multi-model PREFIX."
        )
    if update and name:
        raise click.UsageError("--endpoint names the endpoint to update, and --name one to make; give one of them.")
    if code and (multi_model or variants):
        raise click.UsageError("--code is put into one model; leave out --multi-model and --variant.")
    where = where.at(job or from_tuning)
    hosting = hosting_words(words)
    if not update and ("canary" in hosting or "alarms" in hosting):
        raise click.UsageError("--canary and --rollback-alarm are of an update; add --endpoint NAME.")
    remark(where, instance_type=words["instance_type"], **idle(hosting))
    if where.local and (update or variants or multi_model):
        raise ConfigError(
            "--endpoint, --variant and --multi-model are AWS's; here an endpoint is one model's: give --name and "
            "--model, and delete a former endpoint of that name first."
        )
    changed = overrides.find(code) if code else None
    source = job or from_tuning
    if from_tuning:
        model = tuning.artifact(where.open_for(from_tuning), from_tuning)
    if job:
        found = training.describe(where.open_for(job), job)
        model = training.artifact(training.conclude(found) if found["TrainingJobStatus"] == "Failed" else found)
    if same_model:
        assert update is not None
        served = versions.serving(where.open(), update)
        model, (words, hosting) = served.model_data, served.beneath(words, hosting)
    if model is not None:
        _check_model(where, model)
    config = endpoint_config(
        DeployWords(name=update or name or (endpoint_name(source) if source else fresh_name("endpoint")),
                    model_data=model or multi_model or "", multi_model=multi_model is not None, variants=variants,
                    hosting=hosting, now=_standing(where, update, hosting) if update else None,
                    **words),
        load_preset(preset) if preset else Preset(),
        where.place(),
    )  # fmt: skip
    _check_waits(config, no_wait=no_wait)
    if changed:
        config = _with_code(where, config, changed, dry_run=dry_run)
    assert config.endpoint is not None
    if dry_run:
        print_json(_requests(config.endpoint))
        say_price(where, cost.of_endpoint, config.endpoint)
        return
    door = where.open(starts=True, say=say)
    if not where.local:
        _announce(config.endpoint, region=door.region)
    run_endpoint(door, config, where, wait=not no_wait, as_json=as_json)


def _standing(where: DoorWords, name: str, hosting: Mapping[str, Any]) -> dict[str, int] | None:
    """The instances by variant of the endpoint to update; None where it is made, which is said where it matters."""
    from launcher.cli.console import say
    from launcher.verbs import versions

    now = versions.standing(where.open(), name)
    if now is None and ("canary" in hosting or "alarms" in hosting):
        say(f"There is no endpoint {name} yet, and it is made; --canary and --rollback-alarm are of its updates.")
    return now


def _announce(endpoint: Endpoint, *, region: str) -> None:
    """What it costs, and what it will not do."""
    from launcher.cli.console import say
    from launcher.config.instances import key_remark
    from launcher.verbs import cost

    disks = key_remark(endpoint.hosting.kms_key, endpoint.instance_type)
    if disks:
        say(disks)
    say(cost.of_endpoint(endpoint, region=region))


def _with_code(where: DoorWords, config: RunConfig, code: Code, *, dry_run: bool) -> RunConfig:
    """The same, of the model with ``code`` in it, which is written for it."""
    from launcher.cli.console import say
    from launcher.verbs import overrides

    assert config.endpoint is not None
    made = overrides.put(where.open(), config.endpoint.model_data, code, dry_run=dry_run)
    there = "is" if made.known else "would be" if dry_run else "is now"
    say(f"The model with {code.folder} as its code {there} at {made.uri}.")
    return config.model_copy(update={"endpoint": config.endpoint.model_copy(update={"model_data": made.uri})})


def _requests(endpoint: Endpoint) -> dict[str, Any]:
    """All that would be sent, in its order."""
    from launcher import requests

    first, *others = requests.create_models(endpoint)
    found: dict[str, Any] = {"create_model": [first, *others] if others else first}
    found["create_endpoint_config"] = requests.create_endpoint_config(endpoint)
    if endpoint.revision:
        found["update_endpoint"] = requests.update_endpoint(endpoint)
    else:
        found["create_endpoint"] = requests.create_endpoint(endpoint)
    if endpoint.hosting.scaling:
        found["register_scalable_target"] = requests.register_scalable_targets(endpoint)
        found["put_scaling_policy"] = requests.put_scaling_policies(endpoint)
    return found


def _check_waits(config: RunConfig, *, no_wait: bool) -> None:
    from launcher.errors import ConfigError

    if no_wait and config.endpoint and config.endpoint.hosting.scaling:
        raise ConfigError("--autoscale is set up once the endpoint is in service; leave out --no-wait.")


def _check_model(where: DoorWords, model: str) -> None:
    from launcher.errors import NotFound, UnusableData

    if where.local and "://" not in model and not Path(model).exists():
        raise NotFound(f"There is no model at {model}; give a model.tar.gz, or the folder of an unpacked one.")
    if where.local and Path(model).is_file() and not tarfile.is_tarfile(model):
        raise UnusableData(f"{model} is no tar archive; give a model.tar.gz, or the folder of an unpacked one.")
