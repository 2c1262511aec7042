"""Export: which precision is kept, what the files hold, and that a folder is a whole model or none."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch

from container.common.artifact import FEATURE_MAP, LOGITS, PIXELS, Manifest, read_manifest
from container.common.errors import ArtifactError, StorageError
from container.network import Design, Network, build, from_artifact
from container.train import conversion, export, storage
from container.train.body import Proof, Variant
from container.train.cache import Cache
from container.train.console import Console
from container.train.export import Candidate
from container.train.frozen import FrozenBody
from container.train.stopping import JobStopped, StopSignal
from container.train.tail import head_steps, last_feature_map, replay
from tests.train.jobs import Jobs
from tests.train.places import NO_CACHE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIZE = 64


def network(architecture: str = "resnet18", head: tuple[int, ...] = ()) -> Network:
    torch.manual_seed(0)
    return build(Design(architecture=architecture, head=head, class_count=4, image_size=SIZE)).eval()


def manifest(architecture: str = "resnet18", head: tuple[int, ...] = ()) -> Manifest:
    return Manifest(
        architecture=architecture,
        head=head,
        dropout=(0.0,),
        classes=("a", "b", "c", "d"),
        image_size=SIZE,
        resize="squash",
        channels=3,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        precision="fp32",
    )


def proof(count: int = 12, size: int = SIZE) -> Proof:
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return Proof(
        calibration=lambda: pixels,
        validation=lambda: pixels,
        labels=np.arange(count, dtype=np.int64) % 4,
        key=str(count),
    )


def exported(
    folder: Path,
    net: Network,
    *,
    precision: str,
    head: tuple[int, ...] = (),
    frozen: bool = False,
    cache: Cache = NO_CACHE,
    of: Proof | None = None,
) -> tuple[Manifest, str]:
    log = io.StringIO()
    found = export.export(
        net,
        manifest(head=head),
        of or proof(),
        folder,
        precision=precision,
        frozen=FrozenBody(net) if frozen else None,
        cache=cache,
        console=Console(stream=log),
        stop=StopSignal(),
    )
    return found, log.getvalue()


def test_auto_tries_all_precisions_and_reports_them(tmp_path: Path) -> None:
    net = network(head=(8,))
    found, log = exported(tmp_path / "model", net, precision="auto", head=(8,))
    assert set(found.precisions) >= {"fp32", "int8"}
    assert ("bf16" in found.precisions) is conversion.processor_has_bf16()
    assert all(set(row) == {"validation_accuracy", "latency_ms"} for row in found.precisions.values())
    assert "exported precision: " in log
    assert "(fp32 " in log
    assert read_manifest(tmp_path / "model") == found
    assert found.versions["openvino"].startswith("2026")
    again = from_artifact(tmp_path / "model", found)
    images = torch.from_numpy(proof().validation())
    with torch.no_grad():
        torch.testing.assert_close(again(images), net(images))


@pytest.mark.parametrize(("precision", "holds", "computes"), [("fp32", "fp32", "f32"), ("bf16", "fp32", "bf16")])
def test_a_precision_that_is_asked_for_is_kept(tmp_path: Path, precision: str, holds: str, computes: str) -> None:
    found, _ = exported(tmp_path / "model", network(), precision=precision)
    assert (found.precision, found.inference_precision) == (holds, computes)
    assert "int8" not in found.precisions, "what cannot be chosen is not tried"


def test_int8_weights_leave_room_for_the_sums_of_any_processor(tmp_path: Path) -> None:
    exported(tmp_path / "model", network(), precision="int8")
    operations = ov.Core().read_model(tmp_path / "model" / "model.xml").get_ops()
    weights = [op for op in operations if op.get_type_name() == "Constant" and op.get_element_type() == ov.Type.i8]
    assert weights
    # Without VNNI pairs of products with 8-bit activations are added in 16 bits: 2 · 64 · 255 fits, 2 · 127 · 255 not.
    assert max(int(abs(op.data.astype(int)).max()) for op in weights) <= 64


def test_int8_files_are_int8_inside(tmp_path: Path) -> None:
    found, _ = exported(tmp_path / "model", network(), precision="int8")
    assert found.precision == "int8"
    model = ov.Core().read_model(tmp_path / "model" / "model.xml")
    assert any(op.get_type_name() == "FakeQuantize" for op in model.get_ops())
    assert any(op.get_type_name() == "Constant" and op.get_element_type() == ov.Type.i8 for op in model.get_ops())
    assert (tmp_path / "model" / "model.bin").stat().st_size < 15_000_000, "fp32 takes 45 MB"


def test_the_file_has_the_contracts_names_and_takes_any_number_of_images(tmp_path: Path) -> None:
    exported(tmp_path / "model", network(), precision="fp32")
    model = ov.Core().read_model(tmp_path / "model" / "model.xml")
    (pixels,) = model.inputs
    assert pixels.any_name == PIXELS
    assert pixels.element_type == ov.Type.u8
    assert str(pixels.partial_shape) == f"[?,{SIZE},{SIZE},3]"
    assert [o.any_name for o in model.outputs] == [LOGITS, FEATURE_MAP]
    compiled = ov.Core().compile_model(model, "CPU")
    for count in (1, 5):
        assert compiled([proof(count).validation()])[LOGITS].shape == (count, 4)


def candidate(name: str, accuracy: float) -> Candidate:
    variant = Variant(
        name=name, file=name, precision="", inference_precision="", features=np.zeros((1, 1), np.float32), latency_ms=1
    )
    return Candidate(variant, accuracy, 1.0)


@pytest.mark.parametrize(
    ("accuracies", "wanted", "chosen"),
    [
        ({"fp32": 0.98, "bf16": 0.98, "int8": 0.9771}, "auto", "int8"),
        ({"fp32": 0.98, "bf16": 0.9771, "int8": 0.9769}, "auto", "bf16"),
        ({"fp32": 0.98, "bf16": 0.97, "int8": 0.96}, "auto", "fp32"),
        ({"fp32": 0.98, "int8": 0.96}, "auto", "fp32"),
        ({"fp32": 0.98, "int8": 0.2}, "int8", "int8"),
        ({"fp32": 0.98, "bf16": 0.2}, "bf16", "bf16"),
    ],
)
def test_auto_keeps_the_cheapest_precision_that_loses_no_more_than_allowed(
    accuracies: dict[str, float], wanted: str, chosen: str
) -> None:
    tried = [candidate(name, accuracy) for name, accuracy in accuracies.items()]
    assert export._choose(tried, wanted).name == chosen


TAILS = {
    "resnet18": ("avgpool",),
    "densenet121": ("relu", "avgpool"),
    "vgg11": ("flatten", "linear:classifier.0", "relu", "linear:classifier.3", "relu"),
    "squeezenet1_1": ("avgpool",),
    "mobilenet_v2": ("avgpool",),
    "swin_t": ("avgpool",),
    # A token is no map, and a hard swish or a layer norm after pooling no step of a tail.
    "vit_b_16": None,
    "mobilenet_v3_small": None,
    "convnext_tiny": None,
}


@pytest.mark.parametrize("architecture", TAILS)
def test_the_tail_from_feature_map_to_the_head_is_found_where_there_is_one(architecture: str) -> None:
    net = network(architecture)
    pixels = torch.from_numpy(proof(3).validation())
    found = last_feature_map(net, pixels)
    assert (found.tail if found else None) == TAILS[architecture]


@pytest.mark.parametrize("architecture", ["resnet18", "vgg11"])
def test_map_tail_and_head_give_the_networks_logits(architecture: str) -> None:
    net = network(architecture, head=(8,) if architecture == "resnet18" else ())
    pixels = torch.from_numpy(proof(3).validation())
    found = last_feature_map(net, pixels)
    assert found is not None
    maps: list[torch.Tensor] = []
    found.module.register_forward_hook(lambda _module, _inputs, output: maps.append(output))
    with torch.no_grad():
        logits = net(pixels).numpy()
    weights = {name: tensor.numpy() for name, tensor in net.net.state_dict().items()}
    replayed = replay((*found.tail, *head_steps(net)), maps[0].numpy(), weights)
    np.testing.assert_allclose(replayed, logits, atol=1e-4)


def test_a_tail_is_replayed_step_by_step() -> None:
    feature_map = np.array([[[[1.0, -3.0], [5.0, 1.0]], [[-1.0, -1.0], [-1.0, -1.0]]]], dtype=np.float32)
    weights = {"x.weight": np.array([[2.0, 1.0]], np.float32), "x.bias": np.array([0.5], np.float32)}
    assert replay(("avgpool", "linear:x"), feature_map, weights) == pytest.approx(2 * 1.0 - 1.0 + 0.5)
    assert replay(("relu", "avgpool", "linear:x"), feature_map, weights) == pytest.approx(2 * 1.75 + 0.5)
    assert replay(("flatten", "linear:x"), feature_map, weights) is None


@pytest.mark.parametrize("part", ["body", "head"])
def test_a_model_that_does_not_compute_what_the_network_does_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    other = network()
    with torch.no_grad():
        (other.head.linear0.bias if part == "head" else other.net.layer4[1].bn2.bias).add_(1)  # type: ignore
    if part == "head":
        convert_head = conversion.convert_head
        monkeypatch.setattr(conversion, "convert_head", lambda _head: convert_head(other.head))
    else:
        convert = conversion.convert
        monkeypatch.setattr(conversion, "convert", lambda _network, _map, *rest: convert(other, None, *rest))
    with pytest.raises(ArtifactError, match="logits differ from the network's"):
        exported(tmp_path / "model", network(), precision="fp32")
    assert not list((tmp_path / "model").iterdir())
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_disk_that_fills_during_the_export_leaves_no_half_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(export, "save_file", full)
    with pytest.raises(StorageError, match=r"weights\.safetensors cannot be written: the disk is full; give"):
        exported(tmp_path / "model", network(), precision="fp32")
    assert not list((tmp_path / "model").iterdir())


def test_a_stop_during_the_export_leaves_no_half_model(tmp_path: Path) -> None:
    stop = StopSignal()
    stop.set()
    with pytest.raises(JobStopped):
        export.export(
            network(),
            manifest(),
            proof(),
            tmp_path / "model",
            precision="fp32",
            frozen=None,
            cache=NO_CACHE,
            console=Console(silent=True),
            stop=stop,
        )
    assert not list((tmp_path / "model").iterdir())


def test_an_ir_that_was_cut_short_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(_model: object, path: Path, **_: object) -> None:
        path.write_text("<?xml version='1.0'?><net><layers>")
        path.with_suffix(".bin").write_bytes(b"x")

    monkeypatch.setattr(ov, "save_model", short)
    with pytest.raises(StorageError, match=r"fp32\.xml cannot be written: the disk is full"):
        conversion.save(object(), tmp_path / "fp32.xml")


def test_a_gray_job_exports_a_gray_model(jobs: Jobs) -> None:
    jobs.run(exported=True, grayscale="true", epochs="1", image_size="40", resize="crop")
    model = ov.Core().read_model(jobs.paths().model / "model.xml")
    assert str(model.inputs[0].partial_shape) == "[?,40,40,1]"
    found = jobs.manifest()
    assert (found.channels, found.resize, len(found.mean)) == (1, "crop", 3)
    assert len(set(found.mean)) == 1


def test_writes_go_through_a_neighbour_and_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    storage.write_text(path, "old")

    def half(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="the disk is full"):
        storage.write(path, half)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), storage.told(tmp_path):
        raise ZeroDivisionError


def test_a_frozen_body_is_exported_once_for_all_that_share_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    log = io.StringIO()
    cache = Cache(tmp_path / "cache", console=Console(stream=log), stop=StopSignal())
    exported(tmp_path / "first", network(), precision="auto", frozen=True, cache=cache)
    second = network()
    with torch.no_grad():
        second.head.linear0.weight.mul_(-2)  # type: ignore[operator,union-attr]
    alone, _ = exported(tmp_path / "alone", second, precision="auto")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("converted")

    monkeypatch.setattr(conversion, "convert", never)
    monkeypatch.setattr(conversion, "quantize", never)
    found, told = exported(tmp_path / "second", second, precision="auto", frozen=True, cache=cache)
    assert "exported body: from the cache" in told
    assert (found.precision, found.explanation) == (alone.precision, alone.explanation)
    pixels = proof(5).validation()
    for output in range(2):
        one, two = (
            ov.Core().compile_model(tmp_path / name / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(pixels)
            for name in ("alone", "second")
        )
        np.testing.assert_array_equal(one[output], two[output])
    assert log.getvalue() == ""


def test_features_that_are_known_are_not_computed_again(tmp_path: Path) -> None:
    net, images = network(), proof().validation()
    body = FrozenBody(net)
    features = body.runner(images[:2]).all(images, lambda _: None)
    known, _ = exported(tmp_path / "known", net, precision="fp32", frozen=True, of=replace(proof(), features=features))
    alone, _ = exported(tmp_path / "alone", net, precision="fp32", frozen=True)
    assert known.precisions["fp32"]["validation_accuracy"] == alone.precisions["fp32"]["validation_accuracy"]
    wrong = replace(proof(), features=-features)
    told, _ = exported(tmp_path / "told", net, precision="fp32", frozen=True, of=wrong)
    with torch.no_grad():
        expected = net.head(torch.from_numpy(-features)).numpy().argmax(axis=1)
    assert told.precisions["fp32"]["validation_accuracy"] == (expected == wrong.labels).mean(), "they are what is used"


def test_a_body_whose_conversion_is_not_the_network_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    body, images = FrozenBody(network()), proof().validation()[:2]
    other = conversion.convert(network("resnet34"), None, torch.from_numpy(images))
    monkeypatch.setattr(conversion, "convert", lambda *_: other)
    with pytest.raises(ArtifactError, match="The exported model's features differ from the network's by"):
        body.runner(images)


def test_a_damaged_body_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache", console=Console(silent=True), stop=StopSignal())
    exported(tmp_path / "model", network(), precision="fp32", frozen=True, cache=cache)
    whole = (tmp_path / "model" / "model.bin").read_bytes()
    (weights,) = (tmp_path / "cache" / "bodies").glob("*/fp32.bin")
    with weights.open("r+b") as file:
        file.seek(1000)
        file.write(b"damaged")
    for words in ("is damaged; it is made again", "from the cache"):
        _, told = exported(tmp_path / "model", network(), precision="fp32", frozen=True, cache=cache)
        assert words in told
        assert (tmp_path / "model" / "model.bin").read_bytes() == whole
