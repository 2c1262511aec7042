"""Folders go to S3: all of it, once, and again only what changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto import mock_aws

from launcher.aws.pushing import PART, Plan, Push, digest, open_push
from launcher.cli.push import push
from launcher.errors import AwsError, ConfigError, NotFound, UnusableData
from launcher.opening import DoorWords

BUCKET = "pictures"
URI = f"s3://{BUCKET}/dogs"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Moto's S3 with one bucket; nothing of this machine's own settings is read."""
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with mock_aws():
        client: Any = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "dogs"
    for name, content in {"train/pug/1.jpg": b"one", "train/pug/2.jpg": b"two", "test/pug/ü 3.jpg": b""}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    (place / ".DS_Store").write_bytes(b"hidden")
    return place


def work(s3: Any, folder: Path, uri: str = URI) -> Push:
    return Push(s3, folder, uri, folder.parent / "state")


def places(plan: Plan) -> list[str]:
    return [each.place for each in plan.send]


def stored(s3: Any) -> dict[str, bytes]:
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def test_all_goes_up_once_and_then_nothing(s3: Any, folder: Path) -> None:
    first = work(s3, folder)
    plan = first.plan()
    told: list[int] = []
    first.send(plan, sent=told.append)
    assert sum(told) == plan.size == 6
    assert stored(s3) == {"dogs/train/pug/1.jpg": b"one", "dogs/train/pug/2.jpg": b"two", "dogs/test/pug/ü 3.jpg": b""}
    again = work(s3, folder).plan()
    assert not again.send and len(again.same) == 3


def test_only_what_changed_goes_up_again_even_when_its_size_did_not(s3: Any, folder: Path) -> None:
    work(s3, folder).send(work(s3, folder).plan())
    (folder / "train/pug/1.jpg").write_bytes(b"uno")
    (folder / "train/pug/4.jpg").write_bytes(b"four")
    plan = work(s3, folder).plan()
    assert places(plan) == ["train/pug/1.jpg", "train/pug/4.jpg"]
    work(s3, folder).send(plan)
    assert stored(s3)["dogs/train/pug/1.jpg"] == b"uno"


def test_a_file_that_was_only_touched_does_not_go_up_again(s3: Any, folder: Path) -> None:
    work(s3, folder).send(work(s3, folder).plan())
    (folder / "train/pug/1.jpg").touch()
    assert not work(s3, folder).plan().send


