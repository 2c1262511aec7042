"""`launch.py rules`: where tensors are found, where they are evaluated, and what a person reads of it."""

from __future__ import annotations

import gzip
import json
import random
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from launcher.cli.root import root
from launcher.doors import Door
from launcher.errors import NotFound, UnusableData
from launcher.local.engines.docker import DockerEngine
from launcher.local.engines.ownership import User
from launcher.local.engines.process import ProcessEngine
from launcher.local.evaluation import evaluate
from launcher.local.packing import pack
from launcher.local.settings import Settings
from launcher.local.uris import to_uri
from launcher.verbs.rules import State, in_order, tensors

Launch = Callable[..., Result]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder that smdebug has written to, of a training whose gradients have vanished."""
    import numpy as np

    from tests.train.rules.recordings import Recording, loss

    recording = Recording(tmp_path / "job" / "debug")
    for step in range(4):
        recording.step(gradient__fc_weight=np.full((2, 2), 1e-12), **loss(1.0 / (step + 1)))
    recording.end()
    return recording.folder


@pytest.fixture
def launch(state: Path) -> Launch:
    def run(*words: str | Path) -> Result:
        return CliRunner().invoke(root, [*map(str, words), "--state", str(state)])

    return run


def no_door() -> Door:
    raise AssertionError("a folder is no job")


@pytest.mark.filterwarnings("ignore")
def test_a_folder_of_tensors_is_evaluated_and_issues_come_first(recorded: Path, launch: Launch) -> None:
    done = launch("rules", recorded.parent, "--rules", "LossNotDecreasing,VanishingGradient")
    assert done.exit_code == 0, done.output
    first, second, third = done.stdout.splitlines()
    assert first.split() == ["rule", "status", "finding"]
    assert second.split()[:2] == ["VanishingGradient", "IssuesFound"] and "at step 0: The gradient of" in second
    assert third.split() == ["LossNotDecreasing", "NoIssuesFound"]
    assert f"Next: launch.py rules {recorded.parent} --rules VanishingGradient --json" in done.stderr


@pytest.mark.filterwarnings("ignore")
def test_an_archive_is_evaluated_too_with_the_parameters_given(recorded: Path, launch: Launch, tmp_path: Path) -> None:
    pack([recorded.parent], tmp_path / "output.tar.gz")
    rules = '{"VanishingGradient": {"threshold": 1e-13}}'
    done = launch("rules", tmp_path / "output.tar.gz", "--rules", rules, "--json")
    assert done.exit_code == 0, done.output
    (verdict,) = json.loads(done.stdout)
    assert verdict["RuleEvaluationStatus"] == "NoIssuesFound"
    assert verdict["RuleParameters"] == {"threshold": 1e-13}


@pytest.mark.parametrize("inside", [".", "debug", "output/data/debug", "output/tensors", "debug-output"])
def test_tensors_are_found_wherever_a_training_leaves_them(tmp_path: Path, inside: str) -> None:
    (tmp_path / inside / "collections").mkdir(parents=True)
    with tensors(str(tmp_path), no_door) as folder:
        assert folder.resolve() == (tmp_path / inside).resolve()


def test_an_ended_jobs_tensors_come_out_of_its_output(
    door: Door, create: Callable[..., str], ended: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    ended(create("job"))
    with pytest.raises(NotFound, match=r"job \(Completed\) has left no tensors in file://.*; `launch\.py logs job`"):
        with tensors("job", lambda: door):
            pass
    left = tmp_path / "left"
    for name in ("debug/collections/0.json", "debug/events/0.tfevents", "elsewhere/debug/x"):
        (left / name).parent.mkdir(parents=True, exist_ok=True)
        (left / name).write_text(name)
    pack([left], tmp_path / "output/job/output/output.tar.gz")
    with tensors("job", lambda: door) as folder:
        found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"collections/0.json", "events/0.tfevents"}
    assert not folder.exists()


def test_nothing_of_an_archive_is_written_beside_its_tensors(tmp_path: Path) -> None:
    archive = tmp_path / "output.tar.gz"
    (tmp_path / "evil").write_text("evil")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "evil", "debug/../../../evil-is-out")
        tar.add(tmp_path / "evil", "debug/collections/fine")
    with tensors(str(archive), no_door) as folder:
        assert [path.name for path in folder.rglob("*") if path.is_file()] == ["fine"]


def broken_off(content: bytes) -> bytes:
    return content[:100_000]


def rotten(content: bytes) -> bytes:
    """What follows the first part is of no kind that deflate knows."""
    compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    first = compressor.compress(gzip.decompress(content)[:200_000]) + compressor.flush(zlib.Z_FULL_FLUSH)
    return first + b"\xff" * 1000


@pytest.mark.parametrize("damage", [broken_off, rotten])
def test_an_archive_that_is_damaged_in_the_midst_of_its_tensors_is_one_sentence(
    tmp_path: Path, door: Door, create: Callable[..., str], ended: Callable[[str], dict[str, Any]],
    damage: Callable[[bytes], bytes],
) -> None:  # fmt: skip
    left = tmp_path / "left"
    (left / "debug/collections").mkdir(parents=True)
    (left / "debug/collections/0.json").write_bytes(random.Random(0).randbytes(200_000).hex().encode())
    ended(create("job"))
    archive = tmp_path / "output/job/output/output.tar.gz"
    pack([left], archive)
    archive.write_bytes(damage(archive.read_bytes()))
    for place in (str(archive), "job"):
        with pytest.raises(UnusableData, match=r"output\.tar\.gz is not a readable tar\.gz \(.+\); [^\n]+\.$"):
            with tensors(place, lambda: door):
                pass


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("empty", "There are no tensors in {}/empty; name the folder that smdebug has written to, or a training job."),
        ("text", "{}/text is not a readable tar.gz"),
        ("nobody", "There is no folder and no training job '{}/nobody'"),
    ],
)
def test_a_place_without_tensors_is_told(tmp_path: Path, door: Door, place: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("text")
    with pytest.raises((NotFound, UnusableData)) as error, tensors(str(tmp_path / place), lambda: door):
        pass
    assert str(error.value).startswith(said.format(tmp_path))


def test_a_name_that_nobody_has_is_told(launch: Launch) -> None:
    done = launch("rules", "nobody", "--local")
    assert done.exit_code == 3 and "no folder and no training job 'nobody'" in done.stderr


@pytest.mark.parametrize(
    ("rules", "said"), [("Overfitt", "no rule 'Overfitt'. Did you mean 'Overfit'?\n"), ("none", "no rule in it.\n")]
)
def test_rules_that_are_none_are_refused_before_anything_is_looked_for(launch: Launch, rules: str, said: str) -> None:
    done = launch("rules", "nobody", "--local", "--rules", rules)
    assert done.exit_code == 2 and said in done.stderr


class Chosen:
    """Chooses an engine, and counts."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.asked = settings, 0

    def __call__(self) -> Settings:
        self.asked += 1
        return self.settings


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Settings]:
    """A process engine whose training environment is there; its Python is a script that tells its words."""
    from launcher.local.engines.environments import Environments

    settings = Settings(cache=tmp_path / "cache", commands={"train": ("false",)})
    place = Environments(settings).place("train")
    (place / "bin").mkdir(parents=True)
    (place / "complete").touch()
    python = place / "bin" / "python"
    python.write_text('#!/bin/sh\necho "[\\"$*\\"]"\n')
    python.chmod(0o755)
    yield settings


