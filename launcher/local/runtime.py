"""boto3's sagemaker-runtime client for endpoints of this machine."""

from __future__ import annotations

import http.client
import io
from typing import Any

from botocore.response import StreamingBody

from launcher.local import store
from launcher.local.store import Store
from launcher.local.wire import Response, check, refuse, response

_SERVICE = "sagemaker-runtime"
# AWS: a real-time response is due within 60 s, a request holds at most 25 MB.
SECONDS = 60.0
MAX_BODY_BYTES = 25 * 2**20
_CUSTOM = "X-Amzn-SageMaker-Custom-Attributes"
_FORWARDED = {"Accept": "Accept", "CustomAttributes": _CUSTOM, "TargetModel": "X-Amzn-SageMaker-Target-Model"}


class LocalRuntime:
    """The data plane: invoke_endpoint."""

    def __init__(self, state: Store) -> None:
        self.store = state

    def invoke_endpoint(self, **request: Any) -> Response:
        """Pass one request to the endpoint's container; its 4xx and 5xx come as ModelError, as from AWS."""
        operation = "InvokeEndpoint"
        check(_SERVICE, operation, request)
        name = request["EndpointName"]
        record = self.store.read(store.ENDPOINTS, name, store.RECORD)
        if record is None:
            refuse(operation, f"Endpoint {name} not found.", code="ValidationError")
        if record["EndpointStatus"] != "InService":
            refuse(
                operation,
                f"Endpoint {name} is {record['EndpointStatus']}, not InService.",
                code="ValidationError",
            )
        for member in ("TargetModel", "TargetVariant"):
            if member in request:
                refuse(operation, f"{member} chooses among several, and a local endpoint has one model.",
                       code="ValidationError")  # fmt: skip
        body = request.get("Body", b"")
        data = body if isinstance(body, (bytes, bytearray)) else body.read()
        if len(data) > MAX_BODY_BYTES:
            refuse(operation, f"The body holds {len(data)} bytes; at most {MAX_BODY_BYTES} are taken.",
                   code="ValidationError")  # fmt: skip
        headers = {"Content-Type": request.get("ContentType", "application/octet-stream")}
        for member, header in _FORWARDED.items():
            if member in request:
                headers[header] = request[member]
        status, answered, payload = self._post(operation, name, tuple(record["Address"]), bytes(data), headers)
        asked = self.store.read(store.ENDPOINTS, name, store.REQUEST) or {}
        variant = asked.get("Variant", {}).get("VariantName", "AllTraffic")
        if status >= 400:
            text = payload.decode("utf-8", errors="replace")
            kind = "client" if status < 500 else "server"
            refuse(
                operation,
                f'Received {kind} error ({status}) from primary with message "{text}".',
                code="ModelError",
                OriginalStatusCode=status,
                OriginalMessage=text,
                LogStreamArn=str(self.store.folder(store.ENDPOINTS, name) / "logs" / f"{variant}.log"),
            )
        answer = response(
            {
                "ContentType": answered.get("Content-Type", ""),
                "InvokedProductionVariant": variant,
                **({"CustomAttributes": answered[_CUSTOM]} if _CUSTOM in answered else {}),
            }
        )
        return {**answer, "Body": StreamingBody(io.BytesIO(payload), len(payload))}  # type: ignore[arg-type]

    def address(self, name: str) -> str | None:
        """Where the endpoint's container takes requests, for any HTTP client; None unless it is in service."""
        record = self.store.read(store.ENDPOINTS, name, store.RECORD) or {}
        if record.get("EndpointStatus") != "InService" or not record.get("Address"):
            return None
        host, port = record["Address"]
        return f"http://{host}:{port}/invocations"

    def _post(
        self, operation: str, name: str, address: tuple[str, int], data: bytes, headers: dict[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(*address, timeout=SECONDS)
        try:
            connection.request("POST", "/invocations", body=data, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except TimeoutError:
            refuse(operation, f"Endpoint {name} did not answer within {SECONDS:g} s.", code="ModelError",
                   OriginalStatusCode=408, OriginalMessage="timeout")  # fmt: skip
        except (OSError, http.client.HTTPException) as exc:
            refuse(operation, f"Endpoint {name} cannot be reached: {exc}.", code="ServiceUnavailable")
        finally:
            connection.close()