class Encrypting:
    """S3 with a key of one's own, whose ETags say nothing of the content."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def get_paginator(self, name: str) -> Any:
        pages = self._s3.get_paginator(name)

        class Pages:
            def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
                for page in pages.paginate(**asked):
                    contents = [{**each, "ETag": '"opaque"'} for each in page.get("Contents", [])]
                    yield {**page, "Contents": contents}

        return Pages()


@pytest.mark.parametrize("bucket", [lambda s3: s3, Encrypting], ids=["digests", "a key of one's own"])
def test_a_push_that_was_broken_off_goes_on_where_it_was(s3: Any, folder: Path, bucket: Callable[[Any], Any]) -> None:
    client = bucket(s3)

    class Breaking:
        """S3 until the second file."""

        sent = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def upload_file(self, *words: Any, **more: Any) -> None:
            Breaking.sent += 1
            if Breaking.sent == 2:
                raise boto3.exceptions.S3UploadFailedError("Failed to upload: the connection\nbroke")
            s3.upload_file(*words, **more)

    broken = Push(Breaking(), folder, URI, folder.parent / "state", workers=1)
    with pytest.raises(AwsError, match="the connection broke; push again"):
        broken.send(broken.plan())
    assert len(stored(s3)) >= 1
    plan = work(client, folder).plan()
    assert len(plan.send) == 3 - len(stored(s3))
    work(client, folder).send(plan)
    assert len(stored(s3)) == 3


def test_large_files_go_in_parts_and_are_known_again_by_them(s3: Any, folder: Path) -> None:
    large = folder / "train/pug/large.bin"
    large.write_bytes(b"a" * PART + b"b" * 7)
    exact = folder / "train/pug/exact.bin"
    exact.write_bytes(b"c" * PART)
    work(s3, folder).send(work(s3, folder).plan())
    for file in (large, exact):
        etag = s3.head_object(Bucket=BUCKET, Key=f"dogs/train/pug/{file.name}")["ETag"].strip('"')
        assert etag == digest(file, file.stat().st_size) and "-" in etag
    elsewhere = Push(s3, folder, URI, folder.parent / "another state")
    assert not elsewhere.plan().send


def test_where_etags_are_no_digests_the_state_folder_remembers(s3: Any, folder: Path) -> None:
    client = Encrypting(s3)
    work(client, folder).send(work(client, folder).plan())
    assert not work(client, folder).plan().send
    # Also what a push of some of the files was not about.
    some = Push(client, folder, URI, folder.parent / "state", wanted=lambda path: path.name == "2.jpg")
    some.send(some.plan())
    assert not work(client, folder).plan().send
    (folder / "train/pug/1.jpg").write_bytes(b"uno")
    assert places(work(client, folder).plan()) == ["train/pug/1.jpg"]


def test_several_files_are_under_way_at_once(s3: Any, folder: Path) -> None:
    meeting = threading.Barrier(3)

    class Meeting:
        """Nobody passes before three are there."""

        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def upload_file(self, *_words: Any, **_more: Any) -> None:
            meeting.wait(timeout=60)

    Push(Meeting(), folder, URI, folder.parent / "state", workers=3).send(work(s3, folder).plan())
    assert meeting.n_waiting == 0 and not meeting.broken


def test_what_is_there_and_not_in_the_folder_is_told_and_kept(s3: Any, folder: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="dogs/old.jpg", Body=b"old")
    s3.put_object(Bucket=BUCKET, Key="dogs-of-another/1.jpg", Body=b"x")
    plan = work(s3, folder).plan()
    assert plan.others == ["old.jpg"]
    work(s3, folder).send(plan)
    assert "dogs/old.jpg" in stored(s3)


def test_faults_are_named_with_their_remedies(s3: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="s3://BUCKET/PREFIX"):
        open_push(DoorWords(profile="nobody"), folder, "s3:/bucket/photos")
    with pytest.raises(NotFound, match="aws s3 mb s3://nowhere"):
        work(s3, folder, "s3://nowhere/x").plan()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnusableData, match="has no files in it"):
        work(s3, tmp_path / "empty").plan()
    (tmp_path / "empty" / b"\xff.jpg".decode(errors="surrogateescape")).touch()
    with pytest.raises(UnusableData, match="rename the file"):
        work(s3, tmp_path / "empty").plan()


def test_a_refusal_of_another_kind_is_passed_on(folder: Path) -> None:
    class Refusing:
        def get_paginator(self, _name: str) -> Any:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")

    with pytest.raises(ClientError, match="AccessDenied"):
        work(Refusing(), folder).plan()


def test_the_command_line_says_what_it_does_and_prints_where_it_lies(s3: Any, folder: Path) -> None:
    words = [str(folder), URI, "--state", str(folder.parent / "state")]
    dry = CliRunner().invoke(push, [*words, "--dry-run"], catch_exceptions=False)
    assert "train/pug/1.jpg" in dry.output and stored(s3) == {}
    done = CliRunner().invoke(push, words, catch_exceptions=False)
    assert "3 files to send, 0.0 MB; 0 are there already." in done.output
    assert f"{URI}/\n" in done.output and f"train --data {URI}/" in done.output
    again = CliRunner().invoke(push, words, catch_exceptions=False)
    assert "0 files to send, 0.0 MB; 3 are there already." in again.output
    assert len(stored(s3)) == 3


def test_a_link_to_a_folder_is_refused_and_not_left_out_in_silence(s3: Any, folder: Path) -> None:
    (folder / "train" / "beagle").symlink_to(folder / "test" / "pug")
    with pytest.raises(UnusableData, match="beagle is a link to a folder"):
        work(s3, folder).plan()


def test_a_folder_that_cannot_be_looked_into_is_an_error(s3: Any, folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        work(s3, folder / "none").plan()
