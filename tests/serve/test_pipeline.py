"""The pipeline in this process: batches, isolation, numbers that are none, precision of the answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from container.common.images import Pixels
from container.serve import memory, pipeline
from container.serve.engines import Floats, Outputs
from container.serve.request import Request
from container.serve.response import Answer
from container.serve.settings import Settings
from tests.serve.artifacts import TINY_SIZE
from tests.serve.running import picture

SETTINGS = Settings(
    host="127.0.0.1",
    port=8080,
    model_dir=Path("/opt/ml/model"),
    multi_model=False,
    engine="openvino",
    workers=1,
    threads=1,
    response_timeout=60,
    startup_timeout=60,
    max_payload=1 << 20,
    max_images=16,
    default_accept="application/json",
    program=None,
    vmargs=(),
)


class Fake:
    """An engine whose logits are the first pixel's three channels; some values are special."""

    name = "fake"

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, pixels: Pixels, *, features: bool = False) -> Outputs:
        self.sizes.append(len(pixels))
        if (pixels[:, 0, 0, 0] == 13).any():
            raise RuntimeError("the engine has failed on one image")
        logits: Floats = pixels[:, 0, 0, :3].astype(np.float32)
        logits[pixels[:, 0, 0, 0] == 77] = np.nan
        return Outputs(logits)


@pytest.fixture(scope="module")
def served(tiny: Path) -> pipeline.Pipeline:
    return pipeline.load(tiny / "model", SETTINGS)


@pytest.fixture
def fake(tiny: Path) -> tuple[pipeline.Pipeline, Fake]:
    one = pipeline.Pipeline(tiny / "model", SETTINGS)
    engine = Fake()
    one._model = replace(one._model, engine=engine)
    return one, engine


def npy(value: int, count: int = 1) -> Request:
    import io

    file = io.BytesIO()
    np.save(file, np.full((count, TINY_SIZE, TINY_SIZE, 3), (value, 5, 9), np.uint8))
    return Request({"content-type": "application/x-npy"}, file.getvalue())


def test_each_request_of_a_batch_has_its_own_types(served: pipeline.Pipeline) -> None:
    requests = [
        Request({"content-type": "image/jpeg"}, picture()),
        Request({"content-type": "image/png", "accept": "text/csv"}, picture(kind="PNG")),
        Request({"content-type": "text/html"}, b"<p>"),
        Request({"content-type": "application/json", "accept": "application/x-npy"}, b"{}"),
        Request({"content-type": "image/jpeg", "accept": "video/mp4"}, picture()),
        Request({"content-type": "image/jpeg"}, b""),
        Request({"content-type": "image/jpeg", "accept": "application/jsonlines"}, picture()),
    ]
    answers = served.answer(requests)
    assert [a.status for a in answers] == [200, 200, 415, 400, 406, 400, 200]
    kinds = [a.content_type for a in answers]
    assert kinds == ["application/json", "text/csv", *["application/json"] * 4, "application/jsonlines"]
    assert [served.answer([one])[0] for one in requests] == answers, "alone or together, the answer is the same"


def test_a_batch_is_computed_at_once(fake: tuple[pipeline.Pipeline, Fake]) -> None:
    served, engine = fake
    answers = served.answer([npy(200), npy(100, 3), npy(1)])
    assert engine.sizes == [5]
    assert [len(json.loads(a.body)["predictions"]) for a in answers] == [1, 3, 1]
    assert [json.loads(a.body)["predictions"][0]["index"] for a in answers] == [0, 0, 2]


def test_only_the_request_that_fails_the_engine_fails(fake: tuple[pipeline.Pipeline, Fake]) -> None:
    served, _ = fake
    answers = served.answer([npy(200), npy(13), npy(1)])
    assert [a.status for a in answers] == [200, 500, 200]
    error = json.loads(answers[1].body)["error"]
    assert error["code"] == "InternalError" and "one image" not in error["message"]


def test_a_result_that_is_no_number_is_an_error_and_not_invalid_json(fake: tuple[pipeline.Pipeline, Fake]) -> None:
    served, _ = fake
    answers = served.answer([npy(77), npy(1)])
    assert [a.status for a in answers] == [500, 200]
    assert json.loads(answers[0].body)["error"]["code"] == "ModelError"


def test_softmax_is_exact_for_large_logits() -> None:
    assert pipeline.softmax(np.float32([[1000, 1000, -1000]])).tolist() == [[0.5, 0.5, 0.0]]
    with pytest.raises(pipeline.ModelFault):
        pipeline.softmax(np.zeros((0, 3), np.float32))


@pytest.mark.parametrize("text", ["Failed to allocate 33554432 bytes of memory", "std::bad_alloc"])
def test_an_engine_s_want_of_memory_is_507(
    fake: tuple[pipeline.Pipeline, Fake], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, engine = fake

    def run(pixels: Pixels, *, features: bool = False) -> Outputs:
        with memory.told():
            raise RuntimeError(f"Exception from src/core.cpp:117:\n{text}\n")

    monkeypatch.setattr(engine, "run", run)
    (answer,) = served.answer([npy(1)])
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (507, "OutOfMemory")


def test_explanations_are_bounded_for_their_own_sake(served: pipeline.Pipeline) -> None:
    def asked(count: int) -> Answer:
        headers = {"content-type": "application/x-npy", "x-amzn-sagemaker-custom-attributes": "explain=occlusion"}
        return served.answer([Request(headers, npy(1, count).body)])[0]

    few = replace(SETTINGS, max_images=64)
    served = pipeline.load(served._model.folder, few)
    assert asked(2).status == 200
    refused = asked(17)
    assert refused.status == 413
    assert "at most 16" in json.loads(refused.body)["error"]["message"]


def test_the_default_type_of_answers_is_a_setting(tiny: Path) -> None:
    served = pipeline.load(tiny / "model", replace(SETTINGS, default_accept="text/csv"))
    request = Request({"content-type": "image/jpeg"}, picture())
    assert served.answer([request])[0].content_type == "text/csv"
    wild = Request({"content-type": "image/jpeg", "accept": "*/*"}, picture())
    assert served.answer([wild])[0].content_type == "text/csv"
