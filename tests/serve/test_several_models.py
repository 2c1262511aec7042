"""Multi-model mode: load, list, describe, invoke, unload, as SageMaker asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve import artifacts
from tests.serve.running import Reply, Serving, ask, picture


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    base = tmp_path_factory.mktemp("several")
    for name, seed in (("first", 1), ("second", 2)):
        artifacts.tiny(base / "models" / name / "model", seed=seed)
    one = Serving(base, base / "serve.log", SAGEMAKER_MULTI_MODEL="true")
    try:
        one.ready()
        yield one
        assert one.end() == 0
    finally:
        one.kill()


def load(one: Serving, name: str, folder: Path | None = None) -> Reply:
    path = folder or one.log_path.parent / "models" / name / "model"
    body = json.dumps({"model_name": name, "url": str(path)}).encode()
    return ask(one.port, "POST", "/models", body, Content_Type="application/json")


def unload(one: Serving, name: str) -> Reply:
    return ask(one.port, "DELETE", f"/models/{name}")


def invoke(one: Serving, name: str, body: bytes, content_type: str = "image/jpeg") -> Reply:
    return ask(one.port, "POST", f"/models/{name}/invoke", body, Content_Type=content_type)


def names(one: Serving) -> list[str]:
    return [model["modelName"] for model in ask(one.port, "GET", "/models").json["models"]]


def test_it_answers_pings_before_any_model_is_loaded(several: Serving) -> None:
    assert several.ping() == 200
    assert names(several) == []


def test_models_are_loaded_listed_invoked_and_unloaded(several: Serving) -> None:
    assert load(several, "first").status == 200
    assert load(several, "second").status == 200
    assert names(several) == ["first", "second"]
    described = ask(several.port, "GET", "/models/first").json
    assert (described[0] if isinstance(described, list) else described)["modelName"] == "first"
    answers = [invoke(several, name, picture()) for name in ("first", "second")]
    assert [a.status for a in answers] == [200, 200]
    assert answers[0].json != answers[1].json
    assert invoke(several, "first", b"x", "text/csv").error == "UnsupportedContentType"
    assert load(several, "first").status == 409
    assert unload(several, "first").status == 200
    assert names(several) == ["second"]
    assert invoke(several, "first", picture()).status == 404
    assert unload(several, "first").status == 404
    assert invoke(several, "second", picture()).json == answers[1].json
    assert load(several, "first").status == 200
    assert invoke(several, "first", picture()).json == answers[0].json
    for name in ("first", "second"):
        assert unload(several, name).status == 200


def test_a_model_that_cannot_be_loaded_is_an_error_and_not_listed(several: Serving, tmp_path: Path) -> None:
    artifacts.tiny(tmp_path / "broken")
    (tmp_path / "broken" / "model.bin").unlink()
    assert load(several, "broken", tmp_path / "broken").status == 500
    assert load(several, "nothing", tmp_path / "nothing").status == 404
    assert names(several) == []
    assert "has no model.bin" in several.log
    assert several.ping() == 200


@pytest.mark.parametrize("where", ["model_fn(model_dir)", "predict_fn(data, model)"])
def test_short_memory_is_507(several: Serving, tmp_path: Path, where: str) -> None:
    artifacts.tiny(tmp_path / "large")
    (tmp_path / "large" / "code").mkdir()
    (tmp_path / "large" / "code" / "inference.py").write_text(f"def {where}:\n    raise MemoryError\n")
    loaded = load(several, "large", tmp_path / "large")
    if where.startswith("model_fn"):
        assert loaded.status == 507
    else:
        assert loaded.status == 200
        assert invoke(several, "large", picture()).status == 507
    unload(several, "large")
    assert names(several) == []
