"""RunConfig: all that a verb is to do, checked before anything starts."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from launcher.config.frozen import LONGEST_NAME, Frozen, checked_name
from launcher.config.hosting import Hosting, Variant
from launcher.config.training import Training
from launcher.config.transform import Transform
from launcher.config.tuning import Tuning

__all__ = ["Door", "Endpoint", "RunConfig", "Training", "Transform", "Tuning"]

Door = Literal["local", "aws"]


# The one variant of an endpoint of one model, as AWS's own SDK names it.
ALL_TRAFFIC = "AllTraffic"
# Of what stands for the rest of a name that is too long.
_DIGEST = 8


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
    # Of a next version: the variants that serve before it, and whether each keeps the instances that it has then.
    before: tuple[str, ...] = ()
    keeps_count: bool = False

    _checked_name = field_validator("name")(checked_name)

    @model_validator(mode="after")
    def _variants_differ(self) -> Self:
        if len({variant.name for variant in self.variants}) < len(self.variants):
            raise ValueError("each --variant has a name of its own, and none twice")
        if self.hosting.serverless and len(self.variants) > 1:
            raise ValueError("a serverless endpoint has one model; leave out --serverless or --variant")
        if self.multi_model and (self.variants or self.hosting.serverless):
            raise ValueError("--multi-model is one variant on instances; leave out --variant and --serverless")
        if not self.guarded and (self.hosting.canary or self.hosting.alarms):
            raise ValueError(f"{self._why_unguarded()}; leave out --canary and --rollback-alarm")
        for name in self.model_names:
            checked_name(name)
        return self

    @property
    def guarded(self) -> bool:
        """Whether an update may have deployment guardrails: steps, a time of proof, alarms.

        AWS excludes serverless endpoints, Inf1 instances, and variants that go by another name than before:
        https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
        """
        return not self._why_unguarded()

    def _why_unguarded(self) -> str:
        if self.hosting.serverless:
            return "AWS updates serverless endpoints all at once"
        if self.instance_type.startswith("ml.inf1."):
            return "AWS updates endpoints on Inf1 instances all at once"
        names = {variant.name for variant in self.served}
        if self.before and names != set(self.before):
            was, will = ", ".join(self.before), ", ".join(sorted(names))
            return f"AWS updates in steps only where variants keep their names, which are {was} and were to be {will}"
        return ""

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
        return [model_name(self.made_as, variant.name) for variant in self.variants] or [self.made_as]


def model_name(config: str, variant: str) -> str:
    """The model of one of several variants: named after both, and cut short where that is longer than AWS takes."""
    name = f"{config}-{variant}"
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{name[: LONGEST_NAME - _DIGEST - 1].rstrip('-')}-{digest}"


class RunConfig(Frozen):
    """What one command line asks for."""

    door: Door
    preset: str | None = None
    training: Training | None = None
    tuning: Tuning | None = None
    endpoint: Endpoint | None = None
    transform: Transform | None = None
