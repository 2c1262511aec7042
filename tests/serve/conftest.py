"""A tiny artifact, made once, and servers that are always ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serve import artifacts
from tests.serve.running import Serving


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like /opt/ml with the tiny model in it; not to be written to."""
    base = tmp_path_factory.mktemp("tiny")
    artifacts.tiny(base / "model")
    return base


@pytest.fixture
def own(tiny: Path, tmp_path: Path) -> Path:
    """A copy of it for a test that changes something."""
    shutil.copytree(tiny / "model", tmp_path / "ml" / "model")
    return tmp_path / "ml"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Starts servers."""
    started: list[Serving] = []

    def begin(base: Path, user: int | None = None, **environment: str) -> Serving:
        started.append(Serving(base, tmp_path / f"serve-{len(started)}.log", user, **environment))
        return started[-1]

    yield begin
    for one in started:
        one.kill()


@pytest.fixture(scope="session")
def serving(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server for all tests that only ask, with small limits; it must outlive them all."""
    one = Serving(
        tiny,
        tmp_path_factory.mktemp("serving") / "serve.log",
        SAGEMAKER_MAX_PAYLOAD_IN_MB="2",
        SERVE_MAX_IMAGES="8",
    )
    try:
        one.ready()
        worker = one.worker().pid
        yield one
        assert one.worker().pid == worker, "a request has killed the worker"
        assert one.end() == 0
    finally:
        one.kill()
