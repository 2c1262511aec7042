"""A Docker engine for tests: found, or its absence said; images built once a run."""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
from pathlib import Path

from launcher.local.engines import choice
from launcher.local.engines.images import builder
from launcher.local.engines.proxies import building

ROOT = Path(__file__).parents[1]

TRAIN_IMAGE, SERVE_IMAGE = "byoc-train:test", "byoc-serve:test"


@functools.cache
def client() -> tuple[tuple[str, ...] | None, str]:
    """The engine's client command, or None and why not."""
    reasons = []
    for command in choice.candidates(os.environ):
        why = choice.answers(command)
        if why is None:
            return command, ""
        reasons.append(f"{shlex.join(command)}: {why}")
    return None, "; ".join(reasons) or "neither docker nor podman is installed"


def docker(*words: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the client; its output is text."""
    command, why = client()
    assert command, why
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {shlex.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done


def threads() -> dict[str, str]:
    """What a container must be told for it to keep to this test's share of the cores."""
    return {name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ}


@functools.cache
def build(image: str) -> str:
    """Build one of the two images from this checkout; quick when nothing changed."""
    dockerfile = {TRAIN_IMAGE: "Dockerfile.train", SERVE_IMAGE: "Dockerfile.serve"}[image]
    command, why = client()
    assert command, why
    done = subprocess.run(
        [*building(builder(command)), "build", "-f", str(ROOT / dockerfile), "-t", image, str(ROOT)],
        capture_output=True, text=True, timeout=1500, env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return image
