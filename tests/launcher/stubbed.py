"""The AWS door on boto3's clients, answered by botocore's Stubber, which checks requests and answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import boto3
from botocore.stub import Stubber

from launcher.aws.clients import aws_door
from launcher.aws.ledger import Ledger
from launcher.aws.objects import Objects
from launcher.doors import Door


class Account:
    """A door of stubbed clients, and what to expect of them."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.waited: list[float] = []
        keys = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "y"}
        self._clients: dict[str, Any] = {
            name: boto3.client(name, **keys)  # type: ignore[call-overload]
            for name in ("sagemaker", "sagemaker-runtime", "logs", "s3")
        }
        self.stubs = {name: Stubber(client) for name, client in self._clients.items()}
        self.sagemaker, self.runtime, self.logs, self.s3 = self.stubs.values()
        *three, s3 = self._clients.values()
        self.door: Door = aws_door(*three, Objects(lambda: s3), interval=7.0, ledger=ledger,
                                   sleep=self.waited.append)  # fmt: skip
        for stub in self.stubs.values():
            stub.activate()

    def missing(self, operation: str, message: str = "Could not find it.") -> None:
        self.sagemaker.add_client_error(operation, "ValidationException", message)


A = TypeVar("A", bound=Account)


def all_asked(account: A) -> Iterator[A]:
    """For a fixture to yield from: every answer that a test has prepared must have been asked for at its end."""
    yield account
    for stub in account.stubs.values():
        stub.assert_no_pending_responses()
