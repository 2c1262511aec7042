"""What is started in AWS is recorded, shown, and deleted all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from launcher.aws.ledger import FILE, Ledger, Recorded
from launcher.config.hosting import Hosting
from launcher.doors import Door
from launcher.errors import LauncherError
from launcher.verbs import clearing, endpoints, listing, training
from tests.launcher.stubbed import all_asked
from tests.launcher.test_aws import BEES, ENDPOINT_ARN, JOB_ARN, NOW, Account, described, endpoint_described, in_aws

REGION = "eu-west-1"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state", clock=lambda: datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def account(ledger: Ledger) -> Iterator[Account]:
    yield from all_asked(Account(ledger))


def there(ledger: Ledger) -> list[tuple[str, str]]:
    return [(each.kind, each.name) for each in ledger.there(REGION)]


def test_a_job_is_a_line_that_names_no_account(account: Account, ledger: Ledger, tmp_path: Path) -> None:
    account.sagemaker.add_response("create_training_job", {"TrainingJobArn": JOB_ARN})
    training.start(account.door, in_aws())
    (line,) = (tmp_path / "state" / FILE).read_text().splitlines()
    assert json.loads(line) == {
        "time": "2026-01-02T00:00:00+00:00", "event": "created", "door": "aws", "region": REGION,
        "kind": "training job", "name": "job",
    }  # fmt: skip
    assert (tmp_path / "state" / FILE).stat().st_mode & 0o077 == 0
    assert there(ledger) == [("training job", "job")]


def test_an_endpoints_three_parts_are_recorded_with_the_preset_they_were_made_by(
    account: Account, ledger: Ledger
) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": "arn:aws:sagemaker:eu-west-1:1:model/bees"})
    arn = "arn:aws:sagemaker:eu-west-1:1:endpoint-config/bees"
    account.sagemaker.add_response("create_endpoint_config", {"EndpointConfigArn": arn})
    account.sagemaker.add_response("create_endpoint", {"EndpointArn": ENDPOINT_ARN})
    endpoints.deploy(account.door, BEES.model_copy(update={"hosting": Hosting(tags={"preset": "dogs"})}))
    found = ledger.there(REGION)
    assert [each.kind for each in found] == ["model", "endpoint configuration", "endpoint"]
    assert {(each.name, each.preset, each.endpoint) for each in found} == {("bees", "dogs", "bees")}
    assert ledger.there("us-east-1") == []


def test_what_was_refused_is_not_there_and_what_was_taken_back_neither(account: Account, ledger: Ledger) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": "arn:aws:sagemaker:eu-west-1:1:model/bees"})
    account.sagemaker.add_client_error("create_endpoint_config", "ResourceLimitExceeded", "quota")
    account.sagemaker.add_response("delete_model", {}, {"ModelName": "bees"})
    with pytest.raises(ClientError):
        endpoints.deploy(account.door, BEES)
    assert there(ledger) == []


def test_a_refusal_because_of_one_that_is_there_does_not_forget_that_one(account: Account, ledger: Ledger) -> None:
    ledger.note("created", "training job", "job", REGION)
    account.sagemaker.add_client_error("create_training_job", "ResourceInUse", "exists")
    with pytest.raises(ClientError):
        training.start(account.door, in_aws())
    assert there(ledger) == [("training job", "job")]


def test_what_was_begun_when_the_connection_broke_is_remembered(ledger: Ledger) -> None:
    class Broken:
        def create_model(self, **_request: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://x")

    with pytest.raises(EndpointConnectionError):
        Recorded(Broken(), ledger, REGION).create_model(ModelName="bees")
    assert there(ledger) == [("model", "bees")]


@pytest.mark.parametrize(
    ("refusal", "remembered"),
    [
        ({"service_message": "try again", "http_status_code": 500}, True),
        ({"service_message": "Cannot create already existing job", "response_meta": {"RetryAttempts": 1}}, True),
        ({"service_message": "Cannot create already existing job", "response_meta": {"RetryAttempts": 0}}, False),
    ],
)
def test_what_failed_midway_is_remembered_for_it_may_have_been_made(
    account: Account, ledger: Ledger, refusal: dict[str, Any], remembered: bool
) -> None:
    account.sagemaker.add_client_error("create_training_job", "ValidationException", **refusal)
    with pytest.raises(ClientError):
        training.start(account.door, in_aws())
    assert bool(there(ledger)) is remembered


def test_a_damaged_line_is_named(ledger: Ledger, tmp_path: Path) -> None:
    ledger.note("created", "model", "bees", REGION)
    with (tmp_path / "state" / FILE).open("a") as file:
        file.write("{\n")
    with pytest.raises(LauncherError, match=r"Line 2 of .*resources\.jsonl cannot be read"):
        ledger.there()


def record(ledger: Ledger, *names: str) -> None:
    for each in names:
        kind, name = each.split("/")
        owner = {"endpoint": "bees"} if kind in listing.PARTS else {}
        ledger.note("created", kind, name, REGION, **owner)  # type: ignore[arg-type]


def test_status_shows_what_was_started_from_here_and_how_it_stands(account: Account, ledger: Ledger) -> None:
    record(ledger, "training job/job", "model/bees", "endpoint configuration/bees", "endpoint/bees", "training job/old")
    account.sagemaker.add_response("describe_endpoint", endpoint_described("InService"))
    account.sagemaker.add_response("describe_training_job", described("Completed", "Completed", "x"))
    account.missing("describe_training_job", "Requested resource not found.")
    rows = listing.recorded(account.door, ledger.there(REGION)).rows
    assert [(row["kind"], row["name"], row["status"]) for row in rows] == [
        ("training job", "job", "Completed"), ("endpoint", "bees", "InService"), ("training job", "old", "gone"),
    ]  # fmt: skip


@pytest.mark.parametrize("there_before", ["", "endpoint/bees"])
def test_models_are_shown_once_their_endpoint_is_gone(account: Account, ledger: Ledger, there_before: str) -> None:
    record(ledger, "model/bees", *filter(None, [there_before]))
    if there_before:  # and was deleted elsewhere
        account.missing("describe_endpoint")
    model = {"ModelName": "bees", "ExecutionRoleArn": in_aws().role, "CreationTime": NOW,
             "ModelArn": "arn:aws:sagemaker:eu-west-1:123456789012:model/bees"}  # fmt: skip
    account.sagemaker.add_response("describe_model", model)
    rows = listing.recorded(account.door, ledger.there(REGION)).rows
    assert [(row["kind"], row["status"]) for row in rows if row["status"] != listing.GONE] == [("model", "there")]


def test_all_of_this_machine_goes_too_but_what_trains(
    door: Door, create: Callable[..., str], ended: Callable[[str], Any], ledger: Ledger
) -> None:
    ended(create("done"))
    create("going", "wait")
    plan = clearing.plan(listing.everything(door).rows)
    assert [row["name"] for row in plan.running] == ["going"]
    assert [each.gone for _, each in clearing.clear(door, plan, ledger)] == ["training job done"]
    assert [row["name"] for row in listing.everything(door).rows] == ["going"]
    training.stop(door, "going")
    ended("going")


def test_all_goes_but_what_trains_endpoints_first_and_a_refusal_stops_nothing(account: Account, ledger: Ledger) -> None:
    record(ledger, "training job/old", "training job/job", "endpoint/bees", "model/left", "training job/lost",
           "model/never-made", "endpoint configuration/forgotten")  # fmt: skip
    rows = [
        {"kind": "training job", "name": "old", "status": "Completed"},
        {"kind": "training job", "name": "job", "status": "InProgress"},
        {"kind": "endpoint", "name": "bees", "status": "InService"},
        {"kind": "model", "name": "left", "status": "there"},
        {"kind": "training job", "name": "lost", "status": "gone"},
    ]
    plan = clearing.plan(rows)
    assert [row["name"] for row in plan.running] == ["job"]
    account.sagemaker.add_response("describe_endpoint", endpoint_described("InService"))
    account.sagemaker.add_response("list_endpoint_configs", {"EndpointConfigs": []})
    account.sagemaker.add_response("list_models", {"Models": []})
    account.missing("describe_endpoint_config")
    account.sagemaker.add_response("delete_endpoint", {}, {"EndpointName": "bees"})
    account.missing("delete_endpoint_config")
    account.missing("describe_endpoint")
    account.sagemaker.add_client_error("delete_training_job", "AccessDeniedException", "not authorized")
    account.sagemaker.add_response("delete_model", {}, {"ModelName": "left"})
    account.missing("delete_model")
    account.sagemaker.add_response("delete_endpoint_config", {}, {"EndpointConfigName": "forgotten"})
    done = [each for _, each in clearing.clear(account.door, plan, ledger, sleep=lambda _: None)]
    assert [each.gone for each in done] == [
        "endpoint bees", "", "model left", "model never-made (it was gone already)", "endpoint configuration forgotten",
    ]  # fmt: skip
    assert done[1].fault == "training job old: DeleteTrainingJob was refused (AccessDeniedException): not authorized"
    assert there(ledger) == [("training job", "old"), ("training job", "job")]
