"""Errors become sentences."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from container.common.errors import DataError
from launcher.cli.failures import translated
from launcher.errors import AwsError, EngineError, NotFound, UnusableData
from launcher.local import store


def test_each_kind_of_error_has_its_status() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/x")
    kinds = {
        NotFound: NotFound("x"),
        UnusableData: DataError("x"),
        EngineError: full,
        AwsError: EndpointConnectionError(endpoint_url="https://x"),
    }
    for kind, error in kinds.items():
        assert type(translated(error)) is kind
    assert translated(ZeroDivisionError()) is None


def test_aws_refusals_are_passed_on_with_a_remedy_where_one_is_known() -> None:
    error = ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "CreateModel")
    assert str(translated(error)) == (
        "CreateModel was refused (ExpiredToken): expired; the credentials have expired; log in again."
    )


def test_a_document_that_cannot_be_written_leaves_the_old_one_and_names_itself(tmp_path: Path) -> None:
    store.write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        store.write_json(tmp_path / "a.json", {"new": object()})
    assert store.read_json(tmp_path / "a.json") == {"old": 1}
    with pytest.raises(OSError, match="nowhere"):
        store.write_json(tmp_path / "nowhere" / "a.json", {})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
