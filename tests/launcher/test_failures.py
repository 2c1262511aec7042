"""Errors become sentences."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from container.common.errors import DataError
from launcher.cli.failures import guarded, translated
from launcher.errors import AwsError, EngineError, NotFound, UnusableData
from launcher.local import store
from launcher.local.engines.commands import last_words


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
    assert "is --region a region's name?" in str(translated(EndpointConnectionError(endpoint_url="https://x")))


def test_aws_refusals_are_passed_on_with_a_remedy_where_one_is_known() -> None:
    error = ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "CreateModel")
    assert str(translated(error)) == (
        "CreateModel was refused (ExpiredToken): expired; the credentials have expired; log in again."
    )


def test_what_happened_beside_a_refusal_is_told_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    def refused(_args: None, **_extra: bool) -> None:
        error = ClientError({"Error": {"Code": "ResourceLimitExceeded", "Message": "the quota is 1"}}, "UpdateEndpoint")
        error.add_note("Its model stays.")
        raise error

    with pytest.raises(SystemExit):
        guarded(refused, None)
    assert "the quota is 1; ask for a higher" in (said := capsys.readouterr().err) and said.endswith(
        ". Its model stays.\n"
    )


def test_a_remedy_follows_a_whole_sentence_and_is_found_by_its_words() -> None:
    taken = {"Code": "ValidationException", "Message": "Cannot create already existing model 'm'."}
    assert str(translated(ClientError({"Error": taken}, "CreateModel"))) == (
        "CreateModel was refused (ValidationException): Cannot create already existing model 'm'; "
        "choose another --name, or delete that one first."
    )


def test_another_name_is_advised_for_what_is_made_and_not_for_what_is_deleted() -> None:
    taken = {"Code": "ResourceInUse", "Message": "s is in use."}
    assert "choose another --name" in str(translated(ClientError({"Error": taken}, "CreateTrainingJob")))
    assert str(translated(ClientError({"Error": taken}, "DeleteTrainingJob"))).endswith("(ResourceInUse): s is in use.")


def test_a_refusal_of_several_lines_is_one() -> None:
    said = {"Code": "500", "Message": "<html>\n<h1>Internal  Server Error</h1>\n"}
    assert str(translated(ClientError({"Error": said}, "UpdateEndpoint"))) == (
        "UpdateEndpoint was refused (500): <html> <h1>Internal Server Error</h1>"
    )


def test_a_damaged_document_is_named_with_what_to_remove(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{")
    with pytest.raises(EngineError, match=f"record.json is damaged .* remove the folder {tmp_path}"):
        store.read_json(tmp_path / "record.json")


def test_a_lock_does_not_bring_a_deleted_resource_back(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), store.locked(tmp_path / "gone" / "lock"):
        pass
    assert not (tmp_path / "gone").exists()


def test_the_reason_is_not_what_a_client_says_of_its_help() -> None:
    said = "docker: Error response from daemon: no GPU.\n\nRun 'docker run --help' for more information\n"
    assert last_words(said) == "docker: Error response from daemon: no GPU."


def test_a_document_that_cannot_be_written_leaves_the_old_one_and_names_itself(tmp_path: Path) -> None:
    store.write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        store.write_json(tmp_path / "a.json", {"new": object()})
    assert store.read_json(tmp_path / "a.json") == {"old": 1}
    with pytest.raises(OSError, match="nowhere"):
        store.write_json(tmp_path / "nowhere" / "a.json", {})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
