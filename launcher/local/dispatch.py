"""Sending objects to a server, so many at once, each as one request whose answer becomes one file.

As in SageMaker: an object that fails stands in the way of no other, answers are written whole or not at all, and
requests that fail for the server's sake (5xx, a broken connection) are made again.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
# SageMaker's own, where CreateTransformJob does not say.
TIMEOUT, RETRIES = 600, 3
PAYLOAD, CONCURRENT = 6, 1

_POLL_SECONDS = 0.1
_PAUSE_SECONDS = 0.2
_LONGEST = 300


@dataclass(frozen=True)
class Item:
    """An object: its key below the input's prefix, and the file it is."""

    key: str
    path: Path


@dataclass(frozen=True)
class Fault:
    """An object without an answer, whose fault that is (in SageMaker's words), and why."""

    key: str
    kind: str
    why: str

    def __str__(self) -> str:
        return f"{self.key}: {self.kind}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How requests are made: at once, MiB each (0 for any), seconds, times again, and their headers."""

    concurrent: int = CONCURRENT
    payload: int = PAYLOAD
    timeout: float = TIMEOUT
    retries: int = RETRIES
    headers: Mapping[str, str]


class Dispatch:
    """Objects on their way to the server at ``address``, and their answers to the folder ``output``."""

    def __init__(self, address: tuple[str, int], items: Sequence[Item], output: Path, manner: Manner) -> None:
        self._address = address
        self._output = output
        self._manner = manner
        self._waiting = iter(items)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._error: BaseException | None = None
        self.total = len(items)
        self.done = 0
        self.faults: list[Fault] = []

    def run(self, *, stop: Callable[[], bool], look: Callable[[], None]) -> bool:
        """Send all; False when a stop was asked for before the end.

        ``look`` is called every tenth of a second, and ends the sending by raising. Raises OSError for what cannot be
        written.
        """
        count = min(self._manner.concurrent, max(self.total, 1))
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            while alive := [thread for thread in threads if thread.is_alive()]:
                if stop():
                    return False
                look()
                alive[0].join(_POLL_SECONDS)
        finally:
            # Requests under way break off when the server ends.
            self._over.set()
        if self._error:
            raise self._error
        return True

    def _work(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=self._manner.timeout)
        try:
            for item in self._items():
                fault = self._sent(connection, item)
                if self._over.is_set():
                    return
                with self._lock:
                    self.done += 1
                    if fault:
                        self.faults.append(fault)
        except BaseException as exc:
            self._error = self._error or exc
            self._over.set()
        finally:
            connection.close()

    def _items(self) -> Iterator[Item]:
        while not self._over.is_set():
            with self._lock:
                item = next(self._waiting, None)
            if item is None:
                return
            yield item

    def _sent(self, connection: http.client.HTTPConnection, item: Item) -> Fault | None:
        try:
            body = item.path.read_bytes()
        except OSError as exc:
            return Fault(item.key, "ClientError", f"it cannot be read ({exc.strerror})")
        limit = self._manner.payload * MIB
        if limit and len(body) > limit:
            return Fault(item.key, "ClientError", f"its {len(body)} bytes are more than MaxPayloadInMB, "
                         f"{self._manner.payload}")  # fmt: skip
        why = ""
        for attempt in range(self._manner.retries + 1):
            if attempt:
                self._over.wait(_PAUSE_SECONDS * 2 ** (attempt - 1))
            if self._over.is_set():
                return None
            try:
                connection.request("POST", "/invocations", body=body, headers=dict(self._manner.headers))
                answer = connection.getresponse()
                payload = answer.read()
            except TimeoutError:
                connection.close()
                why = f"no answer within {self._manner.timeout:g} s"
                continue
            except (OSError, http.client.HTTPException) as exc:
                connection.close()
                why = f"the server cannot be reached ({exc or type(exc).__name__})"
                continue
            if answer.status < 300:
                return self._kept(item.key, payload)
            why = f"{answer.status}: {_said(payload)}"
            if answer.status < 500 and answer.status != http.HTTPStatus.TOO_MANY_REQUESTS:
                return Fault(item.key, "ClientError", why)
        return Fault(item.key, "AlgorithmError", why)

    def _kept(self, key: str, payload: bytes) -> Fault | None:
        try:
            _write(self._output / f"{key}.out", payload)
        except OSError as exc:
            if exc.errno != errno.ENAMETOOLONG:
                raise
            return Fault(key, "ClientError", "with .out its name is too long for this disk")
        return None


def _said(payload: bytes) -> str:
    """A refusal's own words, ours or another server's."""
    text = payload.decode("utf-8", errors="replace")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["error"]["message"])
    return " ".join(text.split())[:_LONGEST] or "without a word"


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    # Not of the answer's name, which may be as long as names can be.
    partial = place.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(place)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def parameters(address: tuple[str, int]) -> dict[str, int]:
    """What the container itself says of the numbers that a request leaves open; nothing where it says nothing."""
    connection = http.client.HTTPConnection(*address, timeout=5.0)
    try:
        connection.request("GET", "/execution-parameters")
        answer = connection.getresponse()
        document = json.loads(answer.read()) if answer.status == http.HTTPStatus.OK else {}
        least = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 0}
        told = {name: int(document[name]) for name in least if name in document}
        return {name: number for name, number in told.items() if number >= least[name]}
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return {}
    finally:
        connection.close()


def rate(done: int, since: float) -> float:
    """Objects a second since a moment of time.monotonic()."""
    return done / max(time.monotonic() - since, 1e-9)
