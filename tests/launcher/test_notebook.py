"""The verbs from Python, with stand-ins for the containers: the command line's words, results that show themselves."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from launcher import notebook
from launcher.config import load_preset
from launcher.errors import ConfigError, LauncherError, NotFound
from launcher.notebook import Answers, Batch, Deleted, Endpoint, Job, Search, html, plots
from launcher.notebook.places import spoken
from launcher.notebook.words import train_words, tune_words
from launcher.opening import DoorWords
from launcher.verbs import training
from launcher.verbs.scoring import Scored
from launcher.verbs.tuning import Trial
from tests.launcher.conftest import COMMANDS, FAKES
from tests.pages import Reader

PNG = b"\x89PNG"


@pytest.fixture
def machine(state: Path, monkeypatch: pytest.MonkeyPatch) -> DoorWords:
    """This machine, where stand-ins run."""
    monkeypatch.setenv("BYOC_TRAIN_COMMAND", shlex.join((COMMANDS["train"][0], str(FAKES / "tune.py"))))
    monkeypatch.setenv("BYOC_SERVE_COMMAND", shlex.join(COMMANDS["serve"]))
    return notebook.here("process", state=state)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Class folders with pictures in them."""
    rng = np.random.default_rng(0)
    for label in ("ant", "bee"):
        (tmp_path / "raw" / label).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "raw" / label / f"{number}.png")
    return tmp_path / "raw"


def test_words_are_the_command_lines() -> None:
    words = {"name": "birds", "image_size": 64, "head": [256, 64], "grayscale": True}
    found = train_words("photos", {**words, "channels": {"weights": Path("w.pth")}})
    assert (found.name, found.data, found.channels) == ("birds", "photos", {"weights": "w.pth"})
    assert found.hyperparameters == {"image_size": "64", "head": "256,64", "grayscale": "true"}
    search = tune_words(None, {"ranges": {"lr": "0.1:1", "batch_size": [32, 64]}, "jobs": 3, "epochs": 2})
    assert (dict(search.ranges), search.jobs) == ({"lr": "0.1:1", "batch_size": "32,64"}, 3)
    assert search.training.hyperparameters == {"epochs": "2"} and search.training.data is None


def test_a_word_that_is_none_is_told_its_nearest(pictures: Path, machine: DoorWords) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'epochs'"):
        notebook.train(pictures, where=machine, epoch=3)
    with pytest.raises(ConfigError, match="either a preset or from_tuning"):
        notebook.train(preset="demo", from_tuning="x", where=machine)


def test_the_places_are_those_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYOC_STATE", str(tmp_path / "kept"))
    assert notebook.here() == DoorWords(local="auto", state=tmp_path / "kept")
    assert notebook.in_aws(region="eu-west-1", state="x") == DoorWords(region="eu-west-1", state=Path("x"))
    assert notebook.in_aws().place().door == "aws"


def test_an_engine_that_is_none_is_told_its_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no engine 'proces'\. Did you mean 'process'"):
        notebook.here("proces")


@pytest.mark.parametrize("where", [
    notebook.here(), notebook.here("docker", state="runs", gpu=True), notebook.in_aws(),
    notebook.in_aws(region="eu-west-1", profile="work", state="runs"),
])  # fmt: skip
def test_a_place_is_said_as_it_is_written(where: DoorWords) -> None:
    assert eval(spoken(where), vars(notebook)) == where


def test_a_name_is_looked_for_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYOC_STATE", str(tmp_path))
    (tmp_path / "training-jobs" / "birds").mkdir(parents=True)
    assert Job("birds").where == notebook.here() and Batch("birds").where == notebook.here()
    assert Search("wasps").where == notebook.in_aws() and Job("birds", notebook.in_aws(region="r")).where.local is None
    assert f"state={str(tmp_path)!r}" in spoken(Job("birds").where), "another session may have another variable"


def test_prepared_data_show_their_classes_and_pictures(pictures: Path, tmp_path: Path) -> None:
    data = notebook.prepare(pictures, tmp_path / "prepared", seed=1)
    shown = Reader(data._repr_html_())
    assert ["ant", "6", "2", "2"] in shown.rows and ["all", "12", "4", "4"] in shown.rows
    assert [attrs["alt"] for tag, attrs in shown.elements if tag == "img"] == ["ant", "bee"]
    assert data.folder == tmp_path / "prepared" == Path(data.__fspath__())


