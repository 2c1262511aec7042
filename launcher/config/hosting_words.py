"""The words of `deploy` that only AWS heeds, read: 2048:5, 1:4, NAME=MODEL:WEIGHT."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from launcher.config.hosting import Variant
from launcher.config.run import ALL_TRAFFIC
from launcher.errors import ConfigError


def hosting_fields(words: Mapping[str, Any], *, model_data: str) -> dict[str, Any]:
    """The fields of launcher.config.hosting.Hosting. Raises ConfigError."""
    fields = {key: words[key] for key in words if key not in ("serverless", "autoscale", "capture", "capture_to")}
    if "serverless" in words:
        memory, concurrency = _numbers("--serverless", words["serverless"], "MEMORY:CONCURRENCY, as in 2048:5", 2)
        fields["serverless"] = {"memory": memory, "concurrency": concurrency}
    if "autoscale" in words:
        numbers = _numbers("--autoscale", words["autoscale"], "MIN:MAX or MIN:MAX:TARGET", 2, 3)
        fields["scaling"] = dict(zip(("minimum", "maximum", "target"), numbers, strict=False))
    if "capture" in words:
        bucket = re.match(r"s3://[^/]+", model_data)
        place = words.get("capture_to") or (f"{bucket[0]}/data-capture" if bucket else "")
        if not place.startswith("s3://"):
            raise ConfigError("--capture needs a place for what it keeps; add --capture-to s3://BUCKET/PREFIX.")
        fields["capture"] = {"percent": words["capture"], "destination": place}
    elif "capture_to" in words:
        raise ConfigError("--capture-to is where captured requests go; add --capture PERCENT.")
    return fields


def _numbers(option: str, text: str, form: str, *counts: int) -> list[int]:
    parts = text.split(":")
    if len(parts) not in counts or not all(re.fullmatch(r"\d+", part) for part in parts):
        raise ConfigError(f"{option} {text} is not of the form {form}, in whole numbers.")
    return [int(part) for part in parts]


def variants(words: Mapping[str, str]) -> tuple[Variant, ...]:
    """NAME=MODEL or NAME=MODEL:WEIGHT, the weight being a number after the last colon."""
    found = []
    for name, text in words.items():
        parts = re.fullmatch(r"(?P<model>s3://.+?)(:(?P<weight>\d+(\.\d+)?))?", text)
        if parts is None:
            raise ConfigError(f"--variant {name}={text} is not of the form NAME=s3://MODEL or NAME=s3://MODEL:WEIGHT.")
        try:
            found.append(Variant(name=name, model_data=parts["model"], weight=float(parts["weight"] or 1)))
        except ValueError as exc:
            raise ConfigError(f"--variant {name}: a name is up to 63 letters, digits and single hyphens.") from exc
    return tuple(found)


def as_before(now: Mapping[str, int], names: Iterable[str], *, count: int | None, serverless: bool) -> dict[str, Any]:
    """The fields of launcher.config.run.Endpoint that tell of the version before: its variants, and their instances.

    ``now`` has the instances by variant, ``names`` are the variants to come, and ``count`` is what --instances asks
    for; without it each variant keeps its own, and one of a new name begins with as many as the largest has. Raises
    ConfigError for what AWS does not support: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-update.html.
    """
    found: dict[str, Any] = {"before": tuple(now)}
    most = max(now.values(), default=0)
    if most and serverless:
        raise ConfigError(
            "AWS updates no endpoint on instances to a serverless one; deploy it by another name, and delete this one."
        )
    if most and count is None:
        found |= {"instance_count": most, "keeps_count": not now.keys().isdisjoint([*names] or [ALL_TRAFFIC])}
    return found
