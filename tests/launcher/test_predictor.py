"""Asking from Python, through either door: what is sent is the picture, what comes back is an object."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from PIL import Image

import launcher
from container.common.images import decode
from launcher import Predictor
from launcher.aws.clients import aws_door
from launcher.aws.objects import Objects
from launcher.config.run import Endpoint
from launcher.doors import Door
from launcher.errors import NotFound, PredictionError, UnusableData
from launcher.verbs import endpoints
from tests.launcher.conftest import wait

BEST = {"label": "bee", "index": 1, "probability": 0.9}
OTHER = {"label": "ant", "index": 0, "probability": 0.1}
PREDICTION: dict[str, Any] = {**BEST, "top_k": [BEST, OTHER]}


class Recorded:
    """A runtime that remembers what it was asked."""

    def __init__(self, predictions: list[dict[str, Any]], content_type: str = "application/json") -> None:
        self.requests: list[dict[str, Any]] = []
        self._payload, self._type = json.dumps({"predictions": predictions}).encode(), content_type

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        return {"Body": io.BytesIO(self._payload), "ContentType": self._type}


@pytest.fixture
def runtime() -> Recorded:
    return Recorded([PREDICTION])


@pytest.fixture
def predictor(door: Door, runtime: Recorded) -> Predictor:
    return Predictor("bees", door=replace(door, runtime=runtime))


def pixels(height: int = 6, width: int = 9) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_path_is_sent_as_it_is_with_its_type(predictor: Predictor, runtime: Recorded, tmp_path: Path) -> None:
    Image.fromarray(pixels()).save(tmp_path / "bee.jpg")
    for given in (tmp_path / "bee.jpg", str(tmp_path / "bee.jpg")):
        found = predictor.predict(given)
        assert (found.label, found.index, found.probability) == ("bee", 1, 0.9)
        assert [each.label for each in found.top_k] == ["bee", "ant"]
    assert [request["ContentType"] for request in runtime.requests] == ["image/jpeg", "image/jpeg"]
    assert runtime.requests[0]["Body"] == (tmp_path / "bee.jpg").read_bytes()


def test_bytes_are_left_for_the_server_to_recognise(predictor: Predictor, runtime: Recorded) -> None:
    predictor.predict(b"\x89PNG")
    predictor.predict(b"\x89PNG", content_type="image/png")
    assert [request["ContentType"] for request in runtime.requests] == ["application/octet-stream", "image/png"]


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 1), (6, 9, 3)])
def test_an_array_goes_as_numpy_writes_it(predictor: Predictor, runtime: Recorded, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    predictor.predict(array)
    (request,) = runtime.requests
    assert request["ContentType"] == "application/x-npy"
    np.testing.assert_array_equal(np.load(io.BytesIO(request["Body"]), allow_pickle=False), array)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "P", "RGBA"])
def test_an_image_arrives_without_loss(predictor: Predictor, runtime: Recorded, mode: str) -> None:
    image = Image.fromarray(pixels()).convert(mode)
    predictor.predict(image)
    (request,) = runtime.requests
    sent = Image.fromarray(received) if isinstance(received := decode(request["Body"]), np.ndarray) else received
    assert request["ContentType"] == "image/png"
    np.testing.assert_array_equal(np.asarray(sent.convert("RGB")), np.asarray(image.convert("RGB")))


def test_an_image_that_lies_on_its_side_is_sent_upright(
    predictor: Predictor, runtime: Recorded, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels()).save(tmp_path / "phone.jpg", exif=exif, quality=95)
    with Image.open(tmp_path / "phone.jpg") as image:
        predictor.predict(image)
    sent, meant = (decode(data) for data in (runtime.requests[0]["Body"], (tmp_path / "phone.jpg").read_bytes()))
    assert np.asarray(sent).shape == (9, 6, 3)
    np.testing.assert_array_equal(np.asarray(sent), np.asarray(meant))


def test_a_batch_is_one_request(door: Door) -> None:
    runtime = Recorded([PREDICTION, {**OTHER, "top_k": [OTHER]}])
    predictor = Predictor("bees", door=replace(door, runtime=runtime))
    assert [each.label for each in predictor.predict_batch(np.stack([pixels(), pixels()]))] == ["bee", "ant"]
    assert len(runtime.requests) == 1
    with pytest.raises(PredictionError, match="saw 2 pictures in the array; ask with predict_batch"):
        predictor.predict(np.stack([pixels(), pixels()]))


def test_options_go_with_the_request_and_the_heat_map_comes_back(door: Door) -> None:
    heat = io.BytesIO()
    Image.new("L", (4, 4)).save(heat, "PNG")
    import base64

    explained = {**PREDICTION, "explanation": {"heat_map": base64.b64encode(heat.getvalue()).decode()}}
    runtime = Recorded([explained])
    found = Predictor("bees", door=replace(door, runtime=runtime)).predict(pixels(), top_k=2, explain="gradcam")
    assert runtime.requests[0]["CustomAttributes"] == "top_k=2,explain=gradcam"
    assert found.heat_map == heat.getvalue()
    assert "data:image/png;base64," in found._repr_html_()


def test_one_of_several_models_is_asked_by_its_name(door: Door, runtime: Recorded) -> None:
    Predictor("bees", target_model="a.tar.gz", variant="blue", door=replace(door, runtime=runtime)).predict(b"x")
    assert (runtime.requests[0]["TargetModel"], runtime.requests[0]["TargetVariant"]) == ("a.tar.gz", "blue")
    Predictor("bees", door=replace(door, runtime=runtime)).predict(b"x")
    assert not {"TargetModel", "TargetVariant"} & set(runtime.requests[1])


def test_a_notebook_shows_labels_as_text(predictor: Predictor, door: Door) -> None:
    odd = {"label": "<b>", "index": 0, "probability": 1.0}
    found = Predictor("bees", door=replace(door, runtime=Recorded([{**odd, "top_k": [odd]}]))).predict(pixels())
    assert "&lt;b&gt;" in found._repr_html_() and "<b>" not in found._repr_html_()
    assert repr(predictor) == "Predictor('bees', local)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Path("/nowhere.jpg"), "The picture /nowhere.jpg cannot be read"),
        (np.zeros((4, 4, 3), np.float32), "The array holds float32, and uint8"),
        ([[1, 2], [3, 4]], "A list is no picture"),
        (None, "A NoneType is no picture"),
    ],
)
def test_what_is_no_picture_is_said_before_anything_is_sent(
    predictor: Predictor, runtime: Recorded, given: Any, said: str
) -> None:
    with pytest.raises(UnusableData, match=said):
        predictor.predict(given)
    assert not runtime.requests


def test_an_answer_of_another_kind_is_named(door: Door) -> None:
    runtime = Recorded([], "text/html")
    with pytest.raises(PredictionError, match="answered text/html without predictions"):
        Predictor("bees", door=replace(door, runtime=runtime)).predict(b"x")


def test_an_endpoint_of_this_machine_is_found_by_its_name(
    door: Door, endpoint: Callable[..., Endpoint], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    name = endpoints.deploy(door, endpoint())
    try:
        wait(lambda: door.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService")
        monkeypatch.setenv("BYOC_STATE", str(state))
        for predictor in (Predictor(name), Predictor(name, state=state, local=True)):
            assert predictor.predict(pixels(), top_k=2).label == "bee"
        with pytest.raises(PredictionError, match="the bytes: the endpoint answered 400: These bytes are no image"):
            predictor.predict(b"bad")
        with pytest.raises(NotFound, match="There is no endpoint 'wasps'"):
            Predictor("wasps", local=True).predict(b"x")
        with pytest.raises(NotFound, match=f"did you mean '{name}'?.*BYOC_STATE says where else to look"):
            Predictor(name[:-1], local=True).predict(b"x")
    finally:
        endpoints.delete(door, name)


def test_an_endpoint_in_aws_is_asked_with_the_same_request(door: Door) -> None:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "eu-west-1"}
    runtime = boto3.client("sagemaker-runtime", **keys)
    payload = json.dumps({"predictions": [PREDICTION]}).encode()
    with Stubber(runtime) as stub:
        stub.add_response(
            "invoke_endpoint",
            {"Body": StreamingBody(io.BytesIO(payload), len(payload)), "ContentType": "application/json"},
            {"EndpointName": "bees", "Body": b"\xff\xd8", "ContentType": "application/octet-stream",
             "Accept": "application/json", "CustomAttributes": "top_k=1"},
        )  # fmt: skip
        there = aws_door(boto3.client("sagemaker", **keys), runtime, door.logs, Objects(lambda: None))  # type: ignore[arg-type]
        predictor = Predictor("bees", door=there)
        assert predictor.predict(b"\xff\xd8", top_k=1).label == "bee"
        assert repr(predictor) == "Predictor('bees', aws)"


def test_the_package_gives_its_names_when_asked_and_no_others() -> None:
    assert all(hasattr(launcher, name) for name in launcher.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Predicter'"):
        _ = launcher.Predicter
