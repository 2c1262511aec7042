"""What was made for an endpoint, by whatever version of it: the configurations and models that are its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from launcher.config.run import model_name
from launcher.config.words import name_stem
from launcher.doors import Door
from launcher.requests.endpoint import OWNER_TAG
from launcher.verbs.named import is_forbidden, is_missing

# AWS gives so many at once at most.
_PAGE = 100


@dataclass(frozen=True)
class Belongings:
    """Names of its own configurations and models, and in words what it stands on and is not its own."""

    configs: list[str]
    models: list[str]
    others: list[str]


def of_endpoint(door: Door, name: str, *, serving: str) -> Belongings:
    """Those that are named after the endpoint and carry its tag, even if its ``serving`` configuration names none.

    A configuration of the endpoint's own name is its own without the tag, and so are models named as a configuration
    of its own is. Any other may be another endpoint's too. Where the credentials may not list them or read their tags,
    which must not keep an endpoint that is paid for, ``others`` tells so.
    """
    client = door.sagemaker
    others: list[str] = []

    def tagged(call: Callable[..., dict[str, Any]], word: str, what: str) -> set[str]:
        try:
            return set(_tagged(door, call, word, name))
        except ClientError as exc:
            if not is_forbidden(exc):
                raise
            others.append(f"any {what} of other versions, which these credentials may not list with their tags")
            return set()

    configs = tagged(client.list_endpoint_configs, "EndpointConfig", "endpoint configurations") | ({serving} & {name})
    models = tagged(client.list_models, "Model", "models")
    if serving not in configs:
        others.append(f"endpoint configuration {serving}")
    for config in sorted({*configs, serving}):
        for variant in variants(door, config):
            model = variant["ModelName"]
            if config in configs and model in (config, model_name(config, variant["VariantName"])):
                models.add(model)
            elif model not in models:
                others.append(f"model {model}")
    return Belongings(sorted(configs), sorted(models), others)


def variants(door: Door, config: str) -> list[dict[str, Any]]:
    """The configuration's variants that name a model; none of one that is gone."""
    try:
        described = door.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    except ClientError as exc:
        if is_missing(exc):
            return []
        raise
    return [variant for variant in described["ProductionVariants"] if "ModelName" in variant]


def _tagged(door: Door, call: Callable[..., dict[str, Any]], word: str, name: str) -> Iterator[str]:
    stem, token = name_stem(name), dict[str, str]()
    while True:
        answer = call(NameContains=stem, MaxResults=_PAGE, **token)
        for each in answer[f"{word}s"]:
            if each[f"{word}Name"].startswith(stem) and carries(door, each[f"{word}Arn"], OWNER_TAG, name):
                yield each[f"{word}Name"]
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}


def carries(door: Door, arn: str, tag: str, value: str) -> bool:
    """Whether what has this ARN carries the tag with the value; behind the local door, which keeps none, nothing."""
    return {"Key": tag, "Value": value} in door.sagemaker.list_tags(ResourceArn=arn)["Tags"]
