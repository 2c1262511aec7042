"""The command line's manners."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from container.common.hyperparameters import describe
from launcher.cli.console import _called, as_called
from launcher.cli.options import explicit_values
from launcher.cli.reference import reference
from launcher.cli.root import VERBS, root
from launcher.opening import DoorWords
from tests.launcher.conftest import COMMANDS, processes_under, wait

CHECKOUT = Path(__file__).parents[2]
Launch = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def variables(state: Path) -> dict[str, str]:
    """An environment in which --local runs the stand-ins, with no AWS about."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BYOC_"))}
    return {
        **kept,
        "BYOC_STATE": str(state),
        "BYOC_TRAIN_COMMAND": shlex.join(COMMANDS["train"]),
        "BYOC_SERVE_COMMAND": shlex.join(COMMANDS["serve"]),
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def launch(variables: dict[str, str]) -> Launch:
    def run(*words: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "launch.py", *map(str, words)]
        return subprocess.run(
            argv, cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**variables, **extra},
            timeout=300,
        )  # fmt: skip

    return run


def test_help_loads_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys\nfrom launcher.cli.root import root\n"
        "try: root(['--help'])\nexcept SystemExit: pass\n"
        "print(*[m for m in ('boto3', 'botocore', 'rich', 'pydantic', 'numpy', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_every_verb_has_help_and_every_hyperparameter_an_option() -> None:
    for verb in VERBS:
        assert CliRunner().invoke(root, [verb, "--help"]).exit_code == 0
    text = CliRunner().invoke(root, ["train", "--help"]).output
    for each in describe():
        assert f"--{each.name} " in text


