"""Archives that mean harm, or are broken, do none."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from launcher.data import DatasetError
from launcher.data.archive import Limits, extract
from tests.data.sources import class_folders, run, totals, zipped


def packed(path: Path, files: dict[str, bytes], *, compressed: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../out.png", "a/../../out.png", "/tmp/out.png", "C:/out.png", "..\\out.png", "a\\..\\..\\out.png", "."]
)
def test_a_name_that_leads_out_of_the_folder_stops_everything(tmp_path: Path, name: str) -> None:
    (tmp_path / "inner").mkdir()
    archive = packed(tmp_path / "bad.zip", {"ants/1.png": b"fine", name: b"harm"})
    with pytest.raises(DatasetError, match="nothing was unpacked"):
        extract(archive, tmp_path / "inner" / "to")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bad.zip", "inner"]


def test_a_link_in_an_archive_stops_everything(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("ants/link.png")
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DatasetError, match=r"'ants/link\.png', which is a link; nothing was unpacked"):
        extract(tmp_path / "bad.zip", tmp_path / "to")


def test_a_bomb_is_refused_before_its_first_byte(tmp_path: Path) -> None:
    archive = packed(tmp_path / "bomb.zip", {f"a/{n}.png": bytes(200_000) for n in range(10)}, compressed=True)
    with pytest.raises(DatasetError, match=r"2\.0 MB, which no archive of pictures does"):
        extract(archive, tmp_path / "to", Limits(plain_bytes=1_000_000))
    with pytest.raises(DatasetError, match=r"would unpack to 2\.0 MB"):
        extract(archive, tmp_path / "to", Limits(total_bytes=1_000_000))
    with pytest.raises(DatasetError, match=r"'a/0\.png', which unpacks to 200\.0 kB: no picture is so large"):
        extract(archive, tmp_path / "to", Limits(file_bytes=100_000))
    with pytest.raises(DatasetError, match="holds 10 files, and 9 are the most"):
        extract(archive, tmp_path / "to", Limits(files=9))
    assert not (tmp_path / "to").exists()
    extract(archive, tmp_path / "to")
    assert len(list((tmp_path / "to" / "a").iterdir())) == 10, "small ones may shrink as they like"


def test_an_entry_that_lies_about_its_size_gives_no_more_than_it_said(tmp_path: Path) -> None:
    archive = packed(tmp_path / "lie.zip", {"a/1.png": bytes(100_000)}, compressed=True)
    data = archive.read_bytes()
    archive.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DatasetError, match="is damaged or no zip archive"):
        extract(archive, tmp_path / "to")
    assert sum(path.stat().st_size for path in (tmp_path / "to").rglob("*") if path.is_file()) <= 10


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DatasetError, match="is damaged or no zip archive") as caught:
        run(tmp_path / "x.zip", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_an_archive_cut_short_is_one_sentence(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", class_folders(tmp_path / "in", {"ants": 5, "bees": 5}))
    data = bytearray(archive.read_bytes())
    data[40:400] = bytes(360)
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match="is damaged or no zip archive"):
        run(archive, tmp_path / "out")


def test_a_broken_stream_of_another_packing_is_one_sentence(tmp_path: Path) -> None:
    for name, packing in {"lzma": zipfile.ZIP_LZMA, "bz2": zipfile.ZIP_BZIP2}.items():
        archive = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(archive, "w", packing) as opened:
            opened.writestr("a/1.png", bytes(range(256)) * 40)
        data = bytearray(archive.read_bytes())
        data[50:80] = bytes(30)
        archive.write_bytes(data)
        with pytest.raises(
            DatasetError, match=r"lzma\.zip is damaged|bz2\.zip holds 'a/1\.png', which cannot be unpacked"
        ):
            extract(archive, tmp_path / name)


def test_a_name_that_is_not_the_text_it_says_is_one_sentence(tmp_path: Path) -> None:
    archive = packed(tmp_path / "x.zip", {"ü/1.png": b"x"})
    archive.write_bytes(archive.read_bytes().replace("ü".encode(), b"\xff\xff"))
    with pytest.raises(DatasetError, match="is damaged or no zip archive"):
        extract(archive, tmp_path / "to")


def test_a_locked_archive_says_what_to_do(tmp_path: Path) -> None:
    archive = packed(tmp_path / "x.zip", {"a/1.png": b"x"})
    data = archive.read_bytes()
    # The flag of encryption, in the entry's own head and in the archive's list.
    at = data.index(b"PK\x01\x02")
    archive.write_bytes(data[:6] + b"\x01" + data[7 : at + 8] + b"\x01" + data[at + 9 :])
    with pytest.raises(DatasetError, match="locked with a password; unpack it yourself"):
        extract(archive, tmp_path / "to")


def test_names_that_a_mac_wrote_are_read_as_it_meant_them(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("placeholder")
    archive = packed(tmp_path / "x.zip", {"????????/1.png": b"x"})
    raw = "蚂蚁".encode()
    assert len(raw) == 6 and entry.flag_bits == 0
    archive.write_bytes(archive.read_bytes().replace(b"????????", raw + b"__"))
    extract(archive, tmp_path / "to")
    assert (tmp_path / "to" / "蚂蚁__" / "1.png").read_bytes() == b"x"


def test_what_systems_leave_in_archives_is_passed_over(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {"ants": 5, "bees": 5})
    for odd in ("__MACOSX/ants/._0.png", "ants/.DS_Store", ".hidden/1.png"):
        (source / odd).parent.mkdir(parents=True, exist_ok=True)
        (source / odd).write_text("clutter")
    made = run(zipped(tmp_path / "in.zip", source, "pictures"), tmp_path / "out")
    assert totals(made) == {"ants": 5, "bees": 5} and made.bad == () and made.warnings == ()
