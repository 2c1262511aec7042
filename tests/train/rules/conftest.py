"""A recording to write steps into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.rules.recordings import Recording


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "tensors")
