"""The model artifact: what model.tar.gz holds, and the one place that reads and writes its manifest.

    manifest.json          this module's ``Manifest``
    model.xml, model.bin   OpenVINO IR; input ``pixels`` (N, S, S, C) uint8, outputs ``logits`` (N, K)
                           and, where the architecture has one, ``feature_map`` (N, F, h, w)
    weights.safetensors    fp32 state_dict of the whole network
    code/inference.py      optional: the user's overrides
    MAR-INF/MANIFEST.json  written beside manifest.json for multi-model-server alone, which takes any file
                           called manifest.json (in any case of letters) for one of its own first
                           format, unless this one is there

No pickle anywhere. Softmax is the server's; the model gives raw logits.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from container.common.errors import ArtifactError
from container.common.images import Geometry

FORMAT_VERSION = 1

MANIFEST = "manifest.json"
IR_XML = "model.xml"
IR_BIN = "model.bin"
WEIGHTS = "weights.safetensors"
CODE = Path("code") / "inference.py"

# multi-model-server's own manifest (version 1.0 of its archive format); it names nothing of ours.
SERVER_MANIFEST = Path("MAR-INF") / "MANIFEST.json"
_SERVER_MANIFEST = {"specificationVersion": "1.0", "runtime": "python", "model": {"modelVersion": "1.0"}}

PIXELS, LOGITS, FEATURE_MAP = "pixels", "logits", "feature_map"


@dataclass(frozen=True)
class Explanation:
    """How the logits follow from ``feature_map``, for Grad-CAM without torch.

    ``tail`` names the steps in order, each "relu", "avgpool" (N,F,h,w → N,F), "flatten"
    (N,F,h,w → N,F·h·w) or "linear:PREFIX" (PREFIX.weight and PREFIX.bias in the safetensors).
    Empty when the architecture has no such form: then explanations use occlusion. Export keeps a
    tail only after replaying it in numpy gives the network's own logits.
    """

    tail: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is needed to serve a model, or to rebuild and fine-tune it, without guessing."""

    architecture: str
    head: tuple[int, ...]
    dropout: tuple[float, ...]
    classes: tuple[str, ...]
    image_size: int
    resize: str
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    # What the IR file holds (fp32 | int8), and what the plugin is asked to compute in (f32 | bf16).
    precision: str
    inference_precision: str = "f32"
    # Every precision tried: {"int8": {"validation_accuracy": 0.98, "latency_ms": 3.1}, …}
    precisions: dict[str, dict[str, float]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    hyperparameters: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    explanation: Explanation = Explanation()
    format_version: int = FORMAT_VERSION

    @property
    def geometry(self) -> Geometry:
        """The preprocessing this model was trained with."""
        return Geometry(self.image_size, self.resize, self.channels)  # type: ignore[arg-type]


def check_readable(folder: Path) -> None:
    """Raise ArtifactError, naming the first, when this process's user may not read a part of the model.

    A mounted folder keeps its owner, and the server that reads it is not root.
    """
    for path in (folder, folder / CODE.parent, *(folder / name for name in (MANIFEST, IR_XML, IR_BIN, CODE))):
        try:
            wanted = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
            readable = os.access(path, wanted) or not path.exists()
        except PermissionError:  # of a folder above it
            readable = False
        if not readable:
            raise ArtifactError(
                f"{path} in the model may not be read by this container's user ({os.getuid()}); "
                f"open it with chmod -R a+rX {folder}, or run the container as its owner with --user."
            )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into ``folder``, whole or not at all, and the server's beside it."""
    write_server_manifest(folder)
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n"
    partial = folder / (MANIFEST + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / MANIFEST)


def write_server_manifest(folder: Path) -> None:
    """Write what lets multi-model-server load the folder."""
    path = folder / SERVER_MANIFEST
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(_SERVER_MANIFEST) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read and check ``manifest.json``.

    Raises ArtifactError, in one sentence, for a folder that holds no artifact, a damaged manifest,
    or a format this version does not know.
    """
    path = folder / MANIFEST
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ArtifactError(
            f"No model: {path} does not exist; give the folder (or model.tar.gz) that a training job left in model/."
        ) from exc
    except (OSError, ValueError) as exc:
        raise ArtifactError(
            f"The model's manifest {path} cannot be read ({exc}); take the artifact again from the "
            "training job's output."
        ) from exc
    return _checked(raw, path)


def _checked(raw: Any, path: Path) -> Manifest:
    version = raw.get("format_version") if isinstance(raw, dict) else None
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"The model at {path.parent} has format version {version}, and this version reads "
            f"{FORMAT_VERSION}; export it again, or use the matching release."
        )
    known = set(Manifest.__dataclass_fields__)
    strange = sorted(set(raw) - known)
    if strange:
        raise ArtifactError(
            f"The manifest {path} holds the unknown field '{strange[0]}'; export the model again, or "
            "use the release it was made with."
        )
    try:
        tuples = {k: tuple(raw[k]) for k in ("head", "dropout", "classes", "mean", "std")}
        explanation = Explanation(tuple(raw.get("explanation", {}).get("tail", ())))
        manifest = Manifest(**{**raw, **tuples, "explanation": explanation})
    except (TypeError, KeyError, AttributeError) as exc:
        raise ArtifactError(f"The manifest {path} is incomplete ({exc}); export the model again.") from exc
    _check_values(manifest, path)
    return manifest


def _check_values(manifest: Manifest, path: Path) -> None:
    problem = None
    if len(manifest.classes) < 2 or len(set(manifest.classes)) != len(manifest.classes):
        problem = "needs two or more different class names"
    elif manifest.channels not in (1, 3):
        problem = f"has {manifest.channels} channels (1 and 3 are known)"
    elif manifest.resize not in ("crop", "squash"):
        problem = f"has the resize rule '{manifest.resize}' (crop and squash are known)"
    elif manifest.precision not in ("fp32", "int8"):
        problem = f"has the precision '{manifest.precision}' (fp32 and int8 are known)"
    elif manifest.inference_precision not in ("f32", "bf16"):
        problem = f"has the inference precision '{manifest.inference_precision}' (f32 and bf16 are known)"
    elif not isinstance(manifest.image_size, int) or manifest.image_size < 1:
        problem = f"has the image size {manifest.image_size!r}"
    if problem:
        raise ArtifactError(f"The manifest {path} {problem}; export the model again.")