def test_a_system_goes_from_data_to_a_deleted_endpoint(
    pictures: Path, machine: DoorWords, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    data = notebook.prepare(pictures, tmp_path / "prepared", seed=1)
    search = notebook.tune(
        data, preset="dogs-rules", name="hunt", where=machine, jobs=3, parallel=1, strategy="Random", random_seed=1,
        ranges={"lr": "0.1:1"}, weights="none", epochs=2, batch_size=8,
    )  # fmt: skip
    assert search.ended and [trial.status for trial in search.trials] == ["Completed"] * 3
    assert capsys.readouterr().out.count("Completed in") == 3
    shown = Reader(search._repr_html_())
    assert shown.rows[1][:2] == ["trial", "lr"] and len(shown.rows) == 5
    (best,) = (trial for trial in search.trials if trial.best)
    assert search.best == best.values and f"<b>{best.number}</b>" in search._repr_html_()
    assert search.plot._repr_png_().startswith(PNG)

    job = notebook.train(from_tuning=search, name="caught", epochs=3)
    given = job.description["HyperParameters"]
    assert (given["lr"], given["epochs"]) == (best.values["lr"], "3")
    assert given["rules"] == load_preset("dogs-rules").hyperparameters["rules"]
    assert [values["epoch"] for values in job.epochs] == [1, 2, 3]
    assert "epoch=3" in capsys.readouterr().out
    assert job.curves._repr_png_().startswith(PNG)
    shown = Reader(job._repr_html_())
    assert ["status", "Completed"] in shown.rows and [
        "validation:loss",
        f"{job.metrics['validation:loss']:.4f}",
    ] in shown.rows
    assert "Training job caught" in shown.text

    endpoint = notebook.deploy(job, name="cage")
    assert ["status", "InService"] in Reader(endpoint._repr_html_()).rows
    assert Endpoint("cage", machine).description["EndpointStatus"] == "InService"
    batch = notebook.transform(job, data.folder / "test", concurrent=2, output=tmp_path / "answers")
    assert (batch.result.answered, batch.result.pictures) == (4, 4) and len(batch.answers) == 4
    assert ["pictures", "4 of 4"] in Reader(batch._repr_html_()).rows
    shutil.rmtree(tmp_path / "answers")
    assert len(batch.answers) == batch.result.answered == 4, "of an ended job they are read once"
    # By their names, without a word of where: it is this machine that is asked what is amiss.
    monkeypatch.setenv("BYOC_STATE", str(machine.state))
    with pytest.raises(ConfigError, match="There is no folder nowhere"):
        notebook.transform("caught", "nowhere")
    with pytest.raises(ConfigError, match="train is nowhere, which does not exist"):
        notebook.train(from_tuning="hunt", channels={"train": "nowhere"})
    page = notebook.report(search, tmp_path / "page.html")
    assert page.path.is_file() and "sandbox" in page._repr_html_()

    deleted = notebook.delete(endpoint, search, batch, job)
    assert {"endpoint cage", "search hunt and its 3 trials", "training job caught"} <= set(deleted.gone)
    assert {f"transform job {batch.name}", f"model {batch.name}"} <= set(deleted.gone)
    assert any("models under" in each for each in deleted.kept)
    assert ["endpoint cage"] in Reader(deleted._repr_html_()).rows
    for gone in (endpoint, search, batch, job):
        with pytest.raises(NotFound):
            _ = gone.description
    assert not list((machine.state / "configs").rglob("*.json"))


def test_a_job_that_runs_is_not_deleted_and_is_come_back_to(
    pictures: Path, machine: DoorWords, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BYOC_TRAIN_COMMAND", shlex.join(COMMANDS["train"]))

    def interrupted(*_args: object) -> object:
        raise KeyboardInterrupt

    real = training.watch
    monkeypatch.setattr(training, "watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        notebook.train(pictures, name="long", where=machine, weights="none", environment={"FAKE_MODE": "wait"})
    said = re.search(r"(Job\(.*\))\.follow\(\) comes back to it", capsys.readouterr().out)
    monkeypatch.setattr(training, "watch", real)
    job = eval(said[1], vars(notebook)) if said else None
    assert job == Job("long", machine)
    with pytest.raises(LauncherError, match="still runs"):
        notebook.delete(job)
    training.stop(job.door, "long")
    with pytest.raises(LauncherError, match="was stopped"):
        job.follow()
    assert Deleted(["training job long"]).gone == notebook.delete(job).gone


def test_answers_show_the_pictures_with_their_labels(pictures: Path) -> None:
    first, second = sorted((pictures / "ant").iterdir())[:2]
    answers = Answers("bees", [Scored(first, "ant", "ant", 0.9), Scored(second, "ant", "bee", 0.6)])
    assert answers.accuracy == 0.5 and len(answers) == 2
    assert "srcdoc" in answers._repr_html_() and "sheet" in answers._repr_html_()


def test_a_page_cannot_leave_its_frame() -> None:
    assert html.framed('<p title="x">&amp;</p>').count('"') == 2
    assert "&lt;b&gt;" in html.table(("<b>",), [("<i>",)]) and "<i>" not in html.table(("a",), [("<i>",)])


@pytest.mark.parametrize("values", [["0.1", "0.001"], ['"adam"', '"sgd"'], ["", "x"]])
def test_any_kind_of_hyperparameter_is_plotted(values: list[str]) -> None:
    trials = [
        Trial(number=n, name=f"t-{n}", values={"it": value}, status="Completed", objective=1.0 / n, epoch=1,
              seconds=1.0, best=n == 2)
        for n, value in enumerate(values, start=1)
    ]  # fmt: skip
    assert plots.trials(trials, "validation:loss").png.startswith(PNG)
    assert plots.trials([], "validation:loss").png.startswith(PNG) and plots.curves([]).png.startswith(PNG)


def test_each_result_can_be_named_in_an_annotation() -> None:
    makers: list[Callable[..., object]] = [Job, Search, Endpoint, Answers, Deleted]
    assert all(maker.__name__ in notebook.__all__ for maker in makers)
    assert all(hasattr(notebook, name) for name in notebook.__all__)
