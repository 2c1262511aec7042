"""A folder sent to S3: in parallel, only what changed, and as often as wanted: what arrived is not sent again.

A file has not changed when the object of its name has its size and its digest. S3 gives MD5 digests as ETags, of parts
when there are several, so the parts here are of one known size. Where the bucket encrypts with a key of one's own its
ETags are no digests: then the state folder remembers which ETag a file (by size and time of change) had been given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from launcher.aws.objects import encrypted, split
from launcher.aws.session import open_session, retries
from launcher.errors import AwsError, ConfigError, NotFound, UnusableData
from launcher.local import objects, store
from launcher.opening import WORKERS, DoorWords

# Larger files go in parts of this size.
PART = 8 * 1024 * 1024
_MEMORY = "pushed"


@dataclass(frozen=True)
class File:
    """A file to send, and its place below the prefix."""

    path: Path
    place: str
    size: int
    changed: int


@dataclass(frozen=True)
class Plan:
    """What is to be sent, what is there already, and what is there and is not of the folder."""

    send: list[File] = field(default_factory=list)
    same: list[File] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes to send."""
        return sum(each.size for each in self.send)


class Push:
    """One folder and one prefix."""

    def __init__(
        self,
        client: Any,
        folder: Path,
        uri: str,
        state: Path,
        *,
        workers: int = WORKERS,
        wanted: Callable[[Path], bool] = lambda _path: True,
    ) -> None:
        self._client = client
        self._folder = folder
        self._wanted = wanted
        self.bucket, self._prefix = _place(uri)
        name = hashlib.sha256(f"{self.bucket}/{self._prefix}".encode()).hexdigest()[:16]
        self._memory = state / _MEMORY / f"{name}.json"
        self._workers = workers

    @property
    def uri(self) -> str:
        """Where the folder's files lie."""
        return f"s3://{self.bucket}/{self._prefix}"

    def plan(self) -> Plan:
        """Compare the folder with the prefix. Raises UnusableData and NotFound."""
        files = list(_files(self._folder, self._wanted))
        if not files:
            raise UnusableData(f"{self._folder} has no files in it to upload; give a folder that does.")
        there, known = self._listed(), store.read_json(self._memory) or {}
        made = Plan(others=sorted(there.keys() - {each.place for each in files}))
        with ThreadPoolExecutor(self._workers) as pool:
            same = pool.map(lambda each: _is_same(each, there.get(each.place), known.get(each.place)), files)
            for each, unchanged in zip(files, same, strict=True):
                (made.same if unchanged else made.send).append(each)
        return made

    def send(self, plan: Plan, *, key: str | None = None, sent: Callable[[int], object] = lambda _: None) -> None:
        """Send what is to be sent; ``sent`` is told of bytes as they go, from several threads. Raises AwsError.

        Files under way when one fails, or when a person interrupts, are finished; the others wait for the next time.
        """
        extra = encrypted(key)
        arrived = list(plan.same)
        try:
            self._send_all(plan.send, extra, sent, arrived)
        except BaseException as fault:
            try:
                self._remember(arrived)
            except (ClientError, BotoCoreError) as exc:
                fault.add_note(f"What had arrived could not be looked up ({exc}), and some may be sent again.")
            raise
        self._remember(arrived)

    def _send_all(
        self, files: list[File], extra: dict[str, str], sent: Callable[[int], object], arrived: list[File]
    ) -> None:
        def send(file: File) -> None:
            self._send(file, extra, sent)
            arrived.append(file)

        with ThreadPoolExecutor(self._workers) as pool:
            sending = [pool.submit(send, each) for each in files]
            try:
                done, _ = wait(sending, return_when=FIRST_EXCEPTION)
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise
            fault = next((each.exception() for each in done if each.exception()), None)
            if fault:
                pool.shutdown(cancel_futures=True)
                raise fault

    def _send(self, file: File, extra: dict[str, str], sent: Callable[[int], object]) -> None:
        from boto3.exceptions import S3UploadFailedError
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, use_threads=False)
        try:
            self._client.upload_file(
                str(file.path), self.bucket, self._prefix + file.place, ExtraArgs=extra, Callback=sent, Config=parts
            )
        except S3UploadFailedError as exc:
            raise AwsError(
                f"{' '.join(str(exc).split())}; push again, and what has arrived is not sent twice."
            ) from exc

    def _remember(self, files: list[File]) -> None:
        there = self._listed()
        store.private_folder(self._memory.parents[1], _MEMORY)
        # Of the folder's other files, which were not wanted this time, what is known stays while it holds.
        before = store.read_json(self._memory) or {}
        known = {place: each for place, each in before.items() if place in there and each[2] == there[place][1]}
        known |= {each.place: [each.size, each.changed, there[each.place][1]] for each in files if each.place in there}
        store.write_json(self._memory, known)

    def _listed(self) -> dict[str, tuple[int, str]]:
        """Size and ETag of the objects there, by their place below the prefix."""
        found: dict[str, tuple[int, str]] = {}
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._prefix)
        try:
            for page in pages:
                for each in page.get("Contents", []):
                    found[each["Key"][len(self._prefix) :]] = (each["Size"], each["ETag"].strip('"'))
        except ClientError as exc:
            if exc.response["Error"]["Code"] != "NoSuchBucket":
                raise
            raise NotFound(f"There is no bucket {self.bucket}; make it with `aws s3 mb s3://{self.bucket}`.") from exc
        return found


def _files(folder: Path, wanted: Callable[[Path], bool]) -> Iterator[File]:
    """The wanted files below, in order, but for hidden ones. Raises UnusableData, and OSError."""
    for path in filter(wanted, objects.files(folder)):
        status = path.stat()
        yield File(path, path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns)


def _is_same(file: File, there: tuple[int, str] | None, known: list[Any] | None) -> bool:
    if there is None or there[0] != file.size:
        return False
    if known == [file.size, file.changed, there[1]]:
        return True
    return there[1] == digest(file.path, file.size)


def digest(path: Path, size: int) -> str:
    """The ETag that S3 gives a file sent by us, unless it encrypts it with a key of one's own."""
    with path.open("rb") as file:
        if size < PART:
            return hashlib.file_digest(file, _md5).hexdigest()
        parts = [_md5(part).digest() for part in iter(lambda: file.read(PART), b"")]
    return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(data: bytes = b"") -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def _place(uri: str) -> tuple[str, str]:
    """The bucket, and the prefix with a slash at its end or ""; raises ConfigError."""
    bucket, prefix = split(uri)
    if not uri.startswith("s3://") or not bucket:
        raise ConfigError(f"{uri} is no place in S3; write it as s3://BUCKET/PREFIX.")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def open_push(
    where: DoorWords,
    folder: Path,
    uri: str,
    *,
    workers: int = WORKERS,
    wanted: Callable[[Path], bool] = lambda _path: True,
) -> Push:
    """A push of a folder's wanted files, as ``where`` says; calls nothing. Raises ConfigError, AwsError."""
    from botocore.config import Config

    _place(uri)  # before anything is looked for that only a right one needs
    session = open_session(where.region, where.profile)
    client = session.client("s3", config=retries().merge(Config(max_pool_connections=workers)))
    return Push(client, folder, uri, where.state, workers=workers, wanted=wanted)
