"""What this project has started in AWS: a JSON line an event in `.sagemaker/resources.jsonl`, so that nothing is lost.

A line is written before AWS is asked: what was begun in the moment of a crash is looked for, and not forgotten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from launcher.errors import LauncherError

FILE = "resources.jsonl"

Kind = Literal["training job", "tuning job", "transform job", "model", "endpoint configuration", "endpoint"]
Event = Literal["created", "refused", "deleted"]

_CREATED: dict[str, tuple[Kind, str]] = {
    "create_training_job": ("training job", "TrainingJobName"),
    "create_hyper_parameter_tuning_job": ("tuning job", "HyperParameterTuningJobName"),
    "create_transform_job": ("transform job", "TransformJobName"),
    "create_model": ("model", "ModelName"),
    "create_endpoint_config": ("endpoint configuration", "EndpointConfigName"),
    "create_endpoint": ("endpoint", "EndpointName"),
}
# The tags that are recorded.
_KEPT = ("preset", "endpoint", "transform")
_DELETED = {name.replace("create_", "delete_"): named for name, named in _CREATED.items()}


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Something in AWS, and what is known of it here: the preset it was made by, and what it was made for.

    That is an endpoint, or a batch transform job.
    """

    kind: Kind
    name: str
    region: str
    time: str
    preset: str = ""
    endpoint: str = ""
    transform: str = ""


class Ledger:
    """The events, in the order in which they happened."""

    def __init__(self, state: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._file = state / FILE
        self._clock = clock

    def note(self, event: Event, kind: Kind, name: str, region: str, **tags: str) -> None:
        """Add a line, at once and as a whole."""
        moment = self._clock().isoformat(timespec="seconds")
        line = {"time": moment, "event": event, "door": "aws", "region": region, "kind": kind, "name": name, **tags}
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def there(self, region: str | None = None) -> list[Resource]:
        """All that was created and not deleted since, oldest first; of one region when it is given.

        Raises LauncherError for a line that cannot be read.
        """
        found: dict[tuple[str, str, str], Resource] = {}
        for number, text in enumerate(self._lines(), start=1):
            try:
                line = json.loads(text)
                key = (line["region"], line["kind"], line["name"])
                event, tags = line["event"], {tag: line[tag] for tag in _KEPT if tag in line}
                made = Resource(kind=line["kind"], name=line["name"], region=line["region"], time=line["time"], **tags)
            except (ValueError, KeyError, TypeError) as exc:
                raise LauncherError(
                    f"Line {number} of {self._file} cannot be read ({exc}); take it out, the others are good."
                ) from exc
            if event == "created":
                found[key] = made
            else:
                found.pop(key, None)
        return [each for each in found.values() if region in (None, each.region)]

    def _lines(self) -> list[str]:
        try:
            return self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []


class Recorded:
    """A boto3 client for SageMaker that notes what it creates and deletes."""

    def __init__(self, client: Any, ledger: Ledger, region: str) -> None:
        self._client = client
        self._ledger = ledger
        self._region = region

    def delete_transform_job(self, **request: Any) -> dict[str, Any]:
        """AWS has no such call, and keeps the records of such jobs: this one is forgotten here."""
        kind, key = _CREATED["create_transform_job"]
        self._ledger.note("deleted", kind, request[key], self._region)
        return {}

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name in _CREATED:
            return self._creating(call, *_CREATED[name])
        return self._deleting(call, *_DELETED[name]) if name in _DELETED else call

    def _creating(self, call: Callable[..., Any], kind: Kind, key: str) -> Callable[..., Any]:
        def create(**request: Any) -> Any:
            name = request[key]
            # One of that name that was there already is what a refusal speaks of.
            known = any((each.kind, each.name) == (kind, name) for each in self._ledger.there(self._region))
            if not known:
                self._ledger.note("created", kind, name, self._region, **_tags(request))
            try:
                return call(**request)
            except (ClientError, ParamValidationError) as exc:
                if not known and not may_be_made(exc):
                    self._ledger.note("refused", kind, name, self._region)
                raise

        return create

    def _deleting(self, call: Callable[..., Any], kind: Kind, key: str) -> Callable[..., Any]:
        def delete(**request: Any) -> Any:
            answer = call(**request)
            self._ledger.note("deleted", kind, request[key], self._region)
            return answer

        return delete


def may_be_made(error: ClientError | BotoCoreError) -> bool:
    """Whether AWS may have made it for all that: it failed midway, or was not heard of again, which is no refusal.

    Nor is it when boto3 asked once more, and heard that there is one already: that may be what it had asked for.
    """
    if not isinstance(error, ClientError):
        return not isinstance(error, ParamValidationError)
    answer, said = error.response.get("ResponseMetadata", {}), error.response["Error"]["Message"].lower()
    again = answer.get("RetryAttempts", 0) > 0 and "already exist" in said
    return again or answer.get("HTTPStatusCode", 0) >= 500


def _tags(request: dict[str, Any]) -> dict[str, str]:
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    return {key: tags[key] for key in _KEPT if key in tags}
