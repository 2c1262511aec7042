"""`deploy --code`: the same model with another inference script."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from launcher.config.run import Endpoint
from launcher.doors import Door
from launcher.errors import ConfigError, LauncherError, NotFound, UnusableData
from launcher.local.packing import pack, unpack
from launcher.local.uris import to_path, to_uri
from launcher.verbs import endpoints, overrides
from tests.launcher.test_local_endpoints import ask, up
from tests.launcher.test_packing import archive_of, member

WEIGHTS = np.random.default_rng(0).bytes(2_500_000)
SCRIPT = "def output_fn(prediction, accept):\n    return 'mine'\n"


@pytest.fixture
def packed(model: Path, tmp_path: Path) -> Path:
    """A model.tar.gz with code of its own."""
    (model / "code" / "old").mkdir(parents=True)
    (model / "weights.safetensors").write_bytes(WEIGHTS)
    for name in ("inference.py", "old/helper.py"):
        (model / "code" / name).write_text("old = True\n")
    (model / "codes.json").write_text("[]")
    archive = tmp_path / "out" / "job" / "output" / "model.tar.gz"
    assert pack([model], archive)
    return archive


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "parts").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    (folder / ".git").mkdir()
    files = {
        "inference.py": SCRIPT,
        "requirements.txt": "humanize\n",
        "parts/words.txt": "wörter\n",
        ".git/config": "no",
        ".env": "no",
        "__pycache__/inference.cpython-311.pyc": "no",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def unpacked(archive: Path, folder: Path) -> dict[str, bytes]:
    unpack(archive, folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_model_stays_and_its_code_is_replaced(door: Door, packed: Path, mine: Path, tmp_path: Path) -> None:
    before = packed.read_bytes()
    made = overrides.put(door, to_uri(packed), overrides.find(mine))
    place = to_path(made.uri)
    assert place.parent == packed.parent and not made.known
    assert sorted(each.name for each in packed.parent.iterdir()) == [place.name, "model.tar.gz"]
    assert unpacked(place, tmp_path / "found") == {
        "manifest.json": b"{}",
        "weights.safetensors": WEIGHTS,
        "codes.json": b"[]",
        "code/inference.py": SCRIPT.encode(),
        "code/requirements.txt": b"humanize\n",
        "code/parts/words.txt": "wörter\n".encode(),
    }
    assert packed.read_bytes() == before
    assert WEIGHTS[:16_000] in place.read_bytes(), "weights are stored, which takes no time"


def test_the_same_code_is_written_once_and_other_code_beside_it(door: Door, packed: Path, mine: Path) -> None:
    written: list[str] = []

    def write(uri: str, file: Path, *, key: str | None = None) -> None:
        written.append(uri)
        door.write(uri, file, key=key)

    watched = replace(door, write=write)
    first = overrides.put(watched, to_uri(packed), overrides.find(mine))
    for path in (mine, *mine.rglob("*")):
        os.utime(path, (1, 1))
    (mine / "inference.py").chmod(0o600)
    again = overrides.put(watched, to_uri(packed), overrides.find(mine))
    of_itself = overrides.put(watched, first.uri, overrides.find(mine))
    assert (again.uri, again.known) == (of_itself.uri, of_itself.known) == (first.uri, True)
    assert written == [first.uri]
    (mine / "inference.py").write_text(SCRIPT + "# more\n")
    other = overrides.put(watched, first.uri, overrides.find(mine))
    assert written == [first.uri, other.uri] and first.uri != other.uri
    assert other == overrides.Made(overrides.put(door, to_uri(packed), overrides.find(mine)).uri, known=False)


def test_a_dry_run_tells_the_address_and_writes_nothing(door: Door, packed: Path, mine: Path) -> None:
    told = overrides.put(door, to_uri(packed), overrides.find(mine), dry_run=True)
    assert [each.name for each in packed.parent.iterdir()] == ["model.tar.gz"]
    assert told == overrides.put(door, to_uri(packed), overrides.find(mine))


def test_a_model_packed_by_tar_itself_has_its_code_replaced_too(door: Door, mine: Path, tmp_path: Path) -> None:
    members = (member("./", tarfile.DIRTYPE), member("./manifest.json"), member("./code/inference.py"))
    archive = archive_of(tmp_path / "model.tar.gz", *members)
    made = overrides.put(door, to_uri(archive), overrides.find(mine))
    found = unpacked(to_path(made.uri), tmp_path / "found")
    assert found["manifest.json"] == b"x" and found["code/inference.py"] == SCRIPT.encode()


def remove_script(folder: Path) -> None:
    (folder / "inference.py").unlink()


def break_script(folder: Path) -> None:
    (folder / "inference.py").write_text("import os\ndef model_fn(:\n")


def break_neighbour(folder: Path) -> None:
    (folder / "parts" / "helper.py").write_bytes(b"x = '\xff'\n")


def put_null(folder: Path) -> None:
    (folder / "inference.py").write_bytes(b"x = 1\0\n")


def link_file(folder: Path) -> None:
    (folder / "secret.txt").symlink_to("/etc/hostname")


def link_folder(folder: Path) -> None:
    (folder / "all").symlink_to("/etc")


def put_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (remove_script, r"holds no inference\.py"),
        (break_script, r"inference\.py cannot be compiled \(line 2: .*\); correct it"),
        (break_neighbour, r"parts/helper\.py cannot be compiled"),
        (put_null, r"inference\.py cannot be compiled \(.*null bytes"),
        (link_file, r"secret\.txt is a link"),
        (link_folder, r"all is a link"),
        (put_pipe, "pipe is a link or no plain file"),
    ],
)
def test_code_that_cannot_be_used_is_one_sentence(mine: Path, change: Callable[[Path], None], fault: str) -> None:
    overrides.find(mine)
    change(mine)
    with pytest.raises(ConfigError, match=fault):
        overrides.find(mine)


def test_code_is_compiled_and_never_run(mine: Path, tmp_path: Path) -> None:
    (mine / "inference.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(3)\n")
    assert overrides.find(mine).folder == mine
    assert not (tmp_path / "ran").exists() and not list(mine.rglob("inference.*.pyc.*"))


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no folder"):
        overrides.find(tmp_path / "nowhere")


@pytest.mark.parametrize("bad", [member("../escape"), member("/etc/x"), member("l", tarfile.SYMTYPE, "/etc/passwd")],
                         ids=lambda info: info.name)  # fmt: skip
def test_an_archive_that_would_leave_its_folder_is_not_written_again(
    door: Door, mine: Path, tmp_path: Path, bad: tarfile.TarInfo
) -> None:
    (tmp_path / "bad").mkdir()
    archive = archive_of(tmp_path / "bad" / "model.tar.gz", member("manifest.json"), bad)
    with pytest.raises(LauncherError, match="no plain file inside it"):
        overrides.put(door, to_uri(archive), overrides.find(mine))
    assert list(archive.parent.iterdir()) == [archive]


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999999])
def test_an_archive_that_was_cut_short_is_not_taken_for_a_smaller_model(
    door: Door, packed: Path, mine: Path, kept: float
) -> None:
    whole = packed.read_bytes()
    packed.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(UnusableData, match=r"is not a readable tar\.gz"):
        overrides.put(door, to_uri(packed), overrides.find(mine))


def test_a_flipped_bit_in_the_weights_is_noticed(door: Door, packed: Path, mine: Path) -> None:
    whole = bytearray(packed.read_bytes())
    whole[whole.index(WEIGHTS[:1000]) + 500] ^= 1
    packed.write_bytes(whole)
    with pytest.raises(UnusableData, match=r"is not a readable tar\.gz"):
        overrides.put(door, to_uri(packed), overrides.find(mine))


def test_a_model_that_is_gone_or_not_packed_is_one_sentence(door: Door, model: Path, mine: Path) -> None:
    with pytest.raises(NotFound, match="There is no model at"):
        overrides.put(door, to_uri(model / "model.tar.gz"), overrides.find(mine))
    with pytest.raises(ConfigError, match="--code is put into a packed model"):
        overrides.put(door, to_uri(model), overrides.find(mine))


def test_a_write_that_fails_leaves_nothing_half_written(door: Door, packed: Path) -> None:
    with pytest.raises(OSError):
        door.write(to_uri(packed.parent / "there.tar.gz"), packed.parent / "gone")
    assert [each.name for each in packed.parent.iterdir()] == ["model.tar.gz"]


def test_the_new_code_is_what_is_served(
    door: Door, endpoint: Callable[..., Endpoint], packed: Path, mine: Path
) -> None:
    for name, text in (("first", SCRIPT), ("second", SCRIPT + "# more\n")):
        (mine / "inference.py").write_text(text)
        made = overrides.put(door, to_uri(packed), overrides.find(mine))
        up(door, endpoint(name, model_data=made.uri))
        seen = ask(door, name, b"code")["predictions"][0]["seen"]  # type: ignore[index]
        assert seen["inference.py"] == text and "old" not in seen
        endpoints.delete(door, name)
