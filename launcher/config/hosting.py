"""What endpoints may ask of an account: serverless or scaled, several models, capture, and how an update proceeds."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from launcher.config.frozen import Frozen, checked_name
from launcher.config.managed import Shielded

_GB_STEPS = (1024, 2048, 3072, 4096, 5120, 6144)


class Serverless(Frozen):
    """No instances: memory in MB, and how many requests at once."""

    memory: int
    concurrency: Annotated[int, Field(ge=1, le=200)]

    @field_validator("memory")
    @classmethod
    def _step(cls, value: int) -> int:
        if value not in _GB_STEPS:
            raise ValueError(f"a serverless endpoint has one of {', '.join(map(str, _GB_STEPS))} MB of memory")
        return value


class Scaling(Frozen):
    """As many instances as keep each at ``target`` invocations a minute."""

    minimum: Annotated[int, Field(ge=1)]
    maximum: Annotated[int, Field(ge=1)]
    target: Annotated[float, Field(gt=0)] = 600.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"--autoscale {self.minimum}:{self.maximum} has its smaller number second; swap them")
        return self


class Capture(Frozen):
    """Keeping a part of the requests and answers."""

    percent: Annotated[int, Field(ge=1, le=100)]
    destination: str


class Variant(Frozen):
    """One of the models behind an endpoint, and its share of the requests among the others' weights."""

    name: str
    model_data: str
    weight: Annotated[float, Field(ge=0)] = 1.0

    _checked_name = field_validator("name")(checked_name)


class Hosting(Shielded):
    """Of an endpoint, what only an account gives."""

    serverless: Serverless | None = None
    scaling: Scaling | None = None
    capture: Capture | None = None
    # Of an update: the percentage that tries the new fleet first, and the CloudWatch alarms that take it back.
    canary: Annotated[int, Field(ge=1, le=50)] | None = None
    alarms: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.serverless:
            none = {"autoscale": self.scaling, "capture": self.capture, "canary": self.canary, "kms-key": self.kms_key,
                    "rollback-alarm": self.alarms}  # fmt: skip
            for option, given in none.items():
                if given:
                    raise ValueError(f"serverless endpoints have no --{option}; leave out one of the two")
            if self.subnets or self.isolated:
                raise ValueError("serverless endpoints have no network of yours; leave out --subnets and --isolated")
        return self
