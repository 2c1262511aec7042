"""The verbs from Python, with stand-ins for the containers: the command line's words, results that show themselves."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import click
import numpy as np
import pytest
from botocore.response import StreamingBody
from PIL import Image

from launcher import notebook
from launcher.cli.options import pairs
from launcher.cli.root import root
from launcher.config import load_preset
from launcher.errors import ConfigError, LauncherError, NotFound, PredictionError
from launcher.local.packing import pack
from launcher.notebook import Answers, Batch, Deleted, Endpoint, Job, Search, Transformed, html, plots
from launcher.notebook.places import spoken
from launcher.notebook.words import deploy_words, train_words, transform_words, tune_words
from launcher.opening import DoorWords
from launcher.verbs import endpoints, training, transforms, tuning
from launcher.verbs.models import Found
from launcher.verbs.scoring import Scored
from launcher.verbs.tuning import Trial
from tests.launcher.conftest import COMMANDS, FAKES
from tests.launcher.stubbed import Account
from tests.launcher.test_aws import BATCH_ARN, ENDPOINT_ARN, JOB_ARN, NOW, endpoint_described
from tests.launcher.test_transform_states import MODEL_ARN, described, ended, objects
from tests.launcher.test_tuning_verbs import ARN
from tests.pages import Reader

PNG = b"\x89PNG"
# What a job or an endpoint in AWS takes, without a look into the account.
ACCOUNT = {"image": "i:1", "role": "arn:aws:iam::123456789012:role/r", "instance_type": "ml.m5.large"}
CONFIG_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint-config/birds"
MODEL = Found("birds", model_data="s3://b/m.tar.gz")


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


def test_what_only_aws_heeds_is_a_keyword_too() -> None:
    found = train_words("s3://b/t", {"spot": True, "max_wait": 9, "tag": {"a": "b"}, "managed": {"kms_key": "k"}})
    assert found.managed == {"spot": True, "max_wait": 9, "tags": {"a": "b"}, "kms_key": "k"}
    assert not found.hyperparameters and not train_words(None, {"spot": False}).managed
    assert tune_words(None, {"spot": True, "instances": 2}).training.managed == {"spot": True}
    given = deploy_words("birds", "m", {"autoscale": "1:4", "kms_key": "k", "instances": 2, "serverless": None})
    assert (given.hosting, given.instance_count) == ({"autoscale": "1:4", "kms_key": "k"}, 2)
    asked = transform_words("p", MODEL, {"kms_key": "k", "max_payload": 5, "max_concurrent": 2})
    assert (asked.managed, asked.payload, asked.concurrent) == ({"kms_key": "k"}, 5, 2)


# Options of what a notebook says otherwise: where and what by a verb's own parameters, a goal by its word.
ELSEWHERE = {
    "train": {"preset", "data", "from-tuning", "p"}, "tune": {"preset", "data", "minimize", "maximize", "resume", "p"},
    "deploy": {"job", "from-tuning", "model", "code", "name", "preset", "endpoint", "canary", "rollback-alarm"},
    "transform": {"resume", "score", "preset"},
}  # fmt: skip
OF_A_SHELL = {"no-wait", "dry-run", "json", "debug", "local", "state", "region", "profile", "gpu"}


@pytest.mark.parametrize(("verb", "read"), [
    ("train", lambda words: train_words(None, words).hyperparameters),
    ("tune", lambda words: tune_words(None, words).training.hyperparameters),
    ("deploy", lambda words: deploy_words("birds", "m", words) and None),
    ("transform", lambda words: transform_words("p", MODEL, words) and None),
])  # fmt: skip
def test_each_option_of_the_command_line_is_a_keyword(verb: str, read: Callable[[dict[str, Any]], Any]) -> None:
    command = root.get_command(click.Context(root), verb)
    assert command is not None
    for option in (each for each in command.params if isinstance(each, click.Option)):
        name = option.opts[-1].lstrip("-")
        if name in ELSEWHERE[verb] | OF_A_SHELL or str(option.name).startswith("hp_"):
            continue
        value: Any = {"a": "1"} if option.callback is pairs else ("1",) if option.multiple else "1"
        assert not read({name.replace("-", "_"): value}), f"--{name} is taken for a hyperparameter"


@pytest.mark.parametrize(("read", "word", "said"), [
    (lambda words: train_words(None, words), "spott", "'spott'. Did you mean 'spot'"),
    (lambda words: train_words(None, words), "presett", "'presett'. Did you mean 'preset'"),
    (lambda words: tune_words(None, words), "paralel", "'paralel'. Did you mean 'parallel'"),
    (lambda words: deploy_words("birds", "m", words), "autoscal", "'autoscal'. Did you mean 'autoscale'"),
    (lambda words: deploy_words("birds", "m", words), "model_data", "There is no option 'model_data'"),
    (lambda words: deploy_words("birds", "m", words), "canary", "canary and alarms are of an update"),
    (lambda words: transform_words("p", MODEL, words), "max_paylod", "'max_paylod'. Did you mean 'max_payload'"),
])  # fmt: skip
def test_a_mistyped_option_is_told_its_nearest(read: Callable[[dict[str, Any]], Any], word: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        read({word: 10})


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
    elsewhere = notebook.here("process", state=tmp_path / "elsewhere")
    moved = notebook.train(from_tuning=search, where=elsewhere, epochs=1)
    assert moved.description["HyperParameters"]["rules"] == given["rules"], "the recipe is the search's"
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
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"bad")
    answers = notebook.predict(endpoint, [bad, data.folder / "test"])
    assert len(answers) == 4 and ["These bytes are no image" in each for each in answers.refused] == [True]
    assert "These bytes are no image" in answers._repr_html_()
    with pytest.raises(PredictionError, match="These bytes are no image"):
        notebook.predict(endpoint, bad)
    batch = notebook.transform(job, data.folder / "test", concurrent=2, output=tmp_path / "answers")
    assert (batch.result.answered, batch.result.pictures) == (4, 4) and len(batch.answers) == 4
    assert ["pictures", "4 of 4"] in Reader(batch._repr_html_()).rows
    capsys.readouterr()
    standing = notebook.transform(job, data.folder / "test", output=tmp_path / "answers", resume=True)
    assert isinstance(standing, Transformed) and ["pictures", "4 of 4"] in Reader(standing._repr_html_()).rows
    said = capsys.readouterr().out
    assert "All 4 pictures have their answers" in said and "There is no score" in said
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


@pytest.mark.parametrize(("start", "calls"), [
    (lambda where: notebook.train("s3://b/t", name="birds", where=where, output="s3://b/o", input_mode="File",
                                  **ACCOUNT),
     [("create_training_job", {"TrainingJobArn": JOB_ARN})]),
    (lambda where: notebook.tune("s3://b/t", name="birds", where=where, output="s3://b/o", input_mode="File",
                                 ranges={"lr": "0.1:1"}, **ACCOUNT),
     [("create_hyper_parameter_tuning_job", {"HyperParameterTuningJobArn": ARN})]),
    (lambda where: notebook.transform("s3://b/m.tar.gz", "s3://b/pictures", name="birds", where=where,
                                      output="s3://b/answers", **ACCOUNT),
     [("create_model", {"ModelArn": MODEL_ARN}), ("create_transform_job", {"TransformJobArn": BATCH_ARN})]),
    (lambda where: notebook.deploy("s3://b/m.tar.gz", name="birds", where=where, **ACCOUNT),
     [("create_model", {"ModelArn": MODEL_ARN}), ("create_endpoint_config", {"EndpointConfigArn": CONFIG_ARN}),
      ("create_endpoint", {"EndpointArn": ENDPOINT_ARN})]),
], ids=["train", "tune", "transform", "deploy"])  # fmt: skip
def test_what_is_started_in_aws_is_not_taken_for_what_has_its_name_here(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    start: Callable[[DoorWords], object], calls: list[tuple[str, dict[str, Any]]],
) -> None:  # fmt: skip
    def interrupted(*_args: object) -> NoReturn:
        raise KeyboardInterrupt

    (tmp_path / "training-jobs" / "birds").mkdir(parents=True)
    monkeypatch.setattr(DoorWords, "open", lambda *_args, **_words: account.door)
    for module in (training, tuning, transforms, endpoints):
        monkeypatch.setattr(module, "watch", interrupted)
    for operation, answer in calls:
        account.sagemaker.add_response(operation, answer)
    if calls[-1][0] == "create_transform_job":
        objects(account, "b", "pictures/", "ant/1.jpg")
        objects(account, "b", "answers/")
        account.s3.add_response("put_object", {})
    with pytest.raises(KeyboardInterrupt):
        start(notebook.in_aws(state=tmp_path))
    said = re.search(r"'birds', (in_aws\(.*?\))", capsys.readouterr().out)
    assert said and eval(said[1], vars(notebook)) == notebook.in_aws(region="eu-west-1", state=tmp_path)


def test_an_endpoint_in_aws_is_asked_there_though_its_name_is_known_here(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "endpoints" / "bees").mkdir(parents=True)
    monkeypatch.setattr(DoorWords, "open", lambda *_args, **_words: account.door)
    account.sagemaker.add_response("create_model", {"ModelArn": MODEL_ARN})
    account.sagemaker.add_response("create_endpoint_config", {"EndpointConfigArn": CONFIG_ARN})
    account.sagemaker.add_response("create_endpoint", {"EndpointArn": ENDPOINT_ARN})
    for _ in range(2):
        account.sagemaker.add_response("describe_endpoint", endpoint_described("InService"))
    endpoint = notebook.deploy("s3://b/m.tar.gz", name="bees", where=notebook.in_aws(state=tmp_path), **ACCOUNT)
    assert endpoint.door is account.door and endpoint.where.region == "eu-west-1"


def test_a_batch_in_aws_shows_itself_without_its_score_which_its_result_reads(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DoorWords, "open", lambda *_args, **_words: account.door)
    batch = Batch("batch", notebook.in_aws(region="eu-west-1", state=tmp_path))
    for _ in range(3):
        account.sagemaker.add_response("describe_transform_job", described("Completed"))
    ended(account, "ant/1.jpg.out", "bee/1.jpg.out")
    for _ in range(2):
        rows = Reader(batch._repr_html_()).rows
        assert ["pictures", "2 of 2"] in rows and "right" not in dict(rows), "and what lies there is listed once"

    (tmp_path / "manifest.json").write_text('{"classes": ["ant", "bee"]}')
    pack([tmp_path], tmp_path / "model.tar.gz")
    answer = b'{"predictions": [{"label": "bee", "index": 1, "probability": 0.9}]}'
    for _ in range(2):
        account.sagemaker.add_response("describe_transform_job", described("Completed"))
    ended(account, "ant/1.jpg.out", "bee/1.jpg.out")
    container = {"Image": "i:1", "ModelDataUrl": "s3://b/m.tar.gz"}
    made = {"ModelName": "batch", "ModelArn": MODEL_ARN, "CreationTime": NOW, "ExecutionRoleArn": ACCOUNT["role"]}
    account.sagemaker.add_response("describe_model", {**made, "PrimaryContainer": container})
    for data in ((tmp_path / "model.tar.gz").read_bytes(), answer, answer):
        account.s3.add_response("get_object", {"Body": StreamingBody(BytesIO(data), len(data))})  # type: ignore[arg-type]
    assert batch.result.accuracy == 0.5


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
    makers: list[Callable[..., object]] = [Job, Search, Endpoint, Answers, Deleted, Transformed]
    assert all(maker.__name__ in notebook.__all__ for maker in makers)
    assert all(hasattr(notebook, name) for name in notebook.__all__)
