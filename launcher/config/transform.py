"""Transform: one batch transform job, checked before anything starts."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from launcher.config.frozen import Frozen, checked_name
from launcher.config.managed import Shielded

Strategy = Literal["SingleRecord", "MultiRecord"]

# SageMaker's own limits: MB of one request, MB of all that are under way at once, variables of the job's own.
MOST_PAYLOAD = MOST_UNDER_WAY = 100
_MOST_VARIABLES = 16
# Whatever picture an endpoint takes, a job takes: real-time requests end at 25 MB.
_PAYLOAD, _CONCURRENT = 25, 4


class Transform(Frozen):
    """One batch transform job. URIs are s3:// in AWS and file:// locally; times are seconds, payloads MB."""

    name: str
    # A model that is there already, or one of the job's own name that is made of the next three.
    model_name: str
    image: str = ""
    role: str = ""
    model_data: str = ""
    # A prefix whose objects are all taken, or (``listed``) a manifest that names some.
    input: str
    listed: bool = False
    output: str
    # Whether answers that lie there already stay as they are, which are of the same model then.
    resumed: bool = False
    instance_type: str
    instance_count: Annotated[int, Field(ge=1)] = 1
    concurrent: Annotated[int, Field(ge=1, le=MOST_UNDER_WAY)] = _CONCURRENT
    payload: Annotated[int, Field(ge=1, le=MOST_PAYLOAD)] = _PAYLOAD
    strategy: Strategy | None = None
    content_type: str = "application/x-image"
    accept: str = "application/json"
    # Of one request; SageMaker's own are 600 s and 3 retries.
    timeout: Annotated[int, Field(ge=1, le=3600)] | None = None
    retries: Annotated[int, Field(ge=0, le=3)] | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    managed: Shielded = Shielded()

    _checked_name = field_validator("name", "model_name")(checked_name)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.concurrent * self.payload > MOST_UNDER_WAY:
            raise ValueError(
                f"--max-concurrent {self.concurrent} × --max-payload {self.payload} MB is more than the "
                f"{MOST_UNDER_WAY} MB that SageMaker has under way at once; lower one of them"
            )
        if len(self.environment) > _MOST_VARIABLES:
            raise ValueError(f"a transform job takes {_MOST_VARIABLES} variables; leave out some --env")
        if self.model_data and self.model_name != self.name:
            raise ValueError(f"the model that is made for job {self.name} has its name, and not {self.model_name}")
        if not self.model_data and self.model_name == self.name:
            # A job's own model has its name, and goes with it.
            raise ValueError(f"model {self.model_name} is there already, and no job's own; choose another --name")
        return self


def sizes(concurrent: int | None, payload: int | None) -> dict[str, int]:
    """Both numbers; the one that was not given fits the other."""
    if concurrent is None:
        concurrent = max(1, min(_CONCURRENT, MOST_UNDER_WAY // (payload or _PAYLOAD)))
    if payload is None:
        payload = max(1, min(_PAYLOAD, MOST_UNDER_WAY // concurrent))
    return {"concurrent": concurrent, "payload": payload}
