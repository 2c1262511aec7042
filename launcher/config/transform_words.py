"""From the words of `transform` and a preset to a RunConfig; every fault named with its remedy."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from launcher.config.managed import Shielded
from launcher.config.presets import Preset
from launcher.config.run import RunConfig, Transform
from launcher.config.transform import sizes
from launcher.config.words import (
    Place,
    build,
    checked,
    fresh_name,
    given_uri,
    image_of,
    instance_type_of,
    role_of,
    with_preset_tag,
)
from launcher.errors import ConfigError
from launcher.local.uris import to_path

# Where a folder of this machine goes in the bucket of the output.
_PUSHED = "transform-input"
_DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class TransformWords:
    """The flags of `transform`, as given; None and empty are what was not.

    Either ``model_data`` is a model, or ``model_name`` names one that SageMaker has already.
    """

    input: str
    model_data: str | None = None
    model_name: str | None = None
    name: str | None = None
    output: str | None = None
    push_to: str | None = None
    image: str | None = None
    role: str | None = None
    instance_type: str | None = None
    instance_count: int | None = None
    concurrent: int | None = None
    payload: int | None = None
    strategy: str | None = None
    content_type: str | None = None
    accept: str | None = None
    timeout: int | None = None
    retries: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    # What only AWS heeds, by the names of launcher.config.managed.Shielded.
    managed: Mapping[str, Any] = field(default_factory=dict)


def transform_config(
    words: TransformWords, preset: Preset, place: Place, *, now: datetime | None = None, stem: str = "transform"
) -> RunConfig:
    """The RunConfig of one batch transform job; of a folder in AWS, its input is where that is to be pushed.

    Raises ConfigError.
    """
    name = words.name or fresh_name(stem, now)
    instance_type = instance_type_of(words.instance_type, preset.endpoint.instance_type, place)
    fields: dict[str, Any] = {
        "name": name,
        "model_name": words.model_name or name,
        "output": _output(words, name, place),
        "instance_type": instance_type,
        "environment": {**preset.endpoint.environment, **words.environment},
        **sizes(words.concurrent, words.payload),
    }
    if words.model_data is not None:
        role = role_of(words.role, place)
        fields |= {
            "model_data": given_uri(words.model_data, place, "the model"),
            "role": role,
            "image": image_of(words.image, "serve", place, instance_type=instance_type, role=role),
        }
    elif any(words.managed.get(key) for key in ("isolated", "subnets", "security_groups")):
        raise ConfigError(
            f"A model has its network from when it was made, and {words.model_name} is there already; leave out "
            "--isolated, --subnets and --security-groups, or give a job or a model.tar.gz."
        )
    fields["input"] = _input(words, fields["output"], place)
    if not place.local:
        fields["managed"] = checked(Shielded, **with_preset_tag(words.managed, preset))
    # This machine is one.
    counts = () if place.local else ("instance_count",)
    for key in (*counts, "strategy", "content_type", "accept", "timeout", "retries"):
        value = getattr(words, key)
        if value is not None:
            fields[key] = value
    return build(place, preset, transform=(Transform, fields))


def is_folder(words: TransformWords) -> bool:
    """Whether the input lies on this machine."""
    return "://" not in words.input


def _input(words: TransformWords, output: str, place: Place) -> str:
    if place.local or not is_folder(words):
        uri = given_uri(words.input, place, "the input")
        if place.local:
            _check_folder(to_path(uri), words.input)
        return uri.rstrip("/") + "/"
    folder = Path(words.input)
    _check_folder(folder, words.input)
    if words.push_to:
        return given_uri(words.push_to, place, "--push-to").rstrip("/") + "/"
    whole = folder.resolve()
    stem = re.sub(r"[^a-zA-Z0-9._-]+", "-", whole.name).strip("-.") or "pictures"
    # Many a folder is called test, and a job in progress reads what lies there.
    digest = hashlib.sha256(os.fsencode(whole)).hexdigest()[:_DIGITS]
    bucket = output.removeprefix("s3://").partition("/")[0]
    return f"s3://{bucket}/{_PUSHED}/{stem}-{digest}/"


def _check_folder(folder: Path, given: str) -> None:
    if folder.is_dir():
        return
    if folder.exists():
        raise ConfigError(f"{given} is a file, and transform takes a folder of pictures; `launch.py predict` asks "
                          "an endpoint about single ones.")  # fmt: skip
    raise ConfigError(f"There is no folder {given}; give one that holds pictures.")


def _output(words: TransformWords, name: str, place: Place) -> str:
    if words.output:
        return given_uri(words.output, place, "--output").rstrip("/")
    if place.local:
        return given_uri(str(place.state / "output" / name), place, "--output")
    raise ConfigError("--output is missing: give s3://BUCKET/PREFIX for the answers, or add --local.")
