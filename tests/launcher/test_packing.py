"""Packing and unpacking archives."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from launcher.errors import LauncherError
from launcher.local.packing import pack, read_member, unpack


def archive_of(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            member.size = 1 if member.isfile() else 0
            tar.addfile(member, io.BytesIO(b"x") if member.isfile() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../escape"),
        member("/etc/absolute"),
        member("a/../../b"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "manifest.json"),
        member("device", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: info.name,
)
def test_what_would_leave_the_folder_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    archive = archive_of(tmp_path / "m.tar.gz", member("manifest.json"), bad)
    with pytest.raises(LauncherError, match="plain file"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "escape").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 cut short"])
def test_an_unreadable_archive_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.tar.gz").write_bytes(content)
    with pytest.raises(LauncherError, match=r"is not a readable tar\.gz"):
        unpack(tmp_path / "m.tar.gz", tmp_path / "out")


def test_a_missing_archive_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="There is no model at"):
        unpack(tmp_path / "m.tar.gz", tmp_path / "out")


def test_several_hosts_make_one_archive_in_which_the_first_wins(tmp_path: Path) -> None:
    for host, text in (("algo-1", "first"), ("algo-2", "second")):
        (tmp_path / host / "sub").mkdir(parents=True)
        (tmp_path / host / "shared").write_text(text)
        (tmp_path / host / "sub" / host).write_text(host)
    assert pack([tmp_path / "algo-1", tmp_path / "algo-2"], tmp_path / "deep" / "o.tar.gz")
    unpack(tmp_path / "deep" / "o.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/shared").read_text() == "first"
    assert sorted(p.name for p in (tmp_path / "out/sub").iterdir()) == ["algo-1", "algo-2"]


def test_weights_are_stored_and_text_is_compressed(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).bytes(3_000_000)
    text = "epoch=1 train:loss=0.5\n" * 100_000
    model = tmp_path / "model"
    model.mkdir()
    (model / "a.json").write_text(text)
    (model / "b.bin").write_bytes(weights)
    (model / "c.json").write_text(text)
    assert pack([model], tmp_path / "m.tar.gz")
    packed = (tmp_path / "m.tar.gz").read_bytes()
    # Found as they stand, a block of at most 65535 bytes at a time; the texts have become next to nothing.
    assert weights[:16_000] in packed
    assert len(packed) < len(weights) + 100_000


@pytest.mark.parametrize("reader", [["gzip", "--test"], ["tar", "--list", "--gzip", "--file"]], ids=lambda r: r[0])
def test_an_archive_is_read_by_others_too(tmp_path: Path, reader: list[str]) -> None:
    model = tmp_path / "model"
    (model / "code").mkdir(parents=True)
    (model / "empty").touch()
    (model / "weights").write_bytes(np.random.default_rng(0).bytes(1_000_000))
    (model / "code" / "inference.py").write_text("pass\n" * 10_000)
    assert pack([model], tmp_path / "m.tar.gz")
    done = subprocess.run([*reader, str(tmp_path / "m.tar.gz")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    unpack(tmp_path / "m.tar.gz", tmp_path / "out")
    for name in ("empty", "weights", "code/inference.py"):
        assert (tmp_path / "out" / name).read_bytes() == (model / name).read_bytes()


def test_nothing_to_pack_makes_no_archive(tmp_path: Path) -> None:
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    assert not pack([tmp_path / "empty", tmp_path / "absent"], tmp_path / "o.tar.gz")
    assert list(tmp_path.glob("o.tar.gz*")) == []


def test_an_archive_without_a_manifest_is_one_sentence(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "m.tar.gz", member("other"))
    with pytest.raises(LauncherError, match=r"no readable manifest\.json"):
        read_member(archive, "manifest.json")
