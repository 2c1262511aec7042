"""What is missing here is said once, at the end of the run: tests never pass by being absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker import client

SHARED = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("docker") and client()[0] is None:
            item.add_marker(pytest.mark.skip(reason=f"no Docker engine answers ({client()[1]})"))
        if item.get_closest_marker("real") and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason="the real photographs (../shared/data) are not here"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.write_sep("=", f"{len(skipped)} tests were skipped: see the reasons above", yellow=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real data beside the checkout."""
    return SHARED
