"""RunConfig: all that a verb is to do, checked before anything starts."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from launcher.config.frozen import Frozen, checked_name
from launcher.config.hosting import Hosting, Variant
from launcher.config.training import Training
from launcher.config.tuning import Tuning
from launcher.config.transform import Transform

__all__ = ["Door", "Endpoint", "RunConfig", "Training", "Transform", "Tuning"]

Door = Literal["local", "aws"]


# The one variant of an endpoint of one model, as AWS's own SDK names it.
ALL_TRAFFIC = "AllTraffic"


class Endpoint(Frozen):
    """One endpoint of one model, or of several variants."""

    name: str
    image: str = Field(min_length=1)
    role: str = Field(min_length=1)
    model_data: str
    instance_type: str
    instance_count: Annotated[int, Field(ge=1)] = 1
    startup_timeout: Annotated[int, Field(ge=60, le=3600)] = 600
    environment: dict[str, str] = Field(default_factory=dict)
    # ``model_data`` is a prefix of many models, each loaded when it is asked.
    multi_model: bool = False
    # Instead of one model: several, each with its share.
    variants: tuple[Variant, ...] = ()
    hosting: Hosting = Hosting()
    # The name of its model and configuration; its own unless it is an endpoint's next version.
    revision: str = ""

    _checked_name = field_validator("name")(checked_name)

    @model_validator(mode="after")
    def _variants_differ(self) -> Self:
        if len({variant.name for variant in self.variants}) < len(self.variants):
            raise ValueError("each --variant has a name of its own, and none twice")
        if self.hosting.serverless and len(self.variants) > 1:
            raise ValueError("a serverless endpoint has one model; leave out --serverless or --variant")
        if self.multi_model and (self.variants or self.hosting.serverless):
            raise ValueError("--multi-model is one variant on instances; leave out --variant and --serverless")
        if len(self.variants) > 1 and (self.hosting.canary or self.hosting.alarms):
            raise ValueError("AWS updates several variants all at once; leave out --canary and --rollback-alarm")
        for name in self.model_names:
            checked_name(name)
        return self

    @property
    def made_as(self) -> str:
        """The name of its configuration, with which its models' names begin."""
        return self.revision or self.name

    @property
    def served(self) -> tuple[Variant, ...]:
        """All variants: those given, or the one model."""
        return self.variants or (Variant(name=ALL_TRAFFIC, model_data=self.model_data),)

    @property
    def model_names(self) -> list[str]:
        """A name a variant, in their order."""
        return [f"{self.made_as}-{variant.name}" for variant in self.variants] or [self.made_as]


class RunConfig(Frozen):
    """What one command line asks for."""

    door: Door
    preset: str | None = None
    training: Training | None = None
    tuning: Tuning | None = None
    endpoint: Endpoint | None = None
    transform: Transform | None = None
