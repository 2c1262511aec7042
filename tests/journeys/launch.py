"""The command line as a user types it: a process, its words, its output, its status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from tests.docker import ROOT, threads


class Launch:
    """`launch.py` on one state folder and one engine."""

    def __init__(self, state: Path, engine: str, images: dict[str, str]) -> None:
        self.state = state
        self.engine = engine
        self.images = images

    def __call__(self, *words: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run one verb; an AssertionError with all it said when it does not end with 0."""
        environment = {**os.environ, "BYOC_STATE": str(self.state), "NO_COLOR": "1"}
        done = subprocess.run(
            [sys.executable, str(ROOT / "launch.py"), *words],
            capture_output=True, text=True, timeout=timeout, env=environment, cwd=ROOT,
        )  # fmt: skip
        if check and done.returncode != 0:
            log = self._log_of(words)
            raise AssertionError(f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr[-4000:]}\n{log}")
        return done

    def json(self, *words: str, timeout: float = 900) -> Any:
        """Run one verb with --json; what it printed."""
        return json.loads(self(*words, "--json", timeout=timeout).stdout)

    def train(self, name: str, data: Path, hyperparameters: dict[str, str], **channels: Path) -> dict[str, Any]:
        """A training job, waited for; its description."""
        words = ["train", "--local", self.engine, "--name", name, "--data", str(data)]
        words += [w for key, value in hyperparameters.items() for w in ("-p", f"{key}={value}")]
        words += [w for key, value in channels.items() for w in ("--channel", f"{key}={value}")]
        words += [w for key, value in threads().items() for w in ("--env", f"{key}={value}")]
        if "train" in self.images:
            words += ["--image", self.images["train"]]
        description: dict[str, Any] = self.json(*words)
        assert description["TrainingJobStatus"] == "Completed", description
        return description

    def deploy(self, job: str, name: str) -> None:
        """An endpoint for a job's model, waited for until it is in service."""
        image = ["--image", self.images["serve"]] if "serve" in self.images else []
        assert self.json("deploy", "--local", self.engine, "--job", job, "--name", name, *image)["EndpointStatus"] == (
            "InService"
        )

    def _log_of(self, words: tuple[str, ...]) -> str:
        if words[0] != "train" or "--name" not in words:
            return ""
        job = words[words.index("--name") + 1]
        return self("logs", job, check=False).stdout[-4000:]


def metrics(description: dict[str, Any]) -> dict[str, float]:
    """FinalMetricDataList as a dict."""
    return {m["MetricName"]: m["Value"] for m in description["FinalMetricDataList"]}


def manifest(description: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The manifest of the model that a job has left."""
    uri = str(description["ModelArtifacts"]["S3ModelArtifacts"])
    with tarfile.open(uri.removeprefix("file://")) as archive:
        archive.extract("manifest.json", folder, filter="data")
    return dict(json.loads((folder / "manifest.json").read_text()))
