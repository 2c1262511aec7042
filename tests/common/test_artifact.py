"""The manifest: what is written is read back, and what is not understood is refused with a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from container.common import artifact
from container.common.artifact import Explanation, Manifest
from container.common.errors import ArtifactError

ROOT = Path(__file__).parents[2]

MANIFEST = Manifest(
    architecture="resnet18",
    head=(64,),
    dropout=(0.2,),
    classes=("0L", "0R", "élan"),
    image_size=96,
    resize="squash",
    channels=1,
    mean=(0.5, 0.5, 0.5),
    std=(0.2, 0.2, 0.2),
    precision="int8",
    precisions={"fp32": {"validation_accuracy": 0.98}},
    metrics={"validation:loss": 0.1},
    hyperparameters={"lr": "0.01"},
    versions={"torch": "2"},
    explanation=Explanation(("avgpool", "linear:fc")),
)


def test_a_manifest_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    artifact.write_manifest(tmp_path, MANIFEST)
    assert artifact.read_manifest(tmp_path) == MANIFEST
    assert artifact.read_manifest(tmp_path).geometry.image_size == 96
    assert sorted(p.name for p in tmp_path.iterdir()) == ["MAR-INF", "manifest.json"]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No model"):
        artifact.read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 2}, "format version 2"),
        ({"surprise": 1}, "surprise"),
        ({"classes": ["a"]}, "two or more"),
        ({"classes": ["a", "a"]}, "two or more"),
        ({"channels": 4}, "4 channels"),
        ({"resize": "pad"}, "resize rule"),
        ({"precision": "int4"}, "int4"),
        ({"inference_precision": "f64"}, "f64"),
        ({"image_size": "big"}, "image size"),
        ({"mean": None}, "incomplete"),
        ({"explanation": None}, "incomplete"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    artifact.write_manifest(tmp_path, MANIFEST)
    path = tmp_path / artifact.MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArtifactError, match=said):
        artifact.read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\x01"])
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / artifact.MANIFEST).write_text(text)
    with pytest.raises(ArtifactError):
        artifact.read_manifest(tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("closed", [".", "..", "code", "code/inference.py", "manifest.json", "model.xml", "model.bin"])
def test_a_part_that_another_user_may_not_read_is_named(closed: str) -> None:
    code = (
        "import os, sys; from pathlib import Path; from container.common.artifact import check_readable\n"
        "os.setuid(65534)\n"
        "try: check_readable(Path(sys.argv[1]))\n"
        "except Exception as exc: print(type(exc).__name__, exc)"
    )

    def said() -> str:
        words = [sys.executable, "-c", code, str(model)]
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        model = Path(folder) / "model"
        (model / "code").mkdir(parents=True)
        for name in ("manifest.json", "model.xml", "model.bin", "code/inference.py"):
            (model / name).touch()
        Path(folder).chmod(0o755)
        assert said() == ""
        (model / closed).chmod(0)
        named = model if closed == ".." else model / closed
        assert said().startswith(f"ArtifactError {named} in the model may not be read by this container's user")
        assert "chmod -R a+rX" in said()
