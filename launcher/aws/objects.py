"""Objects in S3, read as streams."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import IO, Any

from botocore.exceptions import ClientError

from launcher.errors import NotFound

_ABSENT = ("NoSuchKey", "NoSuchBucket", "404")


class Objects:
    """Reads s3:// URIs; ``client`` makes boto3.client("s3"), and only once something is read."""

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

    def measure(self, uri: str, enough: int) -> int:
        """Bytes of all objects whose address begins with ``uri``; no more are counted than make ``enough``."""
        bucket, prefix = split(uri)
        total = 0
        for page in self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            total += sum(each["Size"] for each in page.get("Contents", []))
            if total >= enough:
                break
        return total


def split(uri: str) -> tuple[str, str]:
    """The bucket and the key of an s3:// address."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