def test_without_smdebug_the_training_environment_evaluates(made: Settings, tmp_path: Path) -> None:
    chosen = Chosen(made)
    (words,) = evaluate(tmp_path, "default", chosen, say=print, here=lambda: False)
    assert str(words).endswith(f"-m container.train.rules {tmp_path} --rules default --json")
    assert chosen.asked == 1


def test_a_jobs_rules_are_evaluated_by_the_engine_that_ran_it(
    launch: Launch, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wished: list[str] = []

    def choose(wish: str, base: Settings, _environment: object) -> tuple[Settings, str]:
        wished.append(wish)
        return base, "Told"

    def evaluated(_folder: Path, _rules: str, engine: Callable[[], Settings], **_more: object) -> list[Any]:
        engine()
        return [{"RuleConfigurationName": "Overfit", "RuleEvaluationStatus": "NoIssuesFound"}]

    @contextmanager
    def found(_place: str, _door: object) -> Iterator[Path]:
        yield tmp_path

    monkeypatch.setattr("launcher.local.engines.choose", choose)
    monkeypatch.setattr("launcher.local.evaluation.evaluate", evaluated)
    monkeypatch.setattr("launcher.verbs.rules.tensors", found)
    for name, engine in (("ran", "process"), ("packed", "docker")):
        (state / "training-jobs" / name).mkdir(parents=True)
        (state / "training-jobs" / name / "settings.json").write_text(json.dumps({"engine": engine}))
    assert "as the job did" in launch("rules", "ran").stderr
    for words in (["ran", "--local", "docker"], ["packed"], [tmp_path]):
        launch("rules", *words)
    assert wished == ["process", "docker", "auto", "auto"]


def test_with_smdebug_no_engine_is_looked_for(tmp_path: Path) -> None:
    chosen = Chosen(Settings())
    with pytest.raises(UnusableData, match=rf"over {tmp_path}\. There are no tensors in"):
        evaluate(tmp_path, "default", chosen, say=print, here=lambda: True)
    assert chosen.asked == 0


def test_a_container_sees_the_tensors_alone_and_may_not_write(tmp_path: Path) -> None:
    engine = DockerEngine(Settings(engine="docker", engine_command=("docker",)), user=User(7, 8))
    argv, seen = engine.python(tmp_path, "byoc-train")
    assert argv[:3] == ["docker", "run", "--rm"] and argv[-3:] == ["--entrypoint", "python", "byoc-train"]
    assert f"type=bind,source={tmp_path},target={seen},readonly" in argv
    assert argv.count("--mount") == 1 and "7:8" in argv and "none" in argv


def test_the_process_engine_names_the_folder_as_it_is(tmp_path: Path) -> None:
    assert ProcessEngine(Settings()).python(tmp_path, "byoc-train")[1] == str(tmp_path)


def test_a_finding_is_shown_without_the_words_that_every_finding_begins_with() -> None:
    said = "RuleEvaluationConditionMet: Evaluation of the rule Overfit at step 12 resulted in the condition being met"
    documents = [
        {"RuleConfigurationName": "A", "RuleEvaluationStatus": "NoIssuesFound"},
        {"RuleConfigurationName": "B", "RuleEvaluationStatus": "InProgress", "StatusDetails": ""},
        {"RuleConfigurationName": "C", "RuleEvaluationStatus": "IssuesFound", "StatusDetails": f"{said}. Add data."},
        {"RuleConfigurationName": "D", "RuleEvaluationStatus": "IssuesFound", "StatusDetails": f"{said}\n"},
        {"RuleConfigurationName": "E", "RuleEvaluationStatus": "Error", "StatusDetails": "It hung."},
    ]
    found = in_order([State.of(document) for document in documents])
    assert [(state.rule, state.details) for state in found] == [
        ("C", "at step 12: Add data."), ("D", "at step 12"), ("E", "It hung."), ("B", ""), ("A", ""),
    ]  # fmt: skip


def test_tensors_that_a_hook_configuration_sent_elsewhere_are_found_there(tmp_path: Path, door: Door) -> None:
    from dataclasses import replace

    class Described:
        def __init__(self, output: str) -> None:
            self.output = output

        def describe_training_job(self, **_: Any) -> dict[str, Any]:
            return {"TrainingJobName": "job", "DebugHookConfig": {"S3OutputPath": self.output}}

    (tmp_path / "job/debug-output/collections").mkdir(parents=True)
    here: Any = Described(to_uri(tmp_path))
    with tensors("job", lambda: replace(door, sagemaker=here)) as folder:
        assert folder == tmp_path / "job/debug-output"
    there: Any = Described("s3://bucket/out")
    with pytest.raises(Exception, match=r"aws s3 sync s3://bucket/out/job/debug-output tensors"):
        with tensors("job", lambda: replace(door, sagemaker=there)):
            pass
