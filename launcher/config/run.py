"""RunConfig: all that a verb is to do, checked before anything starts."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

# SageMaker's own patterns.
_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
_CHANNEL = r"[A-Za-z0-9.\-_]{1,64}"

Door = Literal["local", "aws"]


class Frozen(BaseModel):
    """Base of the configuration's parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        raise ValueError("a name is up to 63 letters, digits and single hyphens, the first a letter or digit")
    return value


def _channels(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not re.fullmatch(_CHANNEL, name) or name in (".", ".."):
            raise ValueError(f"'{name}' is no channel's name: it is up to 64 letters, digits, dots, hyphens and _")
    return value


class Training(Frozen):
    """One training job. URIs are s3:// in AWS and file:// locally; times are seconds, sizes gigabytes."""

    name: str
    image: str = Field(min_length=1)
    role: str = Field(min_length=1)
    hyperparameters: dict[str, str]
    channels: dict[str, str]
    output: str
    checkpoints: str | None = None
    instance_type: str
    instance_count: Annotated[int, Field(ge=1, le=100)] = 1
    volume_gb: Annotated[int, Field(ge=1)] = 30
    max_runtime: Annotated[int, Field(ge=1)] = 86_400
    environment: dict[str, str] = Field(default_factory=dict)

    _checked_name = field_validator("name")(_name)
    _checked_channels = field_validator("channels")(_channels)


class Endpoint(Frozen):
    """One endpoint of one model."""

    name: str
    image: str = Field(min_length=1)
    role: str = Field(min_length=1)
    model_data: str
    instance_type: str
    instance_count: Annotated[int, Field(ge=1)] = 1
    startup_timeout: Annotated[int, Field(ge=60, le=3600)] = 600
    environment: dict[str, str] = Field(default_factory=dict)

    _checked_name = field_validator("name")(_name)


class RunConfig(Frozen):
    """What one command line asks for."""

    door: Door
    preset: str | None = None
    training: Training | None = None
    endpoint: Endpoint | None = None
