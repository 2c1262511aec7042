"""`launch.py transform` and the verbs that know its jobs, as a person calls them, with a stand-in for the server."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from container.serve.response import PRODUCED
from launcher.cli.root import root
from launcher.cli.transform import command
from launcher.local.packing import pack
from launcher.verbs import origin
from launcher.verbs.prediction import ANSWERS
from tests.launcher.conftest import COMMANDS, wait

Launch = Callable[..., Result]


@pytest.fixture
def launch(state: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    monkeypatch.setenv("BYOC_STATE", str(state))
    monkeypatch.setenv("BYOC_SERVE_COMMAND", shlex.join(COMMANDS["serve"]))
    return lambda *words: CliRunner().invoke(root, list(map(str, words)))


@pytest.fixture
def folder(tmp_path: Path, model: Path) -> Path:
    (model / "manifest.json").write_text(json.dumps({"classes": ["ant", "bee"]}))
    for label in ("ant", "bee", "bee/more"):
        (tmp_path / "test" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "test" / label / "1.jpg").write_bytes(b"picture")
    return tmp_path / "test"


def test_a_folder_is_asked_about_and_scored_and_the_job_is_known_to_every_verb(
    launch: Launch, model: Path, folder: Path, tmp_path: Path
) -> None:
    (folder / "labels.csv").write_text("no picture")
    output = tmp_path / "answers"
    done = launch("transform", "--local", "process", model, folder, "--name", "batch", "--output", output)
    assert done.exit_code == 0, done.output
    assert "Left out, no pictures by their names: 1 (labels.csv)." in done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["job       batch Completed", "pictures  3 of 3"]
    assert lines[3:] == ["right     1 of 2 (50.0%)", f"answers   file://{output}"]
    assert json.loads((output / "bee/more/1.jpg.out").read_bytes())["predictions"][0]["label"] == "bee"

    shown = launch("status", "batch").stdout
    assert shown.startswith("transform job batch: Completed") and f"answers  file://{output}" in shown
    assert [(row["kind"], row["status"]) for row in json.loads(launch("status", "--json").stdout)] == [
        ("transform job", "Completed")
    ]
    assert "3 of 3 objects transformed" in launch("logs", "batch").stdout
    assert "pictures  3 of 3" in launch("logs", "batch", "-f").stdout
    assert launch("stop", "batch").stdout == "batch Completed\n"

    # A second time there is nothing left to do; and then there is one picture more.
    again = ("transform", "--local", "process", "batch", folder, "--name", "more", "--output", output, "--resume")
    nothing = launch(*again)
    assert nothing.exit_code == 0 and "All 3 pictures have their answers" in nothing.stderr
    assert nothing.stdout.splitlines()[:2] == ["pictures  3 of 3", "right     1 of 2 (50.0%)"]
    (folder / "ant" / "2.jpg").write_bytes(b"picture")
    more = json.loads(launch(*again, "--json").stdout)
    assert (more["ModelName"], more["Result"]["answered"], more["Result"]["known"]) == ("batch", 1, 3)

    assert launch("delete", "more", "--yes").stdout == "deleted transform job more\n", "the model is another job's"
    assert launch("delete", "--all", "--local", "--yes").stdout == "deleted transform job batch, model batch\n"
    assert json.loads(launch("status", "--json").stdout) == [] and (output / "ant/2.jpg.out").is_file()


def test_answers_of_another_model_are_neither_mixed_nor_overwritten_in_silence(
    launch: Launch, model: Path, folder: Path, tmp_path: Path
) -> None:
    other, output = tmp_path / "other", tmp_path / "answers"
    shutil.copytree(model, other)

    def asked(model: Path, name: str, *words: str) -> Result:
        return launch("transform", "--local", "process", model, folder, "--name", name, "--output", output, *words)

    assert asked(model, "first").exit_code == 0
    mixed = asked(other, "second", "--resume")
    assert mixed.exit_code == 2 and f"are of file://{model} as application/json, and" in mixed.stderr
    assert asked(model, "second", "--resume", "--accept", "text/csv").exit_code == 2
    over = asked(other, "second")
    assert over.exit_code == 0 and "Answered anew: 3" in over.stderr and f"of file://{model} as" in over.stderr
    assert asked(model, "third", "--resume").exit_code == 2
    # What the second could not answer is the first's still, and no answer of the second's.
    os.utime(output / "ant" / "1.jpg.out", (0, 0))
    rest = asked(other, "third", "--resume")
    assert "Answered anew: 1, whose answers were there before" in rest.stderr and "pictures  1 of 1" in rest.stdout
    (output / origin.NOTE).unlink()
    assert "noted nowhere" in asked(other, "fourth", "--resume").stderr


@pytest.mark.parametrize("packed", [False, True])
def test_answers_of_a_model_that_was_trained_again_under_its_name_are_anothers(
    launch: Launch, model: Path, folder: Path, tmp_path: Path, packed: bool
) -> None:
    output, place = tmp_path / "answers", model
    if packed:
        place = tmp_path / "model.tar.gz"
        pack([model], place)

    def asked(name: str, *words: str) -> Result:
        return launch("transform", "--local", "process", place, folder, "--name", name, "--output", output, *words)

    assert asked("first").exit_code == 0
    assert "All 3 pictures have their answers" in asked("second", "--resume").stderr
    os.utime(output / origin.NOTE, (1, 1))
    again = asked("second", "--resume")
    assert again.exit_code == 2 and f"were written before the model at file://{place} was, and" in again.stderr
    assert "Answered anew: 3" in asked("second").stderr
    assert "All 3 pictures have their answers" in asked("third", "--resume").stderr


def test_several_inputs_share_an_output_of_one_model(launch: Launch, model: Path, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "answers"
    note = output / origin.NOTE

    def asked(pictures: Path, name: str, *words: str) -> Result:
        return launch("transform", "--local", "process", model, pictures, "--name", name, "--output", output, *words)

    for name in ("more", "most"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.jpg").write_bytes(b"picture")
    assert asked(folder, "first").exit_code == 0
    noted = note.stat().st_mtime_ns
    assert asked(tmp_path / "more", "second").exit_code == 0 and note.stat().st_mtime_ns == noted
    assert "All 3 pictures have their answers" in asked(folder, "third", "--resume").stderr
    # What a model answers that is newer than the note is not that of the one before.
    os.utime(note, (1, 1))
    assert asked(tmp_path / "most", "third").exit_code == 0 and note.stat().st_mtime > 1


def test_a_transform_job_is_reached_beside_an_ended_training_job_of_its_name(
    launch: Launch, create: Callable[..., str], ended: Callable[[str], object], model: Path, folder: Path
) -> None:
    ended(create("birds"))
    (folder / "bee" / "1.jpg").write_bytes(b"wait")
    asked = launch("transform", "--local", "process", model, folder, "--name", "birds", "--no-wait")
    assert asked.stdout == "birds\n" and "launch.py logs birds -f --transform" in asked.stderr
    wait(lambda: "Unpacking the model" in launch("logs", "birds", "--transform").stdout)
    assert "epoch=2" in launch("logs", "birds").stdout
    refused = launch("delete", "birds", "--yes")
    assert refused.exit_code == 1 and "launch.py stop birds" in refused.stderr
    stopped = launch("stop", "birds")
    assert stopped.stdout == "birds Stopped\n" and "the transform job is stopped" in stopped.stderr
    assert "Training job birds had ended already." in launch("stop", "birds").stderr
    assert "Transform job birds had ended already." in launch("stop", "birds", "--transform").stderr
    asked = launch("delete", "birds")
    assert "Delete the transform job birds (Stopped) with its model birds, its log and working files?" in asked.stderr
    assert launch("delete", "birds", "--yes").stdout == "deleted transform job birds, model birds\n"
    assert launch("logs", "birds", "--transform").exit_code == 3
    assert launch("logs", "birds", "--transform", "--endpoint").exit_code == 2
    assert launch("delete", "birds", "--yes").stdout == "deleted training job birds\n"


def test_a_type_that_the_server_has_not_is_refused_unless_the_model_brings_code(
    launch: Launch, model: Path, folder: Path
) -> None:
    assert ANSWERS == PRODUCED
    asked = ("transform", "--local", "process", model, folder, "--accept", "text/csvv", "--dry-run")
    refused = launch(*asked)
    assert refused.exit_code == 2 and "there are application/json, application/jsonlines, text/csv" in refused.stderr
    (model / "code").mkdir()
    (model / "code" / "inference.py").touch()
    assert launch(*asked).exit_code == 0


def test_a_name_that_a_job_has_is_said_to_be_the_jobs(launch: Launch, model: Path, folder: Path) -> None:
    asked = ("transform", "--local", "process", model, folder, "--name", "batch")
    assert launch(*asked).exit_code == 0
    assert "Transform job names must be unique: batch exists already; choose" in launch(*asked).stderr


def test_the_documented_examples_in_aws_name_an_instance_type() -> None:
    documented = (Path(__file__).parents[2] / "docs/transform.md").read_text(encoding="utf-8") + (command.help or "")
    examples = re.findall(r"launch\.py transform JOB .*s3://.*", documented)
    assert len(examples) == 4 and all("--instance-type ml." in each for each in examples)


def test_a_bad_picture_ends_with_5_and_what_was_answered(launch: Launch, model: Path, folder: Path) -> None:
    (folder / "bee" / "1.jpg").write_bytes(b"bad")
    done = launch("transform", "--local", "process", model, folder, "--name", "batch")
    assert done.exit_code == 5 and "pictures  2 of 3" in done.stdout
    assert "1 of 3 objects have no answer: bee/1.jpg (400: These bytes are no image)" in done.stderr
    shown = launch("status", "batch").stdout
    assert "reason   ClientError" in shown and "log      bee/1.jpg: ClientError: 400" in shown


def test_a_dry_run_prints_both_requests_and_writes_nothing(
    launch: Launch, model: Path, folder: Path, state: Path
) -> None:
    done = launch("transform", "--local", "process", model, folder, "--name", "batch", "--max-payload", 50, "--dry-run")
    asked = json.loads(done.stdout)
    assert asked["create_model"]["ModelName"] == asked["create_transform_job"]["ModelName"] == "batch"
    assert (asked["create_transform_job"]["MaxConcurrentTransforms"], done.exit_code) == (2, 0)
    assert not state.exists()


def test_what_cannot_be_done_is_one_sentence(launch: Launch, model: Path, folder: Path, tmp_path: Path) -> None:
    assert "There is no job, search or model 'nothing'" in launch("transform", "--local", "nothing", folder).stderr
    (tmp_path / "empty").mkdir()
    none = launch("transform", "--local", "process", model, tmp_path / "empty")
    assert none.exit_code == 3 and "There is no picture at" in none.stderr
    # A folder by its whole path is a place, and no name that this machine knows.
    assert "--instance-type is missing" in launch("transform", model, folder, "--output", "s3://b/answers").stderr
    (folder / "large.jpg").write_bytes(b"x" * (2 << 20))
    large = launch("transform", "--local", "process", model, folder, "--max-payload", 1)
    assert large.exit_code == 2 and "large.jpg has 2.0 MB, and --max-payload is 1" in large.stderr
