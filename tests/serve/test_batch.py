"""The true server in a batch transform job of the local door: what SageMaker tells it there is what it does."""

from __future__ import annotations

import io
import json
import shlex
import sys
from pathlib import Path

import pytest
from PIL import Image

from container.serve.settings import cores
from launcher import notebook
from launcher.errors import JobFailed
from launcher.verbs.logs import LogFollower

_LARGE = 40 * 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture in each of five class folders, one of 40 MB, which no endpoint takes."""
    for number in range(5):
        place = tmp_path / "test" / ("ant" if number % 2 else "3R") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (48, 40), (50 * number, 90, 200)).save(place)
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(data, "PNG")
    # What follows a picture's end is nobody's.
    (tmp_path / "test" / "ant" / "large.png").write_bytes(data.getvalue().ljust(_LARGE, b"\0"))
    return tmp_path / "test"


def test_a_batch_takes_large_pictures_with_a_worker_a_core_and_names_a_bad_one(
    tiny: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYOC_SERVE_COMMAND", shlex.join((sys.executable, "-P", "-m", "container.serve.start")))
    where = notebook.here("process", state=tmp_path / "state")
    words = {"output": str(tmp_path / "answers"), "concurrent": 2, "payload": 50}
    batch = notebook.transform(str(tiny / "model"), folder, where=where, name="batch", **words)
    assert (batch.result.answered, batch.result.pictures) == (6, 6)
    # Of the three classes that the model knows, two are folders here.
    assert batch.result.tally is not None and batch.result.tally.known == 6
    (best,) = json.loads((tmp_path / "answers" / "ant" / "large.png.out").read_bytes())["predictions"]
    assert best["label"] in ("bee, honey", "ant", "3R")
    log = "\n".join(LogFollower.of_transform(batch.door.logs, "batch").lines())
    assert f"{min(2, cores())} worker(s) ready" in log and "MaxConcurrentTransforms=2, MaxPayloadInMB=50" in log

    (folder / "ant" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    with pytest.raises(JobFailed, match=r"1 of 1 objects have no answer: ant/bad\.jpg \(400: "):
        notebook.transform(str(tiny / "model"), folder, where=where, name="again", resume=True, **words)
