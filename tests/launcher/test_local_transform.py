"""Batch transform behind the local door: the same request, really many at once, and what was written stays."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError

from launcher.config.transform import Transform
from launcher.config.words import LOCAL_ROLE
from launcher.doors import Door, Listed
from launcher.errors import JobFailed, JobStopped, NotFound
from launcher.local.batch import reason
from launcher.local.dispatch import Fault, parameters
from launcher.local.uris import to_uri
from launcher.requests import create_transform_job, create_transform_model
from launcher.verbs import answers, origin, transforms
from launcher.verbs.logs import LogFollower
from launcher.verbs.selection import listed, select
from launcher.verbs.training import Ended
from tests.launcher.conftest import processes_under, wait

Make = Callable[..., Transform]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures in two class folders; the stand-in says of all that they are bees."""
    for label in ("ant", "bee"):
        for number in range(6):
            picture = tmp_path / "all pictures" / label / f"{number} é.jpg"
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(b"picture")
    return tmp_path / "all pictures"


@pytest.fixture
def transform(tmp_path: Path, model: Path, folder: Path) -> Make:
    (model / "manifest.json").write_text(json.dumps({"classes": ["ant", "bee"]}))

    def make(name: str = "batch", mode: str = "", **changes: Any) -> Transform:
        fields: dict[str, Any] = {
            "name": name, "model_name": name, "image": "byoc-serve", "role": LOCAL_ROLE, "model_data": to_uri(model),
            "input": to_uri(folder) + "/", "output": to_uri(tmp_path / "the answers"), "instance_type": "local",
            "environment": {"FAKE_MODE": mode} if mode else {}, **changes,
        }  # fmt: skip
        return Transform(**fields)

    return make


def run(door: Door, job: Transform) -> dict[str, Any]:
    transforms.start(door, job)
    (last,) = [event for event in transforms.watch(door, job.name, follow=False) if isinstance(event, Ended)]
    return last.description


def log(door: Door, name: str) -> str:
    return "\n".join(LogFollower.of_transform(door.logs, name).lines())


def written(tmp_path: Path) -> list[str]:
    place = tmp_path / "the answers"
    files = (path for path in place.rglob("*") if path.is_file() and path.name != origin.NOTE)
    return sorted(path.relative_to(place).as_posix() for path in files)


def test_each_picture_has_its_answer_in_the_same_tree_and_the_server_is_ended(
    door: Door, transform: Make, folder: Path, tmp_path: Path, state: Path
) -> None:
    (folder / ".hidden.jpg").write_bytes(b"bad")
    described = transforms.conclude(run(door, transform()))
    assert written(tmp_path) == sorted(f"{label}/{number} é.jpg.out" for label in ("ant", "bee") for number in range(6))
    found = answers.result(door, described, score=True)
    assert (found.pictures, found.answered, found.accuracy) == (12, 12, 0.5)
    assert found.rate > 0 and "6 of 12 (50.0%)" in found._repr_html_() and found.document()["right"] == 6
    assert [row.true for row in answers.rows(door, described)] == ["ant"] * 6 + ["bee"] * 6
    wait(lambda: not processes_under(state))
    # Its copy of the model is as large as the model.
    assert not [*state.rglob("ml")]
    assert transforms.delete(door, "batch") == ["transform job batch", "model batch"]
    with pytest.raises(NotFound):
        transforms.describe(door, "batch")
    assert len(written(tmp_path)) == 12


def test_the_server_is_told_of_the_batch_and_asked_so_many_at_once(
    door: Door, transform: Make, folder: Path, tmp_path: Path
) -> None:
    (folder / "ant" / "0 é.jpg").write_bytes(b"batch")
    job = transform(mode="together", concurrent=3, payload=7, strategy="SingleRecord", content_type="image/jpeg")
    transforms.conclude(run(door, job))
    answer = json.loads((tmp_path / "the answers/ant/0 é.jpg.out").read_bytes())["predictions"][0]["seen"]
    # The stand-in answers once three requests stand there together, and tells how many did at most.
    assert answer == {
        "SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "7", "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD", "type": "image/jpeg", "together": 3,
    }  # fmt: skip


