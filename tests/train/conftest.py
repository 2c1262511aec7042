"""One small set of pictures for all training tests, and no hook left by one for the next."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.train.jobs import Jobs
from tests.train.places import image_folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ (3 × 24), validation/ (3 × 8) and test/ (3 × 8) of stripes."""
    root = tmp_path_factory.mktemp("pictures")
    for seed, (split, count) in enumerate({"train": 24, "validation": 8, "test": 8}.items()):
        image_folder(root / split, {"across": count, "down": count, "slanted": count}, seed=seed)
    return root


@pytest.fixture
def jobs(tmp_path: Path, pictures: Path) -> Jobs:
    return Jobs(tmp_path, pictures)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Tiny networks are quicker on one thread, above all where tests share a machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        yield


@pytest.fixture(autouse=True)
def _no_hook_is_left() -> Iterator[None]:
    yield
    if "smdebug.pytorch" in sys.modules:
        import smdebug.pytorch as smd

        smd.del_hook()
