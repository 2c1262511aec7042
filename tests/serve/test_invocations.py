"""Requests to a running server: every content type in, every type out, and everything that can be wrong."""

from __future__ import annotations

import base64
import csv
import io
import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from container.common.images import Geometry, prepare
from tests.serve.artifacts import CLASSES, TINY_SIZE
from tests.serve.running import Reply, Serving, ask, picture

PNG = picture(kind="PNG")
# A lossless picture sent in any form must give this answer.


@pytest.fixture(scope="module")
def expected(serving: Serving) -> Any:
    return serving.post(PNG, "image/png").json["predictions"][0]


@pytest.fixture(autouse=True)
def _alive_and_right(serving: Serving, expected: Any) -> Any:
    """After every test, good or bad, the server answers as it did at first."""
    yield
    assert serving.post(PNG, "image/png").json["predictions"] == [expected]


def array(data: bytes = PNG) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def npy(value: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, value, **options)
    return file.getvalue()


def b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def instances(*values: Any) -> bytes:
    return json.dumps({"instances": list(values)}).encode()


# --- what is taken


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/png", PNG),
        ("IMAGE/PNG; charset=binary", PNG),
        ("application/x-image", PNG),
        ("application/octet-stream", PNG),
        ("image/bmp", picture(kind="BMP")),
        ("image/webp", picture(kind="WEBP", lossless=True)),
        ("image/gif", picture(kind="GIF")),
        ("application/x-npy", npy(array())),
        ("application/x-npy", npy(np.asfortranarray(array()))),
        ("application/x-npy", npy(array()[None])),
        ("application/octet-stream", npy(array())),
        ("application/json", instances(b64(PNG))),
        ("application/json; charset=utf-8", instances(array().tolist())),
        ("application/json", instances((array() * 1.0).tolist())),
    ],
)
def test_a_picture_gives_the_same_answer_in_every_form(
    serving: Serving, expected: Any, content_type: str, body: bytes
) -> None:
    reply = serving.post(body, content_type)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {"predictions": [expected]}


def test_the_answer_has_the_form_of_the_contract(expected: Any) -> None:
    assert list(expected) == ["label", "index", "probability", "top_k"]
    assert [best["label"] for best in expected["top_k"]] != list(CLASSES), (
        "the test's answer should not be in class order"
    )
    assert sorted(best["label"] for best in expected["top_k"]) == sorted(CLASSES)
    assert sum(best["probability"] for best in expected["top_k"]) == pytest.approx(1, abs=1e-5)
    assert expected["top_k"][0] == {k: expected[k] for k in ("label", "index", "probability")}
    assert CLASSES[expected["index"]] == expected["label"]


def test_a_jpeg_is_answered_and_a_turned_one_is_set_upright_first(serving: Serving) -> None:
    plain = picture(96, 64, quality=100, subsampling=0)
    turned = Image.open(io.BytesIO(plain)).rotate(90, expand=True)  # as a camera held sideways stores it

    def probabilities(orientation: int) -> list[float]:
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        turned.save(file, "JPEG", quality=100, subsampling=0, exif=exif)
        return shares(serving.post(file.getvalue()))

    def shares(reply: Reply) -> list[float]:
        best = sorted(reply.json["predictions"][0]["top_k"], key=lambda one: one["index"])
        return [one["probability"] for one in best]

    upright = shares(serving.post(plain))
    off = np.abs(np.subtract(probabilities(6), upright)).max()
    # Lying on its side it gives another answer; with its orientation told, the same but for JPEG's second rounding.
    assert np.abs(np.subtract(probabilities(1), upright)).max() > 4 * off


def test_several_images_are_answered_in_their_order(serving: Serving, expected: Any) -> None:
    other = picture(kind="PNG", value=10)
    reply = serving.post(instances(b64(other), b64(PNG), array().tolist(), b64(other)), "application/json")
    answers = reply.json["predictions"]
    assert answers[1] == answers[2] == expected
    assert answers[0] == answers[3] != expected
    stacked = serving.post(npy(np.stack([array(other), array()])), "application/x-npy").json["predictions"]
    assert stacked == answers[:2]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16", "CMYK"])
def test_odd_pictures_are_answered(serving: Serving, mode: str) -> None:
    if mode == "I;16":
        file = io.BytesIO()
        Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20).save(file, "PNG")
        body = file.getvalue()
    elif mode == "CMYK":
        body = picture(mode="CMYK")
    else:
        body = picture(kind="PNG", mode=mode)
    reply = serving.post(body, "application/x-image")
    assert reply.status == 200, reply.body