def test_one_bad_picture_fails_the_job_by_its_name_and_the_others_stay(
    door: Door, transform: Make, folder: Path, tmp_path: Path
) -> None:
    (folder / "bee" / "3 é.jpg").write_bytes(b"bad")
    # An earlier job's, of the same name.
    (tmp_path / "the answers" / "bee").mkdir(parents=True)
    (tmp_path / "the answers" / "bee" / "3 é.jpg.out").write_text("old")
    os.utime(tmp_path / "the answers" / "bee" / "3 é.jpg.out", (0, 0))
    (folder / "bee" / "4 é.jpg").write_bytes(b"x" * (1 << 20) + b"x")
    # The longest name that an answer can have, and one that is too long.
    longest, longer = f"{'a' * 247}.jpg", f"{'b' * 248}.jpg"
    (folder / "bee" / "5 é.jpg").rename(folder / "bee" / longest)
    (folder / "bee" / "2 é.jpg").rename(folder / "bee" / longer)
    described = run(door, transform(payload=1))
    with pytest.raises(JobFailed, match=r"bee/3 é\.jpg \(400: These bytes are no image\)"):
        transforms.conclude(described)
    assert described["FailureReason"].startswith("ClientError: 3 of 12 objects have no answer")
    assert "more than MaxPayloadInMB, 1" in described["FailureReason"]
    assert "bee/3 é.jpg: ClientError: 400" in log(door, "batch")
    assert f"{longer}: ClientError: with .out its name is too long" in log(door, "batch")
    assert len(written(tmp_path)) == 10 and f"bee/{longest}.out" in written(tmp_path)
    assert answers.result(door, described).answered == 9


