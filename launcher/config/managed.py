"""What jobs may ask of an account, and no other machine has: network, keys, tags, spot instances, warm pools."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from launcher.config.frozen import Frozen

InputMode = Literal["File", "FastFile"]

# SageMaker's own limits.
_MOST_TAGS = 50
_LONGEST_KEY, _LONGEST_VALUE = 128, 256
# The project and the preset have tags of their own.
OWN_TAGS = ("project", "preset", "endpoint", "transform")


class Shielded(Frozen):
    """Network, key and tags, which jobs and endpoints have alike."""

    isolated: bool = False
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _shield_holds(self) -> Self:
        if bool(self.subnets) != bool(self.security_groups):
            missing = "--security-groups" if self.subnets else "--subnets"
            raise ValueError(f"a VPC needs --subnets and --security-groups; add {missing}")
        for key, value in self.tags.items():
            if key.lower().startswith("aws:"):
                raise ValueError(f"the tag '{key}' begins with aws:, which AWS keeps for itself; choose another name")
            if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
                raise ValueError(
                    f"the tag '{key[:20]}' is too long; its name has up to {_LONGEST_KEY} characters, its value up to "
                    f"{_LONGEST_VALUE}"
                )
        if len({*self.tags, *OWN_TAGS}) > _MOST_TAGS:
            raise ValueError(f"there are {len(self.tags)} tags, and AWS takes {_MOST_TAGS} with the project's own")
        return self


class Managed(Shielded):
    """Of a training job. Times are seconds."""

    spot: bool = False
    # How long it may take with all waiting for a spot instance; twice the runtime unless said.
    max_wait: Annotated[int, Field(ge=1)] | None = None
    encrypt_traffic: bool = False
    keep_alive: Annotated[int, Field(ge=1, le=21_600)] | None = None
    input_mode: InputMode = "File"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.max_wait is not None and not self.spot:
            raise ValueError("--max-wait is how long to wait for spot instances; add --spot")
        if self.keep_alive and self.spot:
            raise ValueError("warm pools are not to be had of spot instances; leave out --keep-alive or --spot")
        return self
