"""The verb `report`: what it gathers of a search, and where it finds a training job's page."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from launcher.cli.root import root
from launcher.doors import Door
from launcher.errors import ConfigError, NotFound, UnusableData
from launcher.verbs import report
from tests.launcher.answers import THREE, Answer, search
from tests.pages import Reader


@dataclass
class FakeSageMaker:
    """The calls a report makes, with two trials a page."""

    trials: list[Answer]
    gone: str = ""
    status: str = "Completed"

    def describe_hyper_parameter_tuning_job(self, *, HyperParameterTuningJobName: str) -> Answer:
        if HyperParameterTuningJobName != "bees":
            raise missing("DescribeHyperParameterTuningJob")
        return search()

    def list_training_jobs_for_hyper_parameter_tuning_job(self, *, NextToken: str = "0", **asked: Any) -> Answer:
        first = int(NextToken)
        rest = {"NextToken": str(first + 2)} if first + 2 < len(self.trials) else {}
        return {"TrainingJobSummaries": self.trials[first : first + 2], **rest}

    def list_hyper_parameter_tuning_jobs(self, **asked: Any) -> Answer:
        return {"HyperParameterTuningJobSummaries": [{"HyperParameterTuningJobName": "bees"}]}

    def describe_training_job(self, *, TrainingJobName: str) -> Answer:
        known = {each["TrainingJobName"] for each in self.trials} | {"lonely"}
        if TrainingJobName == self.gone or TrainingJobName not in known:
            raise missing("DescribeTrainingJob")
        return {
            "TrainingJobName": TrainingJobName,
            "TrainingJobStatus": self.status,
            "BillableTimeInSeconds": 40,
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
        }

    def list_training_jobs(self, **asked: Any) -> Answer:
        return {"TrainingJobSummaries": [{"TrainingJobName": "lonely"}]}


def missing(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found."}}, operation)


@pytest.fixture
def aws(door: Door) -> Door:
    fake: Any = FakeSageMaker(THREE, gone=THREE[0]["TrainingJobName"])
    return replace(door, kind="aws", sagemaker=fake)


def test_all_pages_of_trials_are_gathered_and_a_deleted_job_is_no_hindrance(aws: Door, tmp_path: Path) -> None:
    gathered = report.gather(aws, search())
    assert [each["TrainingJobName"] for each in gathered.trials] == [each["TrainingJobName"] for each in THREE]
    assert set(gathered.jobs) == {each["TrainingJobName"] for each in THREE[1:]}
    written = report.write(gathered, tmp_path / "page.html")
    assert "Billable time 1 min 20 s" in Reader(written.read_text(encoding="utf-8")).text


def test_what_is_not_there_is_told_with_the_nearest_name(aws: Door, tmp_path: Path) -> None:
    for name, said in (
        ("bee", r"There is no search or training job 'bee'\. Did you mean 'bees'\?"),
        ("lonly", r"There is no search or training job 'lonly'\. Did you mean 'lonely'\?"),
        ("zzz", r"There is no search or training job 'zzz'\. `launch\.py status` lists"),
    ):
        with pytest.raises(NotFound, match=said):
            report.save(aws, name, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def packed(files: dict[str, bytes]) -> bytes:
    """An output.tar.gz."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


def with_output(door: Door, archive: bytes | None) -> Door:
    def read(uri: str) -> io.BytesIO:
        assert uri == "s3://bucket/out/lonely/output/output.tar.gz"
        if archive is None:
            raise NotFound(f"There is nothing at {uri}.")
        return io.BytesIO(archive)

    return replace(door, read=read)


def test_a_training_jobs_page_is_taken_out_of_its_output(aws: Door, tmp_path: Path) -> None:
    for name in ("report.html", "./report.html"):
        archive = packed({"metrics.json": b"{}", "debug/report.html": b"not this one", name: b"<p>page"})
        saved = report.save(with_output(aws, archive), "lonely", tmp_path / "page.html")
        assert saved.read_bytes() == b"<p>page"


def test_no_more_of_an_output_is_read_than_the_page_takes(aws: Door, tmp_path: Path) -> None:
    tensors = random.Random(0).randbytes(3_000_000)
    archive = packed({"report.html": b"<p>page", "debug/tensors": tensors})
    cut = archive[: len(archive) // 2]
    assert report.save(with_output(aws, cut), "lonely", tmp_path / "page.html").read_bytes() == b"<p>page"


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (None, r"lonely \(Completed\) has left no report in s3://.*; `launch\.py logs lonely` tells what it did\."),
        (packed({"metrics.json": b"{}"}), "has left no report in"),
        (b"no archive at all", "is not a readable tar.gz"),
        (packed({"report.html": random.Random(0).randbytes(50_000)})[:20_000], "is not a readable tar.gz"),
    ],
)
def test_a_training_job_without_a_page_is_told(aws: Door, tmp_path: Path, archive: bytes | None, said: str) -> None:
    with pytest.raises((NotFound, UnusableData), match=said):
        report.save(with_output(aws, archive), "lonely", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_training_job_that_runs_has_no_page_yet(aws: Door, tmp_path: Path) -> None:
    fake: Any = aws.sagemaker
    fake.status = "InProgress"
    with pytest.raises(ConfigError, match=r"lonely is InProgress and leaves its report at its end; `launch\.py"):
        report.save(aws, "lonely", tmp_path / "page.html")


def test_a_local_jobs_page_is_written_by_the_verb(
    create: Callable[..., str], ended: Callable[[str], Answer], state: Path, tmp_path: Path
) -> None:
    ended(create("job"))
    output = tmp_path / "page.html"
    words = ["report", "job", "--local", "--state", str(state), "--output", str(output)]
    done = CliRunner().invoke(root, words)
    assert done.exit_code == 0 and done.stdout.strip() == str(output)
    assert output.read_text() == "<p>The page of a job.</p>"


@pytest.mark.parametrize(
    ("place", "status", "said"),
    [
        ("page.html", 3, "There is no search or training job 'nobody'"),
        ("nowhere/page.html", 2, "lies in no folder that is there; make "),
    ],
)
def test_the_verb_writes_nothing_where_it_cannot(
    state: Path, tmp_path: Path, place: str, status: int, said: str
) -> None:
    words = ["report", "nobody", "--local", "--state", str(state), "--output", str(tmp_path / place)]
    ended = CliRunner().invoke(root, words)
    assert ended.exit_code == status and said in ended.stderr
    assert not list(tmp_path.iterdir())
