"""Training: one training job, checked before anything starts."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from launcher.config.frozen import Frozen, checked_name
from launcher.config.managed import Managed

# SageMaker's own pattern.
_CHANNEL = r"[A-Za-z0-9.\-_]{1,64}"


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
    managed: Managed = Managed()
    # Whether the request speaks to AWS's Debugger, and where TensorBoard's events go.
    debugger: bool = False
    tensorboard: str | None = None

    _checked_name = field_validator("name")(checked_name)
    _checked_channels = field_validator("channels")(_channels)

    @model_validator(mode="after")
    def _waits_long_enough(self) -> Self:
        if self.max_wait < self.max_runtime:
            raise ValueError(
                f"--max-wait {self.max_wait} is below --max-runtime {self.max_runtime}, which it includes; raise it"
            )
        return self

    @property
    def max_wait(self) -> int:
        """Seconds until a spot job is given up, waiting included."""
        return self.managed.max_wait or 2 * self.max_runtime