def test_what_is_answered_is_left_out_by_a_manifest(door: Door, transform: Make, folder: Path, tmp_path: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    (folder / "bee" / "empty.jpg").touch()
    (tmp_path / "the answers" / "ant").mkdir(parents=True)
    (tmp_path / "the answers" / "ant" / "0 é.jpg.out").write_text("kept")
    job = transform()
    done = [each.key for each in door.listing(job.output + "/")]
    chosen = select(door.listing(job.input), done)
    assert (chosen.others, chosen.empty, chosen.answered) == (("notes.txt",), ("bee/empty.jpg",), ("ant/0 é.jpg",))
    job = listed(job, chosen, door.write)
    described = transforms.conclude(run(door, job))
    assert create_transform_job(job)["TransformInput"]["DataSource"]["S3DataSource"]["S3DataType"] == "ManifestFile"
    assert (tmp_path / "the answers" / "ant" / "0 é.jpg.out").read_text() == "kept"
    assert answers.result(door, described).answered == 11


def test_the_marks_of_folders_in_s3_are_left_out_without_a_word() -> None:
    sizes = {"": 0, "ant/": 0, "ant/1.JPG": 9, "ant/2.tiff": 10, "ant/1.JPG.out": 5}
    there = [Listed(key, size) for key, size in sizes.items()]
    chosen = select(there)
    assert (chosen.keys, chosen.folders, chosen.others) == (
        ("ant/1.JPG", "ant/2.tiff"),
        ("", "ant/"),
        ("ant/1.JPG.out",),
    )
    assert not chosen.whole and chosen.largest == ("ant/2.tiff", 10)
    assert select(there[2:4]).whole and not select(there[:3]).whole


def test_a_stopped_job_keeps_what_it_wrote_and_ends_its_server(
    door: Door, transform: Make, folder: Path, tmp_path: Path, state: Path
) -> None:
    (folder / "bee" / "5 é.jpg").write_bytes(b"wait")
    transforms.start(door, transform(concurrent=1))
    wait(lambda: len(written(tmp_path)) == 11)
    assert transforms.stop(door, "batch") in ("Stopping", "Stopped")
    (last,) = [event for event in transforms.watch(door, "batch") if isinstance(event, Ended)]
    with pytest.raises(JobStopped, match="--resume goes on"):
        transforms.conclude(last.description)
    assert len(written(tmp_path)) == 11
    wait(lambda: not processes_under(state))
    assert transforms.stop(door, "batch") == "Stopped"


@pytest.mark.parametrize(
    ("body", "mode", "reason"),
    [(b"die", "", "The server ended with status 3 after"), (b"fail", "", "AlgorithmError: 1 of 12 objects"),
     (b"", "", "there is no manifest.json in the model")],
)  # fmt: skip
def test_a_server_that_fails_is_the_reason(
    door: Door, transform: Make, folder: Path, model: Path, body: bytes, mode: str, reason: str
) -> None:
    if body:
        (folder / "bee" / "5 é.jpg").write_bytes(body)
    else:
        (model / "manifest.json").unlink()
    described = run(door, transform(retries=1))
    assert described["TransformJobStatus"] == "Failed" and reason in described["FailureReason"]


def test_a_supervisor_that_was_killed_leaves_a_job_that_says_so(
    door: Door, transform: Make, folder: Path, state: Path
) -> None:
    (folder / "bee" / "5 é.jpg").write_bytes(b"wait")
    transforms.start(door, transform())
    record = state / "transform-jobs/batch/supervisor.json"
    wait(lambda: len(processes_under(state)) > 1 and record.exists())
    os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
    ended = wait(lambda: (found := transforms.describe(door, "batch"))["TransformJobStatus"] == "Failed" and found)
    assert "supervisor of this job ended" in ended["FailureReason"]


def test_a_job_whose_name_is_taken_leaves_no_model_behind(door: Door, transform: Make) -> None:
    transforms.conclude(run(door, transform()))
    door.sagemaker.delete_model(ModelName="batch")
    with pytest.raises(ClientError, match="exists already"):
        transforms.start(door, transform())
    with pytest.raises(ClientError, match="Could not find model"):
        door.sagemaker.describe_model(ModelName="batch")


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ({"MaxConcurrentTransforms": -1, "MaxPayloadInMB": -1}, {}),
        ({"MaxConcurrentTransforms": 0, "MaxPayloadInMB": 0}, {"MaxPayloadInMB": 0}),
        ({"MaxConcurrentTransforms": 4, "BatchStrategy": "SingleRecord"}, {"MaxConcurrentTransforms": 4}),
    ],
)
def test_of_what_a_container_says_of_itself_only_what_can_be_is_taken(
    said: dict[str, Any], taken: dict[str, int]
) -> None:
    class Says(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Says) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        assert parameters(("127.0.0.1", server.server_port)) == taken
        thread.join()


def test_a_reason_that_is_common_to_all_that_failed_is_told_once() -> None:
    faults = [Fault(f"{number}.jpg", "ClientError", "406: No answer can be given.") for number in range(41)]
    assert reason(faults, 41) == (
        "ClientError: 41 of 41 objects have no answer, all for one reason: 406: No answer can be given (0.jpg, 1.jpg, "
        "2.jpg, …). What was written stays."
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "may be 100 at most"),
        ({"TransformResources": {"InstanceType": "local", "InstanceCount": 2}}, "one machine"),
        ({"BatchStrategy": "MultiRecord", "DataProcessing": {"JoinSource": "Input"}}, "DataProcessing is AWS's alone"),
        ({"TransformOutput": {"S3OutputPath": "file:///x", "AssembleWith": "Line"}}, "AssembleWith is Line"),
        ({"TransformOutput": {"S3OutputPath": "s3://b/x"}}, "reads folders, not s3://b/x"),
        ({"ModelName": "nothing"}, "Could not find model"),
    ],
)
def test_what_this_machine_cannot_do_is_refused(
    door: Door, transform: Make, change: dict[str, Any], reason: str
) -> None:
    model = create_transform_model(transform())
    assert model is not None
    door.sagemaker.create_model(**model)
    with pytest.raises(ClientError, match=reason):
        door.sagemaker.create_transform_job(**{**create_transform_job(transform()), **change})
