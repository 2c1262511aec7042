"""The images of the Docker engine: found, or built from this checkout's Dockerfiles when they are ours.

An image built here carries a label that hashes the files it was made from. When the checkout has moved
on, it is built again; Docker's layer cache makes that a matter of seconds unless the locks changed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from launcher.errors import EngineError
from launcher.local.engines.base import Say
from launcher.local.engines.commands import locked_patiently, run_patiently
from launcher.local.engines.proxies import building, proxies

TRAIN_IMAGE, SERVE_IMAGE, SERVE_GPU_IMAGE = "byoc-train", "byoc-serve", "byoc-serve-gpu"
_OURS = {TRAIN_IMAGE: "train", SERVE_IMAGE: "serve", SERVE_GPU_IMAGE: "serve"}
_LABEL = "byoc.sources"


def ensure_image(
    command: Sequence[str],
    image: str,
    role: str,
    *,
    checkout: Path,
    gpu: bool,
    say: Say,
    cancelled: Callable[[], bool],
) -> None:
    """Build our own image when it is missing or stale; check that a foreign one is there. Raises EngineError."""
    present, label = _inspect(command, image)
    if image not in _OURS:
        if not present:
            raise EngineError(
                f"The image {image} is not on this machine; pull or build it, or leave --image out to have "
                f"{TRAIN_IMAGE if role == 'train' else SERVE_IMAGE} built here."
            )
        return
    dockerfile = checkout / f"Dockerfile.{_OURS[image]}"
    if not dockerfile.is_file():
        raise EngineError(f"The image {image} is missing and so is {dockerfile}; run from a whole checkout.")
    digest = sources_digest(checkout, _OURS[image])
    if present and label == digest:
        return
    # One builder at a time: the second finds the image fresh.
    with locked_patiently(checkout / ".cache" / f"{image}.lock", cancelled=cancelled):
        if _inspect(command, image) == (True, digest):
            return
        why = "its sources changed" if present else "once, some minutes"
        say(f"Building the image {image} from {dockerfile.name} ({why})")
        build(command, image, dockerfile, digest, checkout=checkout, cancelled=cancelled)


def build(
    command: Sequence[str], image: str, dockerfile: Path, digest: str, *, checkout: Path, cancelled: Callable[[], bool]
) -> None:
    """`docker build` with BuildKit."""
    arguments = ["--build-arg", "ENGINE=gpu"] if image == SERVE_GPU_IMAGE else []
    # Names without values: an address may hold a password, which `ps` would show.
    arguments += [word for name in proxies(os.environ) for word in ("--build-arg", name)]
    run_patiently(
        [
            *building(builder(command)), "build", "--file", str(dockerfile), "--tag", image,
            "--label", f"{_LABEL}={digest}", *arguments, str(checkout),
        ],
        what=f"Building the image {image}",
        environment={**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"},
        cancelled=cancelled,
    )  # fmt: skip


def builder(command: Sequence[str]) -> list[str]:
    """The client to build with: a Docker client from 23 on needs its buildx plugin, an older one has BuildKit inside.

    Where the chosen client lacks the plugin, another one on this machine may have what it takes.
    """
    from launcher.local.engines.choice import candidates

    for client in [tuple(command), *candidates(os.environ)]:
        if Path(client[-1]).name != "docker" or _builds(client):
            return list(client)
    raise EngineError(
        f"{command[0]} cannot build images: it lacks the buildx plugin; install docker-buildx, or build the image "
        "elsewhere and name it with --image."
    )


def _builds(client: Sequence[str]) -> bool:
    version = subprocess.run([*client, "version", "--format", "{{.Client.Version}}"], capture_output=True, text=True)
    major = version.stdout.strip().partition(".")[0]
    if version.returncode == 0 and major.isdigit() and int(major) < 23:
        return True
    return subprocess.run([*client, "buildx", "version"], capture_output=True).returncode == 0


def _inspect(command: Sequence[str], image: str) -> tuple[bool, str]:
    """Whether the image is there, and the label of its sources."""
    asked = subprocess.run(
        [*command, "image", "inspect", "--format", f'{{{{index .Config.Labels "{_LABEL}"}}}}', image],
        capture_output=True,
        text=True,
    )
    return asked.returncode == 0, asked.stdout.strip()


def sources_digest(checkout: Path, role: str) -> str:
    """A hash of every file an image is made from."""
    digest = hashlib.sha256()
    for path in _sources(checkout, role):
        digest.update(str(path.relative_to(checkout)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _sources(checkout: Path, role: str) -> Iterator[Path]:
    yield checkout / f"Dockerfile.{role}"
    yield from sorted((checkout / "requirements").glob("*.txt"))
    # All of container/: a file too many costs a cached build, a file too few an image that lies.
    files = (checkout / "container").rglob("*")
    yield from sorted(p for p in files if p.is_file() and "__pycache__" not in p.parts)
