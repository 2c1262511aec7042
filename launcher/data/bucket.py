"""Amazon's bins, fetched without an account from the bucket of AWS's open data.

fetch("s3://aft-vbi-pds", Path("bins"), Choice(listed=Path("file_list.json")))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from launcher.data import bins
from launcher.data.errors import DatasetError
from launcher.data.samples import Choice

SCHEME = "s3://"
# The bucket's region; what is asked of another one is sent on there.
REGION = "us-east-1"
# Bins of each quantity when nothing says how many: the bucket has half a million.
PER_CLASS = 1000

_THREADS = 16
_AT_ONCE = 256
_ABSENT = "NoSuchKey"


def anonymous() -> Any:
    """boto3.client("s3") that signs nothing, as open data asks for nothing."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        signature_version=UNSIGNED, retries={"mode": "standard", "max_attempts": 8}, max_pool_connections=_THREADS
    )
    return boto3.client("s3", region_name=REGION, config=config)


def fetch(source: str, folder: Path, choice: Choice, *, client: Any = None) -> list[str]:
    """Photos and metadata of the chosen bins, in the bucket's layout under ``folder``; sentences on what is missing.

    Files that are there from an earlier time are not fetched again. Raises DatasetError.
    """
    bucket, _, prefix = source.removeprefix(SCHEME).partition("/")
    place = _Place(client or anonymous(), source, bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "", folder)
    for part in (bins.IMAGES, bins.METADATA):
        (folder / part).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        if choice.listed:
            return _listed(place, choice, pool)
        return _by_quantity(place, choice, pool)


class _Place:
    """The bucket and the folder its objects go to."""

    def __init__(self, client: Any, source: str, bucket: str, prefix: str, folder: Path) -> None:
        self._client, self._source, self._bucket, self._prefix, self._folder = client, source, bucket, prefix, folder
        self._fetched: set[Path] = set()

    def numbers(self) -> Iterator[str]:
        """The bins that have metadata, in the bucket's order."""
        from botocore.exceptions import ClientError

        prefix = f"{self._prefix}{bins.METADATA}/"
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        try:
            for page in pages:
                for each in page.get("Contents", []):
                    key = PurePosixPath(each["Key"])
                    if key.suffix == ".json":
                        yield key.stem
        except ClientError as exc:
            raise self._refused(exc) from exc

    def take(self, part: str, name: str) -> bool:
        """Fetch an object unless its file is there; False when there is no such object."""
        from botocore.exceptions import ClientError

        target = self._folder / part / name
        if target.exists():
            return True
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}{part}/{name}")["Body"].read()
        except ClientError as exc:
            if exc.response["Error"]["Code"] == _ABSENT:
                return False
            raise self._refused(exc) from exc
        # A file that is there is whole, whenever fetching ends.
        half = target.with_name(f".{name}.part")
        half.write_bytes(body)
        half.rename(target)
        self._fetched.add(target)
        return True

    def read(self, number: str) -> bytes:
        return (self._folder / bins.METADATA / f"{number}.json").read_bytes()

    def drop(self, number: str) -> None:
        """Away with the metadata of a bin that is not taken, unless they were there before."""
        target = self._folder / bins.METADATA / f"{number}.json"
        if target in self._fetched:
            target.unlink()

    def _refused(self, error: Any) -> DatasetError:
        code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
        return DatasetError(
            f"{self._source} cannot be read without an account ({code}: {said.rstrip('.')}); give an open bucket, such "
            "as s3://aft-vbi-pds, or a folder."
        )


def _listed(place: _Place, choice: Choice, pool: ThreadPoolExecutor) -> list[str]:
    assert choice.listed is not None
    numbers = list(bins.read_list(choice.listed))
    photos = _take(place, pool, bins.IMAGES, numbers)
    _take(place, pool, bins.METADATA, numbers)
    absent = len(numbers) - len(photos)
    return [f"{absent} of the {len(numbers)} bins of the list are not in the bucket."] if absent else []


def _by_quantity(place: _Place, choice: Choice, pool: ThreadPoolExecutor) -> list[str]:
    """Bins in the bucket's order, until there are enough of each quantity."""
    wanted = choice.per_class or PER_CLASS
    there: Counter[int] = Counter()
    without = others = 0
    waiting = place.numbers()
    while numbers := list(islice(waiting, _AT_ONCE)):
        needed = []
        for number in _take(place, pool, bins.METADATA, numbers):
            items = _quantity(place.read(number))
            if 1 <= items <= choice.most and there[items] < wanted:
                there[items] += 1
                needed.append((number, items))
            else:
                others += not 1 <= items <= choice.most
                place.drop(number)
        photos = set(_take(place, pool, bins.IMAGES, [number for number, _ in needed]))
        for number, items in needed:
            if number not in photos:
                there[items] -= 1
                without += 1
        if all(there[items] >= wanted for items in range(1, choice.most + 1)):
            break
    counts = {
        "have metadata and no photo": without,
        f"hold no item, more than {choice.most}, or an unknown number of them, and were passed over": others,
    }
    return [f"{count} bins of the bucket {what}." for what, count in counts.items() if count]


def _quantity(content: bytes) -> int:
    try:
        return bins.quantity(content)
    except ValueError:
        return 0


def _take(place: _Place, pool: ThreadPoolExecutor, part: str, numbers: Sequence[str]) -> list[str]:
    """Those of ``numbers`` whose object was there."""
    suffix = ".jpg" if part == bins.IMAGES else ".json"
    there = pool.map(lambda number: place.take(part, number + suffix), numbers)
    return [number for number, taken in zip(numbers, there, strict=True) if taken]
