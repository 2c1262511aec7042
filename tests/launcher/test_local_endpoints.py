"""Endpoints of the local door."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from launcher.config.run import Endpoint
from launcher.doors import Door
from launcher.errors import AwsError, JobFailed, NotFound
from launcher.local.uris import to_uri
from launcher.verbs import endpoints
from tests.launcher.conftest import processes_under, wait

Make = Callable[..., Endpoint]


def up(door: Door, endpoint: Endpoint) -> str:
    name = endpoints.deploy(door, endpoint)
    for _ in endpoints.watch(door, name):
        pass
    endpoints.conclude(door, name)
    return name


def ask(door: Door, name: str, body: bytes = b"picture") -> dict[str, object]:
    answer = door.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType="image/jpeg")
    document: dict[str, object] = json.loads(answer["Body"].read())
    return document


def test_an_endpoint_comes_up_answers_and_is_gone_when_deleted(door: Door, endpoint: Make, state: Path) -> None:
    name = up(door, endpoint())
    assert ask(door, name)["predictions"][0]["label"] == "bee"  # type: ignore[index]
    deletion = endpoints.delete(door, name)
    assert deletion.gone == ["endpoint bees", "endpoint configuration bees", "model bees"] and not deletion.kept
    with pytest.raises(NotFound):
        endpoints.describe(door, name)
    wait(lambda: not processes_under(state))
    assert not (state / "endpoints" / name).exists()


def test_two_endpoints_stand_beside_each_other(door: Door, endpoint: Make) -> None:
    names = [up(door, endpoint(name)) for name in ("one", "two")]
    assert all("predictions" in ask(door, name) for name in names)
    endpoints.delete(door, "one")
    assert "predictions" in ask(door, "two")
    endpoints.delete(door, "two")


def test_content_type_and_options_reach_the_container(door: Door, endpoint: Make) -> None:
    name = up(door, endpoint())
    answer = door.runtime.invoke_endpoint(
        EndpointName=name, Body=b"x", ContentType="image/png", CustomAttributes="top_k=2"
    )
    assert answer["ContentType"] == "application/json" and answer["InvokedProductionVariant"] == "AllTraffic"
    assert json.loads(answer["Body"].read())["predictions"][0]["seen"] == {"type": "image/png", "options": "top_k=2"}
    endpoints.delete(door, name)


def test_a_server_is_given_an_installer_when_its_model_asks_for_packages_and_else_not(
    door: Door, endpoint: Make, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    plain = up(door, endpoint("plain"))
    (model / "code").mkdir()
    (model / "code" / "requirements.txt").write_text("humanize\n")
    own = up(door, endpoint("own"))
    nothing, something = (ask(door, name, b"installer")["predictions"][0]["seen"] for name in (plain, own))  # type: ignore[index]
    assert nothing == {"uv": None, "index": None}
    assert os.access(something["uv"], os.X_OK) and something["index"] == "https://index.example/simple"
    for name in (plain, own):
        endpoints.delete(door, name)


def test_the_containers_refusal_is_a_model_error_with_its_words(door: Door, endpoint: Make) -> None:
    name = up(door, endpoint())
    with pytest.raises(ClientError) as refused:
        ask(door, name, b"bad")
    assert refused.value.response["Error"]["Code"] == "ModelError"
    assert refused.value.response["OriginalStatusCode"] == 400  # type: ignore[typeddict-item]
    assert "no image" in refused.value.response["OriginalMessage"]  # type: ignore[typeddict-item]
    endpoints.delete(door, name)


def test_a_server_that_ends_makes_the_endpoint_fail_with_its_last_line(
    door: Door, endpoint: Make, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    name = endpoints.deploy(door, endpoint(model_data=to_uri(empty)))
    for _ in endpoints.watch(door, name):
        pass
    with pytest.raises(JobFailed, match=r"there is no manifest\.json in the model"):
        endpoints.conclude(door, name)
    endpoints.delete(door, name)


def test_a_dangling_link_in_a_model_is_named(door: Door, endpoint: Make, model: Path) -> None:
    (model / "weights").symlink_to("/nowhere/weights")
    name = endpoints.deploy(door, endpoint())
    for _ in endpoints.watch(door, name):
        pass
    reason = endpoints.describe(door, name)["FailureReason"]
    assert reason.startswith(f"{model}/weights cannot be copied (") and "No such file" in reason
    endpoints.delete(door, name)


def test_a_server_that_dies_in_service_is_told(door: Door, endpoint: Make) -> None:
    name = up(door, endpoint())
    with pytest.raises(ClientError):
        ask(door, name, b"die")
    description = wait(lambda: (d := endpoints.describe(door, name))["EndpointStatus"] == "Failed" and d)
    assert "status 3 while in service" in description["FailureReason"]
    with pytest.raises(ClientError, match="is Failed, not InService"):
        ask(door, name)
    endpoints.delete(door, name)


def test_an_endpoint_may_be_deleted_while_it_comes_up(door: Door, endpoint: Make, state: Path) -> None:
    name = endpoints.deploy(door, endpoint(mode="mute"))
    wait((state / "endpoints" / name / "handles.json").exists)
    endpoints.delete(door, name)
    wait(lambda: not processes_under(state))


def test_an_endpoint_whose_supervisor_was_killed_is_failed_and_swept_up(
    door: Door, endpoint: Make, state: Path
) -> None:
    name = up(door, endpoint())
    supervisor = json.loads((state / "endpoints" / name / "supervisor.json").read_text())
    os.kill(supervisor["pid"], signal.SIGKILL)
    description = wait(lambda: (d := endpoints.describe(door, name))["EndpointStatus"] == "Failed" and d)
    assert "supervisor" in description["FailureReason"]
    wait(lambda: not processes_under(state))
    endpoints.delete(door, name)
    assert not (state / "endpoints" / name).exists()


def test_an_endpoint_whose_supervisor_was_killed_can_be_deleted_at_once(
    door: Door, endpoint: Make, state: Path
) -> None:
    name = up(door, endpoint())
    os.kill(json.loads((state / "endpoints" / name / "supervisor.json").read_text())["pid"], signal.SIGKILL)
    endpoints.delete(door, name)
    wait(lambda: not processes_under(state))


def test_a_packed_model_is_served_too(door: Door, endpoint: Make, model: Path, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(model / "manifest.json", arcname="manifest.json")
    name = up(door, endpoint(model_data=to_uri(archive)))
    endpoints.delete(door, name)


def test_a_name_that_is_taken_takes_back_nothing_of_the_first(door: Door, endpoint: Make) -> None:
    name = up(door, endpoint())
    with pytest.raises(AwsError, match=f"{name} exists already"):
        endpoints.deploy(door, endpoint())
    assert "predictions" in ask(door, name)
    endpoints.delete(door, name)


def test_what_a_refused_step_left_is_taken_back(door: Door, endpoint: Make) -> None:
    name = up(door, endpoint())
    door.sagemaker.delete_model(ModelName=name)
    door.sagemaker.delete_endpoint_config(EndpointConfigName=name)
    with pytest.raises(ClientError, match="already existing endpoint"):
        endpoints.deploy(door, endpoint())
    with pytest.raises(ClientError, match="Could not find"):
        door.sagemaker.describe_model(ModelName=name)
    endpoints.delete(door, name)


def test_unknown_things_are_validation_exceptions(door: Door) -> None:
    sagemaker = door.sagemaker
    for call, words in (
        (sagemaker.describe_endpoint, {"EndpointName": "x"}),
        (sagemaker.delete_endpoint, {"EndpointName": "x"}),
        (sagemaker.describe_model, {"ModelName": "x"}),
        (sagemaker.delete_model, {"ModelName": "x"}),
        (sagemaker.describe_endpoint_config, {"EndpointConfigName": "x"}),
        (sagemaker.create_endpoint, {"EndpointName": "x", "EndpointConfigName": "x"}),
    ):
        with pytest.raises(ClientError, match="Could not find") as refused:
            call(**words)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError) as refused:
        ask(door, "x")
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_answers_have_the_shape_that_botocore_describes(door: Door, endpoint: Make) -> None:
    name = up(door, endpoint())
    model = botocore.session.get_session().get_service_model("sagemaker")
    sagemaker = door.sagemaker
    answers = {
        "DescribeEndpoint": sagemaker.describe_endpoint(EndpointName=name),
        "ListEndpoints": sagemaker.list_endpoints(),
        "DescribeModel": sagemaker.describe_model(ModelName=name),
        "ListModels": sagemaker.list_models(),  # type: ignore[attr-defined]
        "DescribeEndpointConfig": sagemaker.describe_endpoint_config(EndpointConfigName=name),
        "ListEndpointConfigs": sagemaker.list_endpoint_configs(),  # type: ignore[attr-defined]
    }
    for operation, answer in answers.items():
        answer.pop("ResponseMetadata")
        shape = model.operation_model(operation).output_shape
        report = ParamValidator().validate(answer, shape)
        assert not report.has_errors(), f"{operation}: {report.generate_report()}"
        assert set(answer) <= set(shape.members)
    endpoints.delete(door, name)