def test_an_animation_is_answered_for_its_first_frame(serving: Serving) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue", "green")]
    file, first = io.BytesIO(), io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    frames[0].save(first, "GIF")
    assert serving.post(file.getvalue(), "image/gif").json == serving.post(first.getvalue(), "image/gif").json


def test_one_pixel_is_answered(serving: Serving) -> None:
    assert serving.post(picture(1, 1, "PNG"), "image/png").status == 200


def test_a_body_without_a_content_type_is_looked_into(serving: Serving, expected: Any) -> None:
    assert ask(serving.port, "POST", "/invocations", PNG).json == {"predictions": [expected]}


# --- what goes out


def test_json_lines_have_an_entry_a_line(serving: Serving, expected: Any) -> None:
    reply = serving.post(instances(b64(PNG), b64(PNG)), "application/json", Accept="application/jsonlines")
    assert reply.headers["content-type"] == "application/jsonlines"
    assert [json.loads(line) for line in reply.body.splitlines()] == [expected, expected]


def test_csv_has_a_row_an_image_and_quotes_a_comma(serving: Serving, expected: Any) -> None:
    reply = serving.post(PNG, "image/png", Accept="text/csv", X_Amzn_SageMaker_Custom_Attributes="top_k=3")
    assert reply.headers["content-type"] == "text/csv"
    (row,) = csv.reader(io.StringIO(reply.body.decode()))
    assert row == [str(v) for best in expected["top_k"] for v in best.values()]


def test_npy_has_the_probabilities_in_class_order(serving: Serving, expected: Any) -> None:
    reply = serving.post(PNG, "image/png", Accept="application/x-npy")
    assert reply.headers["content-type"] == "application/x-npy"
    probabilities = np.load(io.BytesIO(reply.body))
    assert probabilities.shape == (1, 3) and probabilities.dtype == np.float32
    assert int(probabilities.argmax()) == expected["index"]


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "image/png, */*;q=0.1", "text/html;q=0.9, application/json;q=0.5"]
)
def test_wildcards_give_json(serving: Serving, accept: str) -> None:
    assert serving.post(PNG, "image/png", Accept=accept).headers["content-type"] == "application/json"


def test_top_k_is_what_was_asked_for(serving: Serving) -> None:
    def asked(value: str) -> Reply:
        return serving.post(PNG, "image/png", X_Amzn_SageMaker_Custom_Attributes=value)

    assert len(asked("top_k=1").json["predictions"][0]["top_k"]) == 1
    assert len(asked("trace=7f, top_k=2").json["predictions"][0]["top_k"]) == 2
    assert len(asked("top_k=999").json["predictions"][0]["top_k"]) == 3
    assert asked("c000b4f9-df62-4c85-a0bf-7c525f9104a4").status == 200
    assert asked("topic=cats").status == 200, "a word of the caller's own"
    for wrong in (f"top_k={'9' * 5000}", "top_k=0", "top_k=-1", "top_k=many", "top_k=1.5", "topk=2", "explain=magic"):
        assert (asked(wrong).status, asked(wrong).error) == (400, "BadInput"), wrong


@pytest.mark.parametrize("method", ["gradcam", "occlusion"])
def test_an_explanation_is_a_gray_picture_of_the_input_s_size(serving: Serving, method: str) -> None:
    reply = serving.post(PNG, "image/png", X_Amzn_SageMaker_Custom_Attributes=f"explain={method};top_k=1")
    (entry,) = reply.json["predictions"]
    told = entry["explanation"]
    assert (told["method"], told["label"], told["index"]) == (method, entry["label"], entry["index"])
    heat = Image.open(io.BytesIO(base64.b64decode(told["heat_map"])))
    assert (heat.size, heat.mode) == ((TINY_SIZE, TINY_SIZE), "L")


def test_an_explanation_is_not_given_as_csv(serving: Serving) -> None:
    reply = serving.post(PNG, "image/png", Accept="text/csv", X_Amzn_SageMaker_Custom_Attributes="explain=gradcam")
    assert (reply.status, reply.error) == (406, "NotAcceptable")


# --- what is refused


def _narrow() -> bytes:
    return picture(1, 100_000, "PNG")


def _bomb() -> bytes:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


def _blank() -> bytes:
    """90 million pixels in 11 kB."""
    file = io.BytesIO()
    Image.new("1", (9_000, 10_000)).save(file, "PNG")
    return file.getvalue()


def _pickled() -> bytes:
    return npy(np.array([{"a": 1}], dtype=object), allow_pickle=True)


def _false_shape() -> bytes:
    return npy(array()).replace(b"(48, 64, 3)", b"(9**9,64,3)")


