"""The example notebook, executed from a clean kernel through the local door, with processes of this machine."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.docker import ROOT

NOTEBOOK = ROOT / "examples" / "train_and_deploy.ipynb"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The notebook with its outputs, and the folder that it was run in."""
    checkout = tmp_path_factory.mktemp("checkout")
    # What it leaves beside itself must not lie in this one.
    for name in ("launch.py", "launcher", "container"):
        (checkout / name).symlink_to(ROOT / name)
    folder = checkout / "examples"
    folder.mkdir()
    notebook = nbformat.read(shutil.copy(NOTEBOOK, folder), as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook, folder


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook: Any, kind: str) -> list[str]:
    """What the cells that end in a value show, in their order."""
    results = (out for cell in code(notebook) for out in cell.outputs if out.output_type == "execute_result")
    return [out.data[kind] for out in results if kind in out.data]


def test_no_output_is_stored() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))
    assert NOTEBOOK.stat().st_size < 20_000


def test_it_goes_from_pictures_to_an_endpoint_that_knows_them(executed: tuple[Any, Path]) -> None:
    notebook, _ = executed
    said = "".join(out.text for cell in code(notebook) for out in cell.outputs if out.output_type == "stream")
    assert said.count("Completed in") == 2 and "epoch=1 " in said and "InService" in said
    accuracy = re.search(r"([\d.]+)% of 120 test pictures", said)
    assert accuracy and float(accuracy[1]) > 30, "a guess is right once in twelve"


def test_every_result_shows_itself(executed: tuple[Any, Path]) -> None:
    pages = shown(executed[0], "text/html")
    begins = ["<div><figure", "<p><b>Search fingers-search", "<p><b>Training job fingers", "<iframe",
              "<p><b>Endpoint fingers-live", "<table><tr><th>label", "<iframe", "<table>"]  # fmt: skip
    assert len(pages) == len(begins)
    assert all(page.startswith(begin) for page, begin in zip(pages, begins, strict=True)), [p[:60] for p in pages]
    assert len(shown(executed[0], "image/png")) == 2


def test_nothing_stays_but_pictures_models_and_the_page(executed: tuple[Any, Path]) -> None:
    place = executed[1] / "fingers"
    for kind in ("training-jobs", "tuning-jobs", "endpoints", "models", "endpoint-configs"):
        assert not list((place / "state" / kind).glob("*")), kind
    assert sorted(path.name for path in place.iterdir()) == ["drawn", "fingers-report.html", "prepared", "state"]
