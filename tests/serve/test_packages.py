"""The user's code/requirements.txt, installed from files: nothing here asks a network."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from container.common.errors import ContainerError
from container.serve import packages


def wheel(folder: Path, version: str = "1.0") -> Path:
    """A package of one line, as an installer wants it."""
    path = folder / f"greeting-{version}-py3-none-any.whl"
    info = f"greeting-{version}.dist-info"
    files = {
        "greeting.py": "WORD = 'hello'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: greeting\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_without_a_file_nothing_is_installed(tmp_path: Path) -> None:
    packages.install(tmp_path / "requirements.txt", tmp_path / "packages")
    assert not (tmp_path / "packages").exists()


@pytest.mark.parametrize("has_pip", [True, False])
def test_a_package_goes_into_the_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pip: bool) -> None:
    if not has_pip:
        real = packages.importlib.util.find_spec
        monkeypatch.setattr(packages.importlib.util, "find_spec", lambda n: None if n == "pip" else real(n))
        monkeypatch.setenv("PATH", str(Path(packages.sys.executable).parent))
    (tmp_path / "requirements.txt").write_text(f"--no-index\n{wheel(tmp_path)}\n")
    packages.install(tmp_path / "requirements.txt", tmp_path / "packages")
    assert (tmp_path / "packages" / "greeting.py").read_text() == "WORD = 'hello'\n"


def test_a_package_that_cannot_be_had_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("--no-index\nthis-package-is-nowhere\n")
    with pytest.raises(ContainerError, match="could not be installed"):
        packages.install(tmp_path / "requirements.txt", tmp_path / "packages")


def test_what_the_image_was_tested_with_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("--no-index\nnumpy==1.0\n")
    with pytest.raises(ContainerError):
        packages.install(tmp_path / "requirements.txt", tmp_path / "packages")
    assert "numpy==1.26.4" in (tmp_path / "constraints.txt").read_text()


def test_without_an_installer_the_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "requirements.txt").write_text("greeting\n")
    with pytest.raises(ContainerError, match="neither pip nor uv"):
        packages.install(tmp_path / "requirements.txt", tmp_path / "packages")


@pytest.mark.filterwarnings("ignore")  # what the toolkit imports warns of itself
def test_an_index_that_cannot_be_named_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_REPOSITORY_ARN", "arn:aws:nothing")
    (tmp_path / "requirements.txt").write_text("greeting\n")
    with pytest.raises(ContainerError, match=r"CA_REPOSITORY_ARN names cannot be used \(invalid"):
        packages.install(tmp_path / "requirements.txt", tmp_path / "packages")
