"""The images that build_and_push.sh has pushed from here: which, and where.

    .sagemaker/images.json    {"eu-west-1": {"123456789012": {"train": "…/byoc-train@sha256:…", "serve": "…"}}}

An address names its digest, so that a job runs what was pushed and not what has the same tag later.
"""

from __future__ import annotations

import re
from pathlib import Path

from launcher.errors import ConfigError
from launcher.local.store import locked, private_folder, read_json, write_json

FILE = "images.json"
KINDS = ("train", "serve", "serve-gpu")
_GPU_INSTANCE = re.compile(r"ml\.(g|p)\d")


def record(state: Path, *, region: str, account: str, kind: str, uri: str) -> None:
    """Keep ``uri`` as the newest image of its kind."""
    folder = private_folder(state)
    with locked(folder / f".{FILE}.lock"):
        document = read_json(folder / FILE) or {}
        document.setdefault(region, {}).setdefault(account, {})[kind] = uri
        write_json(folder / FILE, document)


def recorded(state: Path, region: str) -> dict[str, dict[str, str]]:
    """Of a region, each account's images by kind."""
    found: dict[str, dict[str, str]] = (read_json(state / FILE) or {}).get(region, {})
    return found


def kind_for(role: str, instance_type: str) -> str:
    """A GPU serves with the image that has torch and CUDA in it; one image trains on both."""
    return "serve-gpu" if role == "serve" and _GPU_INSTANCE.match(instance_type) else role


def find_image(state: Path, *, region: str | None, account: str, kind: str) -> str:
    """The newest image of its kind in an account: another's could be pulled by its leave alone. Raises ConfigError."""
    if region is None:
        raise ConfigError("--image is missing, and without a region none can be found; add --region or --local.")
    found = recorded(state, region).get(account, {}).get(kind)
    if found is None:
        option = " --only serve --gpu" if kind == "serve-gpu" else f" --only {kind}"
        raise ConfigError(
            f"--image is missing: no {kind} image of account {account} has been pushed to {region} from here; run "
            f"`./build_and_push.sh --region {region}{option}`, or add --local."
        )
    return found
