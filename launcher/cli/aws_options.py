"""The options that only AWS heeds, of trainings, endpoints and batch transform; locally they are told to be idle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from launcher.cli.options import F, pairs

# Of launcher.config.managed.Managed, by the same names.
_SHIELD = ("isolated", "subnets", "security_groups", "kms_key", "tags")
_HOSTING = (*_SHIELD, "serverless", "autoscale", "capture", "capture_to", "canary", "alarms")
_TRAINING = (*_SHIELD, "spot", "max_wait", "encrypt_traffic", "keep_alive", "input_mode")


def _listed(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """A,B,C as a tuple."""
    return None if value is None else tuple(word.strip() for word in value.split(",") if word.strip())


def _shield_options(key: str) -> list[Callable[[F], F]]:
    return [
        click.option("--isolated", is_flag=True, default=None, help="AWS: no network at all inside the container."),
        click.option("--subnets", callback=_listed, metavar="ID,…", help="AWS: run in these subnets of a VPC."),
        click.option("--security-groups", callback=_listed, metavar="ID,…", help="AWS: security groups in that VPC."),
        click.option("--kms-key", help=f"AWS: a KMS key that encrypts {key}."),
        click.option("--tag", "tags", multiple=True, callback=pairs, metavar="NAME=VALUE",
                     help="AWS: a tag, beside those of the project and the preset; repeatable."),
    ]  # fmt: skip


def training_aws_options(function: F) -> F:
    """Spot instances, network, keys, tags, warm pools, how data come in."""
    options = [
        click.option("--spot", is_flag=True, default=None,
                     help="AWS: on spot instances, which cost less and may be taken away; it goes on from its "
                     "checkpoint then."),
        click.option("--max-wait", type=click.IntRange(1), metavar="SECONDS",
                     help="AWS: with --spot, how long it may take with all waiting.  [default: twice --max-runtime]"),
        click.option("--keep-alive", type=click.IntRange(1, 21_600), metavar="SECONDS",
                     help="AWS: keep the instances warm for the next job; they cost money while they wait."),
        click.option("--input-mode", type=click.Choice(("File", "FastFile"), case_sensitive=False),
                     help="AWS: copy the data before it begins, or stream them.  [default: File, FastFile where they "
                     "are large or the disk is small]"),
        click.option("--encrypt-traffic", is_flag=True, default=None, help="AWS: encrypt what instances tell each "
                     "other."),
        *_shield_options("the output, and disks that are not built into the instance (as of g5 or p4d)"),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def endpoint_aws_options(function: F) -> F:
    """Serverless or scaled, variants, capture, how an update proceeds; network, key and tags."""
    options = [
        click.option("--endpoint", "update", metavar="NAME",
                     help="AWS: update the endpoint NAME, blue/green: a new fleet beside the old one, which AWS goes "
                     "back to when the new one does not come up. One that is not there is made."),
        click.option("--canary", type=click.IntRange(1, 50), metavar="PERCENT",
                     help="AWS: of an update, how much of the new fleet is tried first.  [default: all at once]"),
        click.option("--rollback-alarm", "alarms", multiple=True, metavar="ALARM",
                     help="AWS: a CloudWatch alarm that takes an update back; repeatable."),
        click.option("--variant", "variants", multiple=True, callback=pairs, metavar="NAME=MODEL:WEIGHT",
                     help="AWS: a model that takes its share of the requests, in place of --model; repeatable."),
        click.option("--multi-model", metavar="S3-PREFIX",
                     help="AWS: serve all model.tar.gz files under a prefix, each loaded when it is asked for "
                     "(`predict --target-model`)."),
        click.option("--serverless", metavar="MEMORY:CONCURRENCY",
                     help="AWS: no instances; MB of memory (1024 to 6144) and how many requests at once."),
        click.option("--autoscale", metavar="MIN:MAX[:TARGET]",
                     help="AWS: so many instances as keep each at TARGET invocations a minute.  [default: 600]"),
        click.option("--capture", type=click.IntRange(1, 100), metavar="PERCENT",
                     help="AWS: keep so much of the requests and answers in S3."),
        click.option("--capture-to", metavar="S3-URI",
                     help="AWS: where they go.  [default: data-capture/ in the model's bucket]"),
        *_shield_options("what is captured, and disks that are not built into the instance (as of g5)"),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def transform_aws_options(function: F) -> F:
    """Network, key and tags."""
    for option in reversed(_shield_options("the disks, what is pushed and the answers")):
        function = option(function)
    return function


def shield_words(words: dict[str, Any]) -> dict[str, Any]:
    """What was given of launcher.config.managed.Shielded's fields, taken out of ``words``."""
    return _given(words, _SHIELD)


def hosting_words(words: dict[str, Any]) -> dict[str, Any]:
    """What was given of the words of launcher.config.hosting_words, taken out of ``words``."""
    return _given(words, _HOSTING)


def managed_words(words: dict[str, Any]) -> dict[str, Any]:
    """What was given of launcher.config.managed.Managed's fields, taken out of ``words``."""
    return _given(words, _TRAINING)


def idle(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, by the names of its options, for `options.remark`."""
    options = {"tags": "tag", "alarms": "rollback-alarm"}
    return {options.get(name, name): value for name, value in given.items()}


def _given(words: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    taken = {name: words.pop(name) for name in names}
    return {name: value for name, value in taken.items() if value}
