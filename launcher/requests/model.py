"""CreateModel's request, for endpoints and batch transform alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launcher.config.managed import Shielded
from launcher.requests.training import shield
from launcher.sagemaker import PACKED


def create_model(
    name: str,
    *,
    image: str,
    role: str,
    model_data: str,
    environment: Mapping[str, str],
    shielded: Shielded,
    tags: list[dict[str, str]],
    many: bool = False,
) -> dict[str, Any]:
    """One container's model; ``many`` models lie under the prefix ``model_data``, each loaded when it is asked for."""
    container: dict[str, Any] = {"Image": image, **_data(model_data, many=many)}
    if environment:
        container["Environment"] = dict(environment)
    return {
        "ModelName": name,
        "ExecutionRoleArn": role,
        "PrimaryContainer": container,
        "Tags": tags,
        **shield(shielded),
    }


def _data(uri: str, *, many: bool) -> dict[str, Any]:
    """A packed model by its address, an unpacked one as the prefix it is; many packed ones by theirs."""
    if many:
        return {"Mode": "MultiModel", "ModelDataUrl": uri.rstrip("/") + "/"}
    if uri.endswith(PACKED):
        return {"ModelDataUrl": uri}
    source = {"S3Uri": uri.rstrip("/") + "/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}