def _header(text: str) -> bytes:
    """A .npy file of one byte with a header of one's own."""
    head = text.encode() + b" " * 20 + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + b"\0"


def _shaped(shape: str) -> bytes:
    return _header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}")


def _huge_shape() -> bytes:
    whole = npy(np.zeros((1, 100, 100, 3), np.uint8))
    return whole.replace(b"(1, 100, 100, 3)", b"(99999999999,3)  ")[: len(whole)]


JPEG = picture(200, 150, quality=90)

REFUSED: dict[str, tuple[str, bytes, int, str]] = {
    "zero bytes": ("image/jpeg", b"", 400, "BadInput"),
    "text as a picture": ("image/jpeg", b"hello there", 400, "BadInput"),
    "a corrupt jpeg": ("image/jpeg", JPEG[:300] + bytes(200) + b"\xff\xd9", 400, "BadInput"),
    "a truncated jpeg": ("image/jpeg", JPEG[: len(JPEG) // 2], 400, "BadInput"),
    "a truncated png": ("image/png", PNG[: len(PNG) // 2], 400, "BadInput"),
    "20,000 × 20,000 pixels": ("image/png", _bomb(), 413, "PayloadTooLarge"),
    "1 × 100,000 pixels": ("image/png", _narrow(), 413, "PayloadTooLarge"),
    "a program's file": ("application/octet-stream", b"\x7fELF" + bytes(100), 400, "BadInput"),
    "a pickle": ("application/x-npy", _pickled(), 400, "BadInput"),
    "a bare pickle": ("application/x-npy", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.", 400, "BadInput"),
    "npy of floats": ("application/x-npy", npy(array() / 255), 400, "BadInput"),
    "npy with a false shape": ("application/x-npy", _false_shape(), 400, "BadInput"),
    "npy with a huge shape": ("application/x-npy", _huge_shape(), 400, "BadInput"),
    "npy of two channels": ("application/x-npy", npy(array()[..., :2]), 400, "BadInput"),
    "npy with no pixel": ("application/x-npy", npy(array()[:0]), 400, "BadInput"),
    "npy with no image": ("application/x-npy", npy(array()[None][:0]), 400, "BadInput"),
    "npy of five dimensions": ("application/x-npy", npy(array()[None, None]), 400, "BadInput"),
    "npy with a broken header": ("application/x-npy", _header("{'descr': '|u1', 'shape': (1,"), 400, "BadInput"),
    "npy of no type": (
        "application/x-npy",
        _header("{'descr': (), 'fortran_order': False, 'shape': (1, 1)}"),
        400,
        "BadInput",
    ),
    "npy of 32 dimensions": ("application/x-npy", _shaped(repr((1,) * 32)), 400, "BadInput"),
    "npy of 33 dimensions": ("application/x-npy", _shaped(repr((1,) * 33)), 400, "BadInput"),
    "npy of nothing, endlessly": ("application/x-npy", _shaped(repr((0, 10**30))), 400, "BadInput"),
    "npy of a number too long to be written": ("application/x-npy", _shaped(f"(0, 0x{'f' * 4000})"), 400, "BadInput"),
    "npy of brackets without end": ("application/x-npy", _shaped("(" * 5000), 400, "BadInput"),
    "a truncated npy": ("application/x-npy", npy(array())[:-9], 400, "BadInput"),
    "no json": ("application/json", b'{"instances": [', 400, "BadInput"),
    "json in no known letters": ("application/json", b'{"instances": "\xff"}', 400, "BadInput"),
    "json without instances": ("application/json", b'{"inputs": []}', 400, "BadInput"),
    "json that is a list": ("application/json", b"[1, 2]", 400, "BadInput"),
    "no instance": ("application/json", instances(), 400, "BadInput"),
    "an instance that is a number": ("application/json", instances(3), 400, "BadInput"),
    "an instance with a false key": ("application/json", instances({"base64": "aa"}), 400, "BadInput"),
    "false base64": ("application/json", instances({"b64": "*nothing*"}), 400, "BadInput"),
    "base64 of no picture": ("application/json", instances(b64(b"hello")), 400, "BadInput"),
    "a ragged list": ("application/json", instances([[[1, 2, 3]], [[1, 2]]]), 400, "BadInput"),
    "a flat list": ("application/json", instances([1, 2, 3]), 400, "BadInput"),
    "a list of words": ("application/json", instances([[["a", "b", "c"]]]), 400, "BadInput"),
    "values above 255": ("application/json", instances([[[256, 0, 0]]]), 400, "BadInput"),
    "values below 0": ("application/json", instances([[[-1, 0, 0]]]), 400, "BadInput"),
    "values between": ("application/json", instances([[[0.5, 0, 0]]]), 400, "BadInput"),
    "a value that is no number": ("application/json", b'{"instances": [[[[NaN, 0, 0]]]]}', 400, "BadInput"),
    "lists without end": ("application/json", b'{"instances": [' + b"[" * 200_000, 400, "BadInput"),
    "lists within lists": ("application/json", b'{"instances": [' + b"[" * 90 + b"]" * 90 + b"]}", 400, "BadInput"),
    "one wrong among right ones": ("application/json", instances(b64(PNG), b64(b"x")), 400, "BadInput"),
    "too many images": ("application/json", instances(*[b64(PNG)] * 9), 413, "PayloadTooLarge"),
    "too many images at once": ("application/x-npy", npy(np.zeros((9, 4, 4, 3), np.uint8)), 413, "PayloadTooLarge"),
    "too many pixels in all": ("application/json", instances(*[b64(_blank())] * 5), 413, "PayloadTooLarge"),
    "too many bytes": ("image/png", bytes(3 * 1024 * 1024), 413, "PayloadTooLarge"),
    "csv": ("text/csv", b"1,2,3", 415, "UnsupportedContentType"),
    "a video": ("video/mp4", b"....", 415, "UnsupportedContentType"),
    "a nonsense type": ("image", PNG, 415, "UnsupportedContentType"),
    "a form": ("application/x-www-form-urlencoded", b"body=1", 415, "UnsupportedContentType"),
    "a picture as a form": ("application/x-www-form-urlencoded", JPEG, 415, "UnsupportedContentType"),
    "a form in parts": ("multipart/form-data; boundary=x", b"--x\r\n", 415, "UnsupportedContentType"),
    "a form in no parts": ("Multipart/Form-Data", PNG, 415, "UnsupportedContentType"),
    "an svg": ("image/svg+xml", b"<svg/>", 415, "UnsupportedContentType"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_answered_is_refused_with_a_sentence(serving: Serving, what: str) -> None:
    content_type, body, status, code = REFUSED[what]
    reply = serving.post(body, content_type)
    assert (reply.status, reply.error) == (status, code), reply.body
    assert reply.headers["content-type"] == "application/json"
    if status == 415:
        assert "image/jpeg" in reply.json["error"]["message"], "the accepted types are named"


def test_a_url_is_refused_and_nobody_fetches_it(serving: Serving) -> None:
    """The published bins took a JSON of a URL and fetched whatever it named."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0)
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/bin.jpg"
        bodies = [json.dumps({"url": url}).encode(), *map(instances, (url, {"url": url}, {"b64": url}))]
        replies = [serving.post(body, "application/json") for body in bodies]
        replies.append(serving.post(url.encode(), "image/jpeg"))
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert [(reply.status, reply.error) for reply in replies] == [(400, "BadInput")] * 5


def test_a_wrong_instance_is_named(serving: Serving) -> None:
    reply = serving.post(instances(b64(PNG), b64(b"x")), "application/json")
    assert reply.json["error"]["message"].startswith("Instance 1: ")


@pytest.mark.parametrize("accept", ["image/png", "application/xml", "application/json;q=0", "nonsense", "text/plän"])
def test_a_type_that_cannot_be_given_is_406(serving: Serving, accept: str) -> None:
    reply = serving.post(PNG, "image/png", Accept=accept)
    assert (reply.status, reply.error) == (406, "NotAcceptable")
    assert reply.headers["content-type"] == "application/json"


def test_a_body_far_beyond_the_limit_is_refused_before_it_is_sent(serving: Serving) -> None:
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as caller:
        caller.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 83886080\r\n\r\n")
        assert caller.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_path_that_is_not_there_is_404(serving: Serving) -> None:
    assert ask(serving.port, "GET", "/secrets").status == 404
    assert ask(serving.port, "GET", "/models").status == 404, "with one model nobody manages models from outside"


def test_the_answer_is_the_network_s_own(serving: Serving, tiny: Path, expected: Any) -> None:
    import torch

    from container.serve.pipeline import softmax
    from tests.serve.artifacts import tiny_network

    pixels = prepare(PNG, Geometry(TINY_SIZE))
    with torch.no_grad():
        logits, _ = tiny_network()(torch.from_numpy(pixels[None]))
    probabilities = softmax(logits.numpy())[0]
    assert int(probabilities.argmax()) == expected["index"]
    assert float(probabilities.max()) == pytest.approx(expected["probability"], abs=1e-4)
