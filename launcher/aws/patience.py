"""Waiting out AWS's throttling, and a connection that comes and goes, while something is only looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

_LOOKS = ("describe_", "list_", "get_")
_THROTTLED = ("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "SlowDown",
              "RequestThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
              "LimitExceededException")  # fmt: skip
_UNREACHED = (ConnectTimeoutError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError)

# Seconds, doubled each time; about seven minutes in all, after what botocore has waited by itself.
_FIRST, _LONGEST, _TRIES = 1.0, 60.0, 12


class Patient:
    """A boto3 client whose describe, list and get calls are asked again, later and later, when AWS is busy.

    A connection is waited for only once there has been one: who has no network at all is told so at once.
    """

    def __init__(self, client: Any, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep
        self._reached = False

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return self._patiently(call) if name.startswith(_LOOKS) else call

    def _patiently(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def asked(**request: Any) -> Any:
            pause = _FIRST
            for _ in range(_TRIES):
                try:
                    answer = call(**request)
                except (ClientError, *_UNREACHED) as exc:
                    if not self._is_passing(exc):
                        raise
                else:
                    self._reached = True
                    return answer
                self._sleep(pause)
                pause = min(2 * pause, _LONGEST)
            return call(**request)

        return asked

    def _is_passing(self, error: Exception) -> bool:
        if isinstance(error, ClientError):
            return error.response["Error"]["Code"] in _THROTTLED
        return self._reached
