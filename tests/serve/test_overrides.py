"""The user's code/inference.py, run by the pipeline as a worker runs it."""

from __future__ import annotations

import json
import logging
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from container.common.errors import ArtifactError
from container.serve import pipeline
from container.serve.overrides import UserCodeError
from container.serve.request import Request
from container.serve.response import Answer
from container.serve.settings import Settings
from tests.serve.running import picture
from tests.serve.test_pipeline import SETTINGS


def loaded(base: Path, code: str, settings: Settings = SETTINGS) -> pipeline.Pipeline:
    (base / "model" / "code").mkdir(exist_ok=True)
    (base / "model" / "code" / (settings.program or "inference.py")).write_text(textwrap.dedent(code))
    return pipeline.load(base / "model", settings)


def asked(served: pipeline.Pipeline, body: bytes | None = None, context: object = None, **headers: str) -> Answer:
    plain = {"content-type": "image/jpeg", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return served.answer([Request(plain, picture() if body is None else body)], context)[0]


def test_what_is_left_out_keeps_our_behaviour(own: Path) -> None:
    ours = asked(pipeline.load(own / "model", SETTINGS))
    served = loaded(
        own,
        """
        from container.serve.pipeline import softmax

        def predict_fn(data, model):
            return softmax(model(data))
        """,
    )
    assert asked(served) == ours
    assert asked(served, accept="text/csv").content_type == "text/csv"
    assert asked(served, b"junk").status == 400
    assert asked(served, content_type="text/html").status == 415


def test_all_four_functions_need_no_artifact(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    served = loaded(
        tmp_path,
        """
        def model_fn(model_dir):
            return 3

        def input_fn(data, content_type):
            return int(data)

        def predict_fn(data, model):
            return data * model

        def output_fn(prediction, accept):
            return str(prediction), "text/plain"
        """,
    )
    assert asked(served, b"14", content_type="text/plain") == Answer(200, "text/plain", b"42")


def test_a_model_fn_alone_gives_the_logits(own: Path) -> None:
    served = loaded(
        own,
        """
        import numpy as np

        def model_fn(model_dir):
            return lambda pixels: np.tile(np.float32([0, 5, 0]), (len(pixels), 1))
        """,
    )
    (prediction,) = json.loads(asked(served).body)["predictions"]
    assert (prediction["label"], prediction["index"]) == ("ant", 1)
    assert prediction["probability"] == pytest.approx(0.98672, abs=1e-3)


def test_a_function_may_take_the_server_s_context(own: Path) -> None:
    served = loaded(own, "def output_fn(prediction, accept, context):\n    return context.word\n")
    assert asked(served, context=SimpleNamespace(word="from the server")).body == b"from the server"


def test_a_result_that_is_no_table_of_probabilities_is_plain_json(own: Path) -> None:
    served = loaded(own, "def predict_fn(data, model):\n    return {'shape': list(data.shape)}\n")
    assert json.loads(asked(served).body) == {"predictions": {"shape": [1, 32, 32, 3]}}


@pytest.mark.parametrize(
    ("parameters", "seen"),
    [("body, kind", 2), ("body, kind, context", 3), ("body, kind, context=None", 3), ("body, kind, **more", 2),
     ("*all", 2), ("body, *all, more=1", 2), ("body, kind, *, more=1", 2)],
)  # fmt: skip
def test_the_context_is_given_to_who_has_a_place_for_it(own: Path, parameters: str, seen: int) -> None:
    code = (
        f"def input_fn({parameters}):\n    found = dict(locals())\n    count = 0\n"
        "    for value in found.values():\n        count += len(value) if isinstance(value, tuple) else "
        "not isinstance(value, (int, dict))\n    return count\n"
        "def predict_fn(data, model):\n    return data\n"
        "def output_fn(prediction, accept):\n    return str(prediction)\n"
    )
    answer = asked(loaded(own, code))
    assert (answer.status, int(answer.body)) == (200, seen)


@pytest.mark.parametrize("name", ["input_fn", "predict_fn", "output_fn"])
def test_an_exception_names_the_function_and_hides_the_traceback(
    own: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = loaded(own, f"def {name}(one, two):\n    raise KeyError('a private word')\n")
    with caplog.at_level(logging.ERROR):
        answer = asked(served)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"]) == (500, "UserCodeError")
    assert name in error["message"] and "private" not in error["message"]
    assert "a private word" in caplog.text and "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def predict_fn(data, model):\n    return float('nan')\n", "define output_fn"),
        ("def predict_fn(data, model):\n    return object()\n", "define output_fn"),
        ("import numpy as np\ndef predict_fn(data, model):\n    return np.full((1, 3), np.nan)\n", "no numbers"),
        ("def output_fn(prediction, accept):\n    return 3\n", "give bytes or str"),
        ("def model_fn(model_dir):\n    return 3\n", "cannot be called"),
    ],
)
def test_a_result_that_is_no_answer_is_a_500_with_a_sentence(own: Path, code: str, said: str) -> None:
    answer = asked(loaded(own, code))
    assert answer.status == 500
    assert said in json.loads(answer.body)["error"]["message"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import not_there\n", "cannot be imported"),
        ("def model_fn(:\n", "cannot be imported"),
        ("def predict_fn(data):\n    return 1\n", r"predict_fn\(data\) in "),
        ("def input_fn(body, kind, context, more):\n    return 1\n", "cannot be called with 2 arguments"),
        ("def input_fn(body, kind, *, more):\n    return 1\n", r"input_fn\(body, kind, \*, more\) in "),
        ("def transform_fn(a, b, c, d):\n    return 1\n", "transform_fn"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_when_the_model_is_loaded(own: Path, code: str, said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        loaded(own, code)


def test_a_file_that_is_named_and_not_there_is_said(own: Path) -> None:
    with pytest.raises(ArtifactError, match=r"SAGEMAKER_PROGRAM is mine\.py"):
        pipeline.load(own / "model", replace(SETTINGS, program="mine.py"))
    served = loaded(own, "def predict_fn(data, model):\n    return 'mine'\n", replace(SETTINGS, program="mine.py"))
    assert json.loads(asked(served).body) == {"predictions": "mine"}


def test_code_that_ends_the_process_ends_the_request_or_the_load_alone(own: Path) -> None:
    served = loaded(own, "import sys\ndef predict_fn(data, model):\n    sys.exit(3)\n")
    answer = asked(served)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (500, "UserCodeError")
    with pytest.raises(UserCodeError, match="model_fn"):
        loaded(own, "import sys\ndef model_fn(model_dir):\n    sys.exit(3)\n")
    with pytest.raises(ArtifactError, match="cannot be imported"):
        loaded(own, "import sys\nsys.exit(3)\n")
    with pytest.raises(MemoryError):
        loaded(own, "raise MemoryError\n")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain", "text/plain"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("text/plän", "application/json"),
        ("text/plain; charset=ü", "application/json"),
        ("text/html, text/plain", "application/json"),
        ("text/*", "application/json"),
        ("plain", "application/json"),
    ],
)
def test_a_body_alone_is_of_the_accepted_type_where_that_is_one(own: Path, accept: str, content_type: str) -> None:
    served = loaded(own, "def output_fn(prediction, accept):\n    return accept\n")
    answer = asked(served, accept=accept)
    assert (answer.body.decode(), answer.content_type) == (accept, content_type)
    served = loaded(own, f"def output_fn(prediction, accept):\n    return 'x', {accept!r}\n")
    assert asked(served).content_type == content_type


@pytest.mark.parametrize("accept", [{}, {"accept": "*/*"}])
def test_output_fn_is_given_the_default_type_for_anything(own: Path, accept: dict[str, str]) -> None:
    code = "def output_fn(prediction, accept):\n    return accept\n"
    assert asked(loaded(own, code), **accept).body == b"application/json"
    ours = loaded(own, code, replace(SETTINGS, default_accept="text/csv"))
    answer = asked(ours, **accept)
    assert (answer.body, answer.content_type) == (b"text/csv", "text/csv")


def test_lists_of_different_lengths_are_plain_json(own: Path) -> None:
    served = loaded(own, "def predict_fn(data, model):\n    return [[1, 2], [3]]\n")
    assert json.loads(asked(served).body) == {"predictions": [[1, 2], [3]]}


def test_an_input_fn_is_given_no_more_than_the_limit(own: Path) -> None:
    served = loaded(own, "def input_fn(data, content_type):\n    raise KeyError\n", replace(SETTINGS, max_payload=9))
    assert asked(served, b"9 letters").status == 500
    assert asked(served, b"10 letters").status == 413


def test_attributes_of_the_callers_own_are_not_taken_for_slips(own: Path) -> None:
    served = loaded(own, "def predict_fn(data, model):\n    return 1\n")
    assert asked(served, x_amzn_sagemaker_custom_attributes="topk=9").status == 200


def test_a_failing_model_fn_ends_the_load(own: Path) -> None:
    with pytest.raises(UserCodeError, match="model_fn"):
        loaded(own, "def model_fn(model_dir):\n    raise OSError('gone')\n")


def test_a_model_without_an_artifact_needs_our_functions_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(ArtifactError, match="No model"):
        loaded(tmp_path, "def model_fn(model_dir):\n    return 3\n")


def test_explanations_are_not_promised_for_other_people_s_answers(own: Path) -> None:
    served = loaded(own, "def predict_fn(data, model):\n    return model(data)\n")
    answer = asked(served, x_amzn_sagemaker_custom_attributes="explain=gradcam")
    assert answer.status == 400