def test_the_page_of_the_command_line_is_up_to_date() -> None:
    page = (CHECKOUT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == reference(), "run `make docs`"


def test_a_job_is_trained_deployed_asked_and_deleted(launch: Launch, images: Path, tmp_path: Path, state: Path) -> None:
    trained = launch("train", "--local", "process", "--data", images, "--name", "bees", "--lr", "0.01")
    assert trained.returncode == 0, trained.stderr
    assert "test:accuracy 0.95" in trained.stdout and "model file://" in trained.stdout
    assert "launch.py deploy --job bees --local" in trained.stderr
    deployed = launch("deploy", "--local", "process", "--job", "bees")
    assert (deployed.returncode, deployed.stdout) == (0, "bees-endpoint\n"), deployed.stderr
    picture = tmp_path / "bee.jpg"
    picture.write_bytes(b"picture")
    assert "launch.py deploy --job bees --local` puts the model of" in launch("predict", "bees", picture).stderr
    asked = launch("predict", "bees-endpoint", picture, "--top-k", "2")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.splitlines()[1].split() == [str(picture), "bee", "0.9000", "ant", "0.1000"]
    (document,) = json.loads(launch("predict", "bees-endpoint", picture, "--json").stdout)
    assert document["label"] == "bee" and document["seen"]["type"] == "image/jpeg"
    (row,) = [row for row in json.loads(launch("status", "--json").stdout) if row["kind"] == "endpoint"]
    assert row["status"] == "InService"
    address = json.loads(launch("status", "bees-endpoint", "--json").stdout)["Address"]
    assert f"curl --data-binary @PICTURE.jpg -H 'Content-Type: image/jpeg' {address}" in (
        launch("status", "bees-endpoint").stdout
    )
    with urllib.request.urlopen(urllib.request.Request(address, data=b"picture"), timeout=60) as answered:
        assert json.load(answered)["predictions"][0]["label"] == "bee"
    assert "epoch=2" in launch("logs", "bees").stdout
    assert launch("delete", "bees-endpoint").returncode == 0
    wait(lambda: not processes_under(state))
    assert launch("delete", "bees", "--yes").stdout == "deleted training job bees\n"
    assert launch("status", "bees").returncode == 3


def test_an_updated_script_is_served_with_the_model_of_the_same_job(
    launch: Launch, images: Path, tmp_path: Path, state: Path
) -> None:
    assert launch("train", "--local", "process", "--data", images, "--name", "bees").returncode == 0
    (tmp_path / "mine").mkdir()
    script, picture = tmp_path / "mine" / "inference.py", tmp_path / "bee.jpg"
    picture.write_bytes(b"code")
    words = ("deploy", "--local", "process", "--job", "bees", "--code", script.parent)
    script.write_text("def predict_fn(data, model:\n")
    refused = launch(*words)
    assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
    assert f"{script} cannot be compiled (line 1: " in refused.stderr
    for text in ("first = 1\n", "second = 2\n"):
        script.write_text(text)
        dry = json.loads(launch(*words, "--dry-run").stdout)
        deployed = launch(*words)
        assert deployed.returncode == 0, deployed.stderr
        assert f"The model with {script.parent} as its code is now at file://" in deployed.stderr
        assert dry["create_model"]["PrimaryContainer"]["ModelDataUrl"] in deployed.stderr
        (document,) = json.loads(launch("predict", "bees-endpoint", picture, "--json").stdout)
        assert document["seen"] == {"inference.py": text}
        launch("delete", "bees-endpoint")


def test_a_folder_of_classes_is_asked_with_the_truth_beside(
    launch: Launch, model: Path, tmp_path: Path, state: Path
) -> None:
    assert launch("deploy", "--local", "process", "--model", model, "--name", "e").returncode == 0
    for name in ("ant/1.png", "bee/1.png", "bee/2.png", "other/1.png"):
        (tmp_path / "test" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "test" / name).write_bytes(b"picture")
    asked = launch("predict", "e", tmp_path / "test", "--top-k", "1", "--sheet", tmp_path / "sheet.html")
    assert asked.returncode == 0, asked.stderr
    assert [line.split()[1:] for line in asked.stdout.splitlines()] == [
        ["true", "label", "probability", "then"], ["ant", "bee", "0.9000"], ["bee", "bee", "0.9000"],
        ["bee", "bee", "0.9000"], ["bee", "0.9000"],
    ]  # fmt: skip
    assert "2 of 3 pictures whose class is known were recognized (66.7%)." in asked.stderr
    assert f"Wrote {tmp_path / 'sheet.html'}" in asked.stderr and (tmp_path / "sheet.html").is_file()
    told = json.loads(launch("predict", "e", tmp_path / "test", "--json").stdout)
    assert [each.get("true") for each in told] == ["ant", "bee", "bee", None]
    assert launch("predict", "e", tmp_path / "test", "--sheet", "sheet.pdf").returncode == 2
    launch("delete", "e")


def test_a_bad_picture_is_told_in_the_servers_words(launch: Launch, model: Path, tmp_path: Path, state: Path) -> None:
    assert launch("deploy", "--local", "process", "--model", model, "--name", "e").returncode == 0
    (tmp_path / "bad.png").write_bytes(b"bad")
    (tmp_path / "a.png").write_bytes(b"picture")
    refused = launch("predict", "e", tmp_path / "bad.png")
    assert refused.returncode == 7
    assert refused.stderr.endswith("bad.png: the endpoint answered 400: These bytes are no image.\n")
    several = launch("predict", "e", tmp_path / "bad.png", tmp_path / "a.png")
    assert several.returncode == 7
    assert "a.png" in several.stdout, "the others are asked about"
    assert "bad.png: the endpoint answered 400: These bytes are no image.\n" in several.stderr
    assert several.stderr.endswith("1 of 2 pictures were refused; the lines above say why.\n")
    again = launch("deploy", "--local", "process", "--model", model, "--name", "e", "--env", "A=b")
    assert again.returncode == 8 and "choose another --name" in again.stderr
    saved = json.loads((state / "configs/endpoints/e.json").read_text())
    assert saved["endpoint"]["environment"] == {}, "what was refused replaced what runs"
    stopped = launch("stop", "e")
    assert stopped.returncode == 1
    assert "'e' is an endpoint" in stopped.stderr and "launch.py delete e`" in stopped.stderr
    launch("delete", "e")
    assert not (state / "configs/endpoints/e.json").exists()


def test_a_failed_job_ends_with_its_reason_and_status_5(launch: Launch, images: Path) -> None:
    failed = launch("train", "--local", "process", "--data", images, "--env", "FAKE_MODE=fail", "--name", "j")
    assert failed.returncode == 5
    assert "The learning rate is too high; lower --lr" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr


def test_dry_run_prints_the_request_and_starts_nothing(launch: Launch, images: Path, state: Path) -> None:
    printed = launch("train", "--local", "--data", images, "--dry-run", "-p", "epochs=3", "--lr", "0.5")
    request = json.loads(printed.stdout)
    assert request["HyperParameters"] == {"epochs": "3", "lr": "0.5"}
    assert not state.exists()
    printed = launch("deploy", "--local", "--model", images, "--dry-run")
    assert set(json.loads(printed.stdout)) == {"create_model", "create_endpoint_config", "create_endpoint"}


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["trian"], 2, "No verb 'trian'. Did you mean 'train'?"),
        (["train", "--local", "--data", ".", "--lr", "fast"], 2, "'lr' cannot be 'fast'"),
        (["train", "--local", "--data", ".", "-p", "learning-rate=1"], 2, "Did you mean 'lr'?"),
        (["train", "--local", "--data", ".", "-p", "lr"], 2, "not of the form NAME=VALUE"),
        (["train", "--local", "--preset", "dmeo"], 3, "Did you mean 'demo'?"),
        (["train", "--data", "s3://b/x"], 2, "--output is missing"),
        (["train", "--data", "s3://b/x", "--gpu"], 2, "--gpu is for --local; in AWS choose"),
        (
            ["deploy", "--local"],
            2,
            "Give one of --job JOB, --from-tuning SEARCH, --model PATH, --variant NAME=MODEL and --multi-model PREFIX.",
        ),
        (["deploy", "--local", "--model", "/nowhere"], 3, "There is no model at /nowhere"),
        (["deploy", "--local", "--model", "launch.py"], 9, "launch.py is no tar archive; give a model.tar.gz"),
        (["deploy", "--local", "--model", "x", "--code", "/nowhere"], 3, "There is no folder /nowhere; give --code"),
        (["deploy", "--multi-model", "s3://b/x", "--code", "."], 2, "--code is put into one model; leave out"),
        (["deploy", "--local", "--endpoint", "e", "--code", "."], 2, "--endpoint, --variant and --multi-model are"),
        (["deploy", "--local", "--job", "nobody"], 3, "There is no training job 'nobody'"),
        (["deploy", "--job", "nobody"], 3, "There is no training job 'nobody'"),
        (["predict", "nobody", "launch.py"], 3, "There is no endpoint 'nobody'"),
        (["predict", "nobody", "/nowhere.jpg"], 3, "There is no file /nowhere.jpg"),
        (["status", "nobody"], 3, "There is no search, job or endpoint 'nobody'"),
        (["status", "../x"], 3, "There is no search, job or endpoint '../x'"),
        (["logs", "nobody"], 3, "There is no search, job or endpoint 'nobody'"),
        (["stop", "nobody"], 3, "There is no search or job 'nobody'"),
        (["delete", "nobody"], 3, "There is no search, job or endpoint 'nobody'"),
        (["data", "prepare", "/nowhere", "/tmp/x-nowhere"], 9, "/nowhere"),
    ],
)
def test_faults_are_one_sentence_with_a_status(launch: Launch, words: list[str], status: int, sentence: str) -> None:
    done = launch(*words)
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback(launch: Launch) -> None:
    for words in (["--debug", "status", "nobody"], ["status", "nobody", "--debug"]):
        done = launch(*words)
        assert done.returncode == 3 and "Traceback" in done.stderr


