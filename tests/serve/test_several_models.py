"""Multi-model mode: load, list, describe, invoke, unload, as SageMaker asks for them."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from container.serve import report
from tests.serve import artifacts
from tests.serve.running import Reply, Serving, ask, picture, until


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


@pytest.fixture
def placed(several: Serving) -> Iterator[Callable[..., Path]]:
    """Puts a further model where SageMaker would, with code of its own if given."""
    models = several.log_path.parent / "models"
    made: list[Path] = []

    def place(name: str, code: str | None = None) -> Path:
        folder = artifacts.tiny(models / name / "model")
        made.append(folder.parent)
        if code is not None:
            (folder / "code").mkdir()
            (folder / "code" / "inference.py").write_text(code)
        return folder

    yield place
    for folder in made:
        shutil.rmtree(folder)


def test_a_model_that_cannot_be_loaded_is_an_error_and_not_listed(
    several: Serving, placed: Callable[..., Path]
) -> None:
    broken = placed("broken")
    (broken / "model.bin").unlink()
    assert load(several, "broken").status == 500
    assert load(several, "nothing").status == 404
    assert names(several) == []
    until(lambda: "has no model.bin" in several.log)
    assert several.ping() == 200


def test_where_a_model_s_own_code_failed_is_said(several: Serving, placed: Callable[..., Path]) -> None:
    placed("failing", "def model_fn(model_dir):\n    raise ValueError('no such layer')\n")
    for count in (1, 2):
        assert load(several, "failing").status == 500
        until(lambda wanted=count: several.log.count("failed with ValueError; the log") == wanted)
    assert several.log.count('inference.py", line 2, in model_fn') == 2
    assert several.log.count("ValueError: no such layer") == 2
    assert names(several) == []


def test_a_model_that_did_not_fit_can_be_loaded_later(several: Serving, placed: Callable[..., Path]) -> None:
    name = "large, very large"
    folder = placed(name, "def model_fn(model_dir):\n    raise MemoryError\n")
    before = len(several.log)
    for _ in range(2):
        assert load(several, name).status == 507
        until(lambda: not report.short(Path(several.java().cwd())))
        assert names(several) == []
    until(lambda: several.log.count("Memory is too short to load the model") >= 2)
    (folder / "code" / "inference.py").unlink()
    assert load(several, name).status == 200
    assert invoke(several, quote(name), picture()).status == 200
    assert unload(several, quote(name)).status == 200
    assert "Traceback" not in several.log[before:]


def test_a_model_whose_answer_does_not_fit_is_507_and_stays(several: Serving, placed: Callable[..., Path]) -> None:
    placed("large", "def predict_fn(data, model):\n    raise MemoryError\n")
    assert load(several, "large").status == 200
    assert invoke(several, "large", picture()).status == 507
    assert names(several) == ["large"]
    assert unload(several, "large").status == 200


def test_a_model_from_elsewhere_is_not_loaded_and_its_code_not_run(
    several: Serving, placed: Callable[..., Path], tmp_path: Path
) -> None:
    code = f"from pathlib import Path\nPath({str(tmp_path / 'run')!r}).touch()\n"
    artifacts.tiny(tmp_path / "model")
    (tmp_path / "model" / "code").mkdir()
    (tmp_path / "model" / "code" / "inference.py").write_text(code)
    assert load(several, "elsewhere", tmp_path / "model").status == 404
    link = placed("linked")
    shutil.rmtree(link)
    link.symlink_to(tmp_path / "model")
    assert load(several, "linked").status == 500
    until(lambda: "lies outside" in several.log)
    assert not (tmp_path / "run").exists()


def test_nothing_is_downloaded(several: Serving) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0)
        for host in ("127.0.0.1", "localhost"):
            for scheme in ("http", "https"):
                url = f"{scheme}://{host}:{elsewhere.getsockname()[1]}/model.mar"
                body = json.dumps({"model_name": "far", "url": url}).encode()
                reply = ask(several.port, "POST", "/models", body, Content_Type="application/json")
                assert reply.status == 400
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert names(several) == []


def test_loads_are_not_counted_where_nobody_reads_the_count(several: Serving) -> None:
    assert load(several, "first").status == 200
    assert unload(several, "first").status == 200
    written = {path.name for path in Path(several.java().cwd()).iterdir()}
    assert "store" in written
    assert not written & {"loads", "ready"}


def test_packages_that_are_not_installed_are_said(several: Serving, placed: Callable[..., Path]) -> None:
    folder = placed("asking", "")
    (folder / "code" / "requirements.txt").write_text("greeting\n")
    assert load(several, "asking").status == 200
    until(lambda: "requirements.txt is not installed" in several.log)
    assert unload(several, "asking").status == 200
