"""What `doctor` finds in the way, and what not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from launcher.local.engines.environments import Environments
from launcher.local.settings import Settings
from launcher.verbs.doctor import Finding, examine


def disk(settings: Settings) -> Finding:
    (found,) = [each for each in examine(settings, settings.cache, {"PATH": "/nowhere"}) if each.subject == "disk"]
    return found


def test_the_disk_must_hold_what_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(cache=tmp_path)
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3 * 10**9))
    before = disk(settings)
    assert (before.ok, before.weight) == (False, "BAD") and "3.0 GB free" in before.message
    environments = Environments(settings)
    for role in ("train", "serve"):
        place = environments.place(role)
        place.mkdir(parents=True)
        (place / "complete").touch()
    assert disk(settings).ok
