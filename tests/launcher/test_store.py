"""The local door's folder: private, and deleted whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launcher.errors import EngineError
from launcher.local import store
from launcher.local.store import Store, private_folder


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_may_hold_secrets_is_its_owners_alone(
    create: Callable[..., str], ended: Callable[[str], dict[str, Any]], state: Path
) -> None:
    ended(create("job", environment={"TOKEN": "hush-hush"}))
    job = state / "training-jobs" / "job"
    files = [path for path in state.rglob("*") if path.is_file() and b"hush-hush" in path.read_bytes()]
    assert [path.relative_to(job).name for path in files] == ["request.json"]
    assert [mode(path) for path in (state, job.parent, job)] == [0o700] * 3
    assert {mode(path) for path in (*job.glob("*.json"), job / "supervisor.log")} == {0o600}


def test_a_root_that_was_there_keeps_its_mode_and_an_open_folder_in_it_is_closed(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    root.mkdir(mode=0o755)
    (root / "configs").mkdir(mode=0o755)
    private_folder(root, "configs", "endpoints")
    assert [mode(path) for path in (root, root / "configs", root / "configs/endpoints")] == [0o755, 0o700, 0o700]


def test_a_write_protected_folder_of_our_own_is_deleted(tmp_path: Path) -> None:
    folder = Store(tmp_path).create(store.MODELS, "m", {})
    (folder / "closed").mkdir()
    (folder / "closed" / "file").touch()
    (folder / "closed").chmod(0o000)
    store.discard(folder)
    assert not list((tmp_path / store.MODELS).iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder another user's")
def test_a_folder_with_another_users_files_is_refused_whole(tmp_path: Path) -> None:
    folder = Store(tmp_path).create(store.MODELS, "m", {store.REQUEST: {}})
    (folder / "theirs").mkdir(mode=0o755)
    (folder / "theirs" / "file").touch()
    for path in (folder.parent, folder):
        os.chown(path, 4242, 4242)
    pid = os.fork()
    if pid == 0:
        os.chdir(folder.parent)  # the way here is closed to others
        os.setuid(4242)
        try:
            store.discard(Path(folder.name))
        except EngineError as exc:
            os._exit(42 if "sudo chown -R 4242" in str(exc) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
    assert (folder / "theirs" / "file").exists() and (folder / store.REQUEST).exists()