def test_no_credentials_are_named_when_aws_is_meant(launch: Launch, images: Path) -> None:
    done = launch("status", "--region", "eu-west-1")
    assert done.returncode == 8 and "aws configure" in done.stderr


def test_an_engine_that_is_insisted_on_and_absent_is_status_4(launch: Launch, images: Path) -> None:
    done = launch("train", "--local", "docker", "--data", images, BYOC_DOCKER="/nowhere/docker")
    assert done.returncode == 4 and "use --local process" in done.stderr


def test_doctor_says_of_each_thing_ok_or_what_to_do(launch: Launch) -> None:
    done = launch("doctor", BYOC_DOCKER="/nowhere/docker")
    assert "ok  python: 3.11" in done.stdout
    assert "container engine" in done.stdout and "--local uses processes" in done.stdout
    assert "note  aws credentials: none" in done.stdout
    assert {row["subject"] for row in json.loads(launch("doctor", "--json").stdout)} >= {"disk", "java", "state"}


def test_a_job_that_is_not_waited_for_goes_on_and_can_be_stopped(launch: Launch, images: Path, state: Path) -> None:
    started = launch("train", "--local", "process", "--data", images, "--name", "j", "--no-wait", "--env",
                     "FAKE_MODE=wait")  # fmt: skip
    assert started.stdout == "j\n" and "launch.py logs j -f" in started.stderr
    wait(lambda: "waiting" in launch("logs", "j").stdout)
    refused = launch("delete", "j", "--yes")
    assert refused.returncode == 1 and "launch.py stop j" in refused.stderr
    assert launch("stop", "j").stdout == "j Stopped\n"
    assert launch("stop", "j").stderr.startswith("Training job j had ended already.")


def test_json_is_json_also_when_nothing_is_waited_for(launch: Launch, images: Path, model: Path, state: Path) -> None:
    words = ("--local", "process", "--no-wait", "--json", "--instance-type", "ml.m5.large")
    started = launch("train", *words, "--data", images, "--name", "j")
    assert json.loads(started.stdout)["TrainingJobName"] == "j"
    assert "Only AWS heeds --instance-type; this is run on this machine." in started.stderr
    deployed = launch("deploy", *words, "--model", model, "--name", "e")
    assert json.loads(deployed.stdout)["EndpointName"] == "e" and "--instance-type" in deployed.stderr
    assert len(json.loads(launch("status", "--json", "--limit", "1").stdout)) == 2
    assert launch("delete", "e").returncode == 0
    wait(lambda: json.loads(launch("status", "j", "--json").stdout)["TrainingJobStatus"] == "Completed")


