"""Objects in S3: listed, read as streams, and written from files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError

from launcher.doors import Listed
from launcher.errors import AwsError, NotFound

_ABSENT = ("NoSuchKey", "NoSuchBucket", "404")


class Objects:
    """Reads and writes s3:// URIs; ``client`` makes boto3.client("s3"), and only once it is needed."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = cache(client)

    def read(self, uri: str) -> IO[bytes]:
        """The object at ``uri``, which the caller closes. Raises NotFound."""
        bucket, key = split(uri)
        try:
            body: IO[bytes] = self._client().get_object(Bucket=bucket, Key=key)["Body"]
        except ClientError as exc:
            if exc.response["Error"]["Code"] in _ABSENT:
                raise NotFound(f"There is nothing at {uri}.") from exc
            raise
        return body

    def write(self, uri: str, file: Path, *, key: str | None = None) -> None:
        """Put ``file`` at ``uri``, encrypted with the KMS key when there is one. Raises AwsError."""
        from boto3.exceptions import S3UploadFailedError

        bucket, place = split(uri)
        try:
            self._client().upload_file(str(file), bucket, place, ExtraArgs=encrypted(key))
        except S3UploadFailedError as exc:
            raise AwsError(f"{' '.join(str(exc).split())}; these credentials need s3:PutObject there.") from exc

    def listing(self, uri: str) -> Iterator[Listed]:
        """Each object whose address begins with ``uri``, in order."""
        bucket, prefix = split(uri)
        for page in self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for each in page.get("Contents", []):
                yield Listed(each["Key"].removeprefix(prefix), each["Size"], each["LastModified"].timestamp())

    def measure(self, uri: str, enough: int) -> int:
        """Bytes of all objects whose address begins with ``uri``; no more are counted than make ``enough``."""
        total = 0
        for each in self.listing(uri):
            total += each.size
            if total >= enough:
                break
        return total


def split(uri: str) -> tuple[str, str]:
    """The bucket and the key of an s3:// address."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def encrypted(key: str | None) -> dict[str, str]:
    """What an upload is told so that S3 encrypts it with the KMS key; nothing leaves it to the bucket."""
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
