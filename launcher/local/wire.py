"""Requests and responses as botocore would have them: checked requests, dated answers, ClientErrors."""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

import botocore.exceptions
import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

REGION, ACCOUNT = "local", "000000000000"

Request = dict[str, Any]
Response = dict[str, Any]


@functools.cache
def service_model(service: str) -> ServiceModel:
    """Botocore's model of a service, read without credentials or region."""
    return botocore.session.get_session().get_service_model(service)


def check(service: str, operation: str, request: Request) -> None:
    """Refuse what boto3 would refuse (ParamValidationError), and then what SageMaker would (ClientError)."""
    shape = service_model(service).operation_model(operation).input_shape
    if shape is None:
        return
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise botocore.exceptions.ParamValidationError(report=report.generate_report())
    _check_names(operation, shape, request)


def _check_names(operation: str, shape: Shape, request: Request) -> None:
    # Botocore leaves patterns to the service. Names are what people get wrong, and what becomes a folder.
    for member, value in request.items():
        inner = shape.members[member]  # type: ignore[attr-defined]
        if not member.endswith("Name") or inner.type_name != "string":
            continue
        pattern, longest = inner.metadata.get("pattern"), inner.metadata.get("max")
        broken = pattern and not re.fullmatch(pattern, value)
        if broken or not value or (longest and len(value) > longest):
            refuse(
                operation,
                f"Value '{value}' at '{member[0].lower() + member[1:]}' failed to satisfy constraint: "
                f"up to {longest} letters, digits and hyphens, the first a letter or digit.",
            )


def refuse(operation: str, message: str, *, code: str = "ValidationException", **extra: Any) -> NoReturn:
    """Raise the ClientError that boto3 would raise."""
    error = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"RequestId": str(uuid.uuid4()), "HTTPStatusCode": 400, "HTTPHeaders": {}},
        **extra,
    }
    raise botocore.exceptions.ClientError(error, operation)  # type: ignore[arg-type]


def response(document: dict[str, Any] | None = None) -> Response:
    """An answer: times as datetimes, and the metadata every boto3 answer has."""
    metadata = {"RequestId": str(uuid.uuid4()), "HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
    return {**(_dated(document or {})), "ResponseMetadata": metadata}


# CloudWatch's timestamps begin with a small letter, and are numbers of milliseconds in boto3 too.
_TIMES = ("Time", "Timestamp")


def _dated(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: datetime.fromtimestamp(inner, UTC)
            if key[:1].isupper() and key.endswith(_TIMES) and isinstance(inner, (int, float))
            else _dated(inner)
            for key, inner in value.items()
        }
    return [_dated(item) for item in value] if isinstance(value, list) else value


def arn(resource: str, name: str) -> str:
    """An ARN in the shape of SageMaker's, for an account that cannot exist."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}/{name}"


def tuning_arn(name: str) -> str:
    """A search's ARN."""
    return arn("hyper-parameter-tuning-job", name)


_PAGE = 10


def page(
    rows: list[dict[str, Any]],
    request: Request,
    key: str,
    *,
    order: str = "Descending",
    by: Callable[[dict[str, Any]], Any] | None = None,
) -> dict[str, Any]:
    """One page of ``rows``, filtered, sorted (``order`` is the operation's default) and cut as by AWS.

    ``by`` is what to sort by, for an operation whose SortBy knows more than name, status and time.
    """
    part = request.get("NameContains", "").lower()
    name_of = next((k for k in (rows[0] if rows else {}) if k.endswith("Name")), "Name")
    rows = [row for row in rows if part in row[name_of].lower()]
    for field_name in ("CreationTime", "LastModifiedTime"):
        after, before = request.get(f"{field_name}After"), request.get(f"{field_name}Before")
        rows = [row for row in rows if not after or row[field_name] > _epoch(after)]
        rows = [row for row in rows if not before or row[field_name] < _epoch(before)]
    status = request.get("StatusEquals")
    status_of = next((k for k in (rows[0] if rows else {}) if k.endswith("Status") and k != "SecondaryStatus"), "")
    rows = [row for row in rows if not status or row[status_of] == status]
    field = {"Name": name_of, "Status": status_of}.get(request.get("SortBy", ""), "CreationTime")
    rows = sorted(rows, key=by or (lambda row: row[field]), reverse=request.get("SortOrder", order) == "Descending")
    start = int(request.get("NextToken") or 0)
    end = start + int(request.get("MaxResults", _PAGE))
    more = {"NextToken": str(end)} if end < len(rows) else {}
    return response({key: rows[start:end], **more})


def _epoch(moment: datetime | float) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
