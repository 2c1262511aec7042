"""RunConfig: all that a verb is to do, checked before anything starts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from launcher.config.frozen import Frozen, checked_name
from launcher.config.training import Training
from launcher.config.tuning import Tuning

__all__ = ["Door", "Endpoint", "RunConfig", "Training", "Tuning"]

Door = Literal["local", "aws"]


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

    _checked_name = field_validator("name")(checked_name)


class RunConfig(Frozen):
    """What one command line asks for."""

    door: Door
    preset: str | None = None
    training: Training | None = None
    tuning: Tuning | None = None
    endpoint: Endpoint | None = None
