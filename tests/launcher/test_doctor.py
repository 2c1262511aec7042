"""What `doctor` finds in the way, and what not."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from launcher.local.engines.environments import Environments
from launcher.local.settings import Settings
from launcher.verbs.doctor import Finding, examine


def disk(settings: Settings) -> Finding:
    (found,) = [each for each in examine(settings, settings.cache, {"PATH": "/nowhere"}) if each.subject == "disk"]
    return found


def test_the_environment_of_searches_is_told_of_and_not_called_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    settings = Settings(cache=tmp_path)

    def found() -> dict[str, Finding]:
        return {each.subject: each for each in examine(settings, tmp_path, {"PATH": "/nowhere"})}

    before = found()["tune environment"]
    assert not before.ok and "the first Bayesian search with --local makes it (about 5.5 GB" in before.message
    place = Environments(settings).place("tune")
    place.mkdir(parents=True)
    (place / "complete").touch()
    (tmp_path / "envs/train-000000000000").mkdir()
    after = found()
    assert after["tune environment"].ok
    assert "train-000000000000" in after["old environments"].message
    assert str(place) not in after["old environments"].message


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
