"""The open-data bucket's bins, in an S3 of this process with the same keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from launcher.data import Choice, DatasetError, bucket
from tests.data.sources import bins, numbered, run, totals

BUCKET = "aft-vbi-pds"


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Put bins of given quantities into the bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        import boto3

        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        client.create_bucket(Bucket=BUCKET, ACL="public-read")

        def place(quantities: dict[str, Any], acl: str = "public-read") -> None:
            source = bins(tmp_path / "source", quantities)
            for path in source.rglob("*.*"):
                key = str(path.relative_to(source))
                client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes(), ACL=acl)

        yield place


def test_bins_of_a_list_are_fetched_without_an_account(tmp_path: Path, put: Any) -> None:
    put(numbered({1: 6, 2: 6}))
    listed = tmp_path / "list.json"
    chosen = {"1": [f"data/metadata/{n:05d}.json" for n in range(1, 5)], "2": [f"data/metadata/{n:05d}.json" for n in
              (7, 8, 9, 99)]}  # fmt: skip
    listed.write_text(json.dumps(chosen))
    made = run(f"s3://{BUCKET}", tmp_path / "out", choice=Choice(listed=listed))
    assert totals(made) == {"1": 4, "2": 3}
    assert "1 of the 8 bins of the list are not in the bucket." in made.warnings
    assert not list(tmp_path.glob(".*")), "nothing half fetched is left"


def test_bins_are_fetched_until_there_are_enough_of_each_quantity(tmp_path: Path, put: Any) -> None:
    put({**numbered({1: 8, 2: 8, 7: 2}), "00050": "many"})
    made = run(f"s3://{BUCKET}/", tmp_path / "out", layout="bins", choice=Choice(most=2, per_class=5),
               download=tmp_path / "kept")  # fmt: skip
    assert totals(made) == {"1": 5, "2": 5}
    assert len(list((tmp_path / "kept" / "bin-images").iterdir())) == 10
    assert any(each.startswith("3 bins of the bucket hold no item, more than 2") for each in made.warnings)


def test_what_is_there_is_not_fetched_again(tmp_path: Path, put: Any) -> None:
    put(numbered({1: 4, 2: 4}))
    choice = Choice(per_class=3, most=2)
    bucket.fetch(f"s3://{BUCKET}", tmp_path / "kept", choice)
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept" / "bin-images").iterdir()}
    bucket.fetch(f"s3://{BUCKET}", tmp_path / "kept", choice)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "kept" / "bin-images").iterdir()} == first


def test_metadata_that_were_there_before_stay_when_fewer_bins_are_taken(tmp_path: Path, put: Any) -> None:
    put(numbered({1: 4, 2: 4}))
    bucket.fetch(f"s3://{BUCKET}", tmp_path / "kept", Choice(per_class=4, most=2))
    before = sorted(tmp_path.glob("kept/*/*"))
    bucket.fetch(f"s3://{BUCKET}", tmp_path / "kept", Choice(per_class=1, most=2))
    assert sorted(tmp_path.glob("kept/*/*")) == before and len(before) == 16


def test_the_client_signs_nothing() -> None:
    from botocore import UNSIGNED

    assert bucket.anonymous().meta.config.signature_version is UNSIGNED


@pytest.mark.parametrize("choice", [Choice(), Choice(listed=Path("list.json"))])
def test_a_bucket_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, put: Any, choice: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.json").write_text('{"1": ["1.json"], "2": ["2.json"]}')
    with pytest.raises(DatasetError, match="s3://no-such-bucket cannot be read without an account"):
        run("s3://no-such-bucket", tmp_path / "out", choice=choice)


def test_a_bucket_that_wants_an_account_is_one_sentence(tmp_path: Path, put: Any) -> None:
    put(numbered({1: 4, 2: 4}), acl="private")
    with pytest.raises(DatasetError, match="give an open bucket, such as s3://aft-vbi-pds, or a folder"):
        run(f"s3://{BUCKET}", tmp_path / "out")


def test_a_bucket_holds_bins_alone(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="bins alone are fetched"):
        run("s3://photos", tmp_path / "out", layout="dogs")
