"""What `status JOB` prints of a job."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from click.testing import CliRunner

from container.common.metrics import KEPT_METRICS, format_line
from launcher.cli.console import print_table
from launcher.cli.root import root

Create = Callable[..., str]
AtEnd = Callable[[str], dict[str, Any]]


def status(state: Path, name: str) -> list[str]:
    done = CliRunner().invoke(root, ["status", name, "--local", "--state", str(state)])
    assert done.exit_code == 0, done.output
    return [line.strip() for line in done.stdout.splitlines()]


def test_the_metrics_are_those_of_the_kept_epoch_which_is_named(create: Create, ended: AtEnd, state: Path) -> None:
    kept = format_line({**dict.fromkeys(KEPT_METRICS, 0.25), "best_epoch": 1})
    ended(create("job", environment={"FAKE_KEPT": kept}))
    lines = status(state, "job")
    at = lines.index("epoch    1, the best of 2")
    values = ["train:loss 0.25", "train:accuracy 0.25", "validation:loss 0.25", "validation:accuracy 0.25"]
    assert set(values) < set(lines[at:]) and not any("best_epoch" in line for line in lines)


def test_a_name_that_is_none_is_told_its_nearest(create: Create, state: Path) -> None:
    create("hands-best")
    done = CliRunner().invoke(root, ["status", "hands-bes", "--local", "--state", str(state)])
    assert done.exception and "'hands-bes'. Did you mean 'hands-best'?" in str(done.exception) + done.stderr


def test_an_aws_that_does_not_answer_for_an_unknown_name_is_told_beside_that_it_is_not_here(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_given: object, **_more: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://nowhere")

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", silent)
    done = CliRunner().invoke(root, ["status", "nobody", "--state", str(state)])
    assert done.exit_code != 0 and "On this machine nothing is called 'nobody', so AWS was asked." in done.stderr


def test_a_job_that_kept_none_shows_its_last_epoch(create: Create, ended: AtEnd, state: Path) -> None:
    ended(create("job", "fail"))
    lines = status(state, "job")
    assert lines[lines.index("epoch    2") + 1 :][:2] == ["train:loss 0.5", "validation:loss 0.5"]


def test_a_tables_columns_are_counted_in_cells_of_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("class", "n"), [("犬", "1"), ("cats", "2")])
    assert capsys.readouterr().out == "class  n\n犬     1\ncats   2\n"


def test_what_is_a_secret_by_its_name_or_its_form_is_hidden_in_json(create: Create, ended: AtEnd, state: Path) -> None:
    given = {"API_TOKEN": "hush", "HTTPS_PROXY": "http://me:hush@proxy:3128", "TOKENIZERS": "2", "MODE": "fast"}
    ended(create("job", environment=given))
    done = CliRunner().invoke(root, ["status", "job", "--local", "--state", str(state), "--json"])
    told = json.loads(done.stdout)["Environment"]
    assert {name: told[name] for name in given} == {**given, "API_TOKEN": "***", "HTTPS_PROXY": "***"}
    assert "hush" not in done.output
