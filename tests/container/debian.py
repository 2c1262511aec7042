"""Programs of Debian's packages for a test alone: fetched and unpacked into its folder, nothing is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def unpacked(package: str, folder: Path) -> Path:
    """``package`` and what it needs that this machine lacks, unpacked: the folder that holds their usr/.

    Skips where they cannot be had: no apt, no list of packages (`apt-get update`), no mirror that answers.
    """
    asked = _apt(folder, "install", "--reinstall", "--no-install-recommends", "--simulate", "-qq", package)
    names = [line.split()[1] for line in asked.splitlines() if line.startswith("Inst ")]
    _apt(folder, "download", *names)
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", archive, folder / "unpacked"], check=True)
    return folder / "unpacked"


def _apt(folder: Path, *words: str) -> str:
    try:
        asked = subprocess.run(["apt-get", *words], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"there is no apt-get to fetch Debian's {words[-1]} with")
    if asked.returncode != 0:
        pytest.skip(f"Debian's {words[-1]} cannot be had ({asked.stderr.strip()[-200:]})")
    return asked.stdout