def test_deleting_a_job_asks_first(launch: Launch, images: Path, state: Path) -> None:
    launch("train", "--local", "process", "--data", images, "--name", "j")
    refused = launch("delete", "j")
    assert refused.returncode == 2 and "[y/N]" not in refused.stderr
    assert refused.stderr.startswith("Error: Delete the training job j (Completed)") and "--yes" in refused.stderr
    assert (state / "training-jobs/j").exists()


def test_ctrl_c_lets_go_of_a_job_and_says_how_to_come_back(
    launch: Launch, variables: dict[str, str], images: Path, state: Path
) -> None:
    """On a terminal, as a person has it: the bar is drawn, the interrupt reaches the whole foreground group."""
    screen, terminal = pty.openpty()
    words = ["train", "--local", "process", "--data", str(images), "--name", "j", "--env", "FAKE_MODE=wait"]
    process = subprocess.Popen(
        [sys.executable, "launch.py", *words], cwd=CHECKOUT, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal,
        env={**variables, "TERM": "xterm", "COLUMNS": "120"}, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    wait(lambda: (state / "training-jobs/j/logs/algo-1.log").exists() and "waiting" in launch("logs", "j").stdout)
    os.killpg(process.pid, signal.SIGINT)
    seen = _read_all(screen)
    assert process.wait(timeout=120) == 130
    assert process.stdout is not None
    process.stdout.close()
    assert "train 2/2" in seen and "loss 0.500" in seen
    assert "the job j goes on" in seen and "launch.py logs j -f" in seen and "launch.py stop j" in seen
    assert json.loads(launch("status", "j", "--json").stdout)["TrainingJobStatus"] == "InProgress"
    assert launch("stop", "j").returncode == 0


def _read_all(screen: int) -> str:
    seen = b""
    while True:
        try:
            chunk = os.read(screen, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(screen)
    return seen.decode(errors="replace")


def test_no_color_and_no_terminal_write_no_escapes(launch: Launch, images: Path) -> None:
    done = launch("train", "--local", "process", "--data", images, "--name", "j", NO_COLOR="1")
    assert "\x1b" not in done.stdout + done.stderr


def test_a_reader_that_goes_away_is_no_fault(variables: dict[str, str], state: Path) -> None:
    command = f"{shlex.quote(sys.executable)} launch.py train --help | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, env=variables)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_a_region_means_aws_though_the_name_is_known_here(tmp_path: Path) -> None:
    (tmp_path / "training-jobs" / "bees").mkdir(parents=True)
    words = DoorWords(local=None, state=tmp_path, region=None, profile=None)
    assert words.known_here("bees")
    assert not replace(words, region="eu-west-1").known_here("bees")
    assert not replace(words, profile="work").known_here("bees")


def test_hints_are_commands_as_the_program_was_called(launch: Launch) -> None:
    said = launch("status", "nobody").stderr
    assert f"`{shlex.quote(sys.executable)} launch.py status` lists" in said
    assert launch("status").stderr.count(f"{shlex.quote(sys.executable)} launch.py ") == 2
    here = ("./launch.py", "status")
    assert _called(here, ("python3", *here)) == ("python3", "./launch.py")
    assert _called(here, ("python3", "-X", "dev", *here)) == ("python3", "-X", "dev", "./launch.py")
    assert _called(("pytest",), ("python3", "pytest")) == ("launch.py",)
    assert as_called("a fault of launch.py itself; see docs/launch.py status") == (
        "a fault of launch.py itself; see docs/launch.py status"
    )


def test_launch_py_can_be_run_by_itself() -> None:
    assert os.access(CHECKOUT / "launch.py", os.X_OK)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--local", "NAME"], ["--local=auto", "NAME"]),
        (["--local", "docker", "x"], ["--local", "docker", "x"]),
        (["--local"], ["--local=auto"]),
        (["--explain", "bee.jpg"], ["--explain=gradcam", "bee.jpg"]),
        (["--", "--local", "x"], ["--", "--local", "x"]),
    ],
)
def test_a_value_may_be_left_out(given: list[str], meant: list[str]) -> None:
    assert explicit_values(given) == meant


def test_a_mistyped_value_is_told_the_nearest_where_no_other_word_may_stand() -> None:
    assert explicit_values(["--local", "dokcer"]) == ["--local=auto", "dokcer"], "perhaps a name"
    for words, sentence in (
        (["train", "--local", "dokcer", "--data", "x"], "--local cannot be 'dokcer'. Did you mean 'docker'?"),
        (["tune", "--strategy", "bayes"], "'bayes' is not known. Did you mean 'Bayesian'?"),
    ):
        done = CliRunner().invoke(root, words)
        assert (done.exit_code, sentence in done.stderr) == (2, True), done.stderr
