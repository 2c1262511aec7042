"""Whole jobs: what they leave, and what they refuse."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from container.common.artifact import Manifest
from container.common.errors import ArtifactError, ContainerError, DataError, HyperparameterError
from container.common.hyperparameters import parse
from container.common.images import prepare
from container.common.metrics import BEST_EPOCH, KEPT_METRICS, parse_line, parse_progress
from container.network import Design, build, from_artifact
from container.train import job, loop, preparation
from container.train.console import Console
from container.train.decode import Decoder, processors
from container.train.freezing import Freeze
from container.train.stopping import StopSignal
from container.train.world import World
from tests.train.jobs import Jobs, losses
from tests.train.places import NO_CACHE, QUICK, image_folder, quick

# The quick network learns too slowly to show that training works.
LEARNING = {"model": "resnet18", "epochs": "6", "lr": "0.002", "schedule": "onecycle"}


def test_a_job_leaves_a_whole_artifact_its_tables_and_its_lines(jobs: Jobs) -> None:
    log = jobs.run(exported=True, **LEARNING)
    lines = log.splitlines()
    epochs = [parse_line(line) for line in lines if line.startswith("epoch=")]
    assert [m["epoch"] for m in epochs] == [1, 2, 3, 4, 5, 6]
    assert set(epochs[0]) == {
        *("epoch", "train:loss", "train:accuracy", "validation:loss", "validation:accuracy", "validation:f1"),
        "images_per_second",
    }
    (final,) = [parse_line(line) for line in lines if line.startswith("test:loss")]
    assert final["test:accuracy"] > 0.8, "stripes are easy"
    (kept,) = [parse_line(line) for line in lines if line.startswith("validation:loss")]
    best = min(epochs, key=lambda m: m["validation:loss"])
    assert kept == {name: best["epoch" if name == BEST_EPOCH else name] for name in KEPT_METRICS}, "all of one epoch"
    starts = [line.split("=")[0] for line in lines if parse_line(line)]
    assert starts == [*["epoch"] * 6, "validation:loss", "test:loss"]
    assert any(parse_progress(line) for line in lines)

    paths, manifest = jobs.paths("job"), jobs.manifest()
    assert {p.name for p in paths.model.iterdir()} == {
        *("manifest.json", "model.xml", "model.bin", "weights.safetensors", "MAR-INF"),
    }
    assert all(p.stat().st_mode & 0o044 == 0o044 for p in paths.model.iterdir()), "the server is another user"
    assert manifest.classes == ("across", "down", "slanted")
    assert manifest.metrics["test:accuracy"] == pytest.approx(final["test:accuracy"], abs=1e-4)
    assert parse(manifest.hyperparameters) == parse(QUICK | LEARNING)
    assert {p.name for p in paths.output.iterdir()} >= {"metrics.json", "per_class.csv", "confusion_matrix.csv"}
    history = jobs.metrics()["history"]
    assert len(history) == 6
    matrix = (paths.output / "confusion_matrix.csv").read_text().splitlines()
    assert sum(int(v) for row in matrix[1:] for v in row.split(",")[1:]) == 24
    assert not (paths.base / ".decoded").exists()
    assert sorted(p.name for p in paths.base.iterdir()) == ["checkpoints", "input", "model", "output"]


def test_the_exported_model_is_the_trained_network(jobs: Jobs) -> None:
    import openvino as ov

    jobs.run(exported=True, model="resnet18", image_size="64", freeze="backbone", head="8", epochs="1")
    manifest, folder = jobs.manifest(), jobs.paths("job").model
    network = from_artifact(folder, manifest)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    compiled = ov.Core().compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([images])
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found["logits"], expected, atol=1e-4)
    assert manifest.explanation.tail == ("avgpool", "linear:fc.linear0", "relu", "linear:fc.linear1")
    assert found["feature_map"].shape == (3, 512, 2, 2)


def test_the_best_epoch_is_kept_and_exported(jobs: Jobs) -> None:
    # The learning rate rises until it spoils what was learnt, whatever the processor.
    jobs.run(exported=True, epochs="6", lr="0.1", schedule="none", warmup_epochs="6")
    metrics = jobs.metrics()
    best = min(metrics["history"], key=lambda m: m["validation:loss"])
    assert metrics["best_epoch"] == best["epoch"] < 6, "the last epoch shows nothing"
    # The exported weights are judged again, apart from the job.
    network = from_artifact(jobs.paths().model, jobs.manifest()).eval()
    pixels, labels = [], []
    for label, folder in enumerate(sorted((jobs.paths().data / "validation").iterdir())):
        for file in sorted(folder.iterdir()):
            pixels.append(prepare(file.read_bytes(), jobs.manifest().geometry))
            labels.append(label)
    with torch.no_grad():
        logits = network(torch.from_numpy(np.stack(pixels)))
    loss = float(torch.nn.functional.cross_entropy(logits, torch.tensor(labels)))
    assert loss == pytest.approx(best["validation:loss"], rel=1e-4)


def test_early_stopping_ends_a_job_that_does_not_get_better(jobs: Jobs) -> None:
    log = jobs.run(epochs="30", lr="1e-12", early_stopping_patience="2", freeze="backbone")
    assert "stopping early: no lower validation loss for 2 epochs" in log
    assert len(losses(log)) < 30


def test_a_job_that_is_repeated_gives_the_same_numbers(jobs: Jobs) -> None:
    changes = {"augment": "randaugment", "dropout": "0.3", "amp": "true"}
    assert losses(jobs.run("one", **changes)) == losses(jobs.run("two", **changes))
    assert jobs.metrics("one")["metrics"] == jobs.metrics("two")["metrics"]


def test_checkpoint_every_is_how_often_one_is_written(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    from container.train import checkpoint

    epochs: list[int] = []
    save = checkpoint.Checkpoints.save

    def counted(self: checkpoint.Checkpoints, state: checkpoint.TrainingState, *rest: dict) -> None:
        epochs.append(state.epoch)
        save(self, state, *rest)

    monkeypatch.setattr(checkpoint.Checkpoints, "save", counted)
    jobs.run(epochs="5", checkpoint_every="2", freeze="backbone")
    assert epochs == [2, 4, 5]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"augment": "flip", "flip": "false"}, "contradict each other"),
        ({"model": "alexnet"}, "alexnet cannot take images of image-size=32"),
        ({"class_weights": '{"wasps": 2}'}, "names the class 'wasps'"),
        ({"class_weights": '{"across": 0, "down": 0, "slanted": 0}'}, "all zero"),
        ({"freeze": "layer9"}, "no such layer"),
        ({"model": "resnet17"}, "did you mean .resnet18"),
    ],
)
def test_hyperparameters_that_do_not_go_together_are_told(jobs: Jobs, changes: dict[str, str], words: str) -> None:
    with pytest.raises(HyperparameterError, match=words):
        jobs.run(**changes)


def test_a_job_that_diverges_says_what_to_do(jobs: Jobs) -> None:
    with pytest.raises(ContainerError, match=r"Training diverged: in epoch 1 .*lower lr"):
        jobs.run(lr="1e30", optimizer="sgd")


def test_balanced_class_weights_are_inverse_to_the_counts(tmp_path: Path) -> None:
    image_folder(tmp_path / "train", {"a": 12, "b": 4})
    from container.train.data import find
    from container.train.decode import Decoder
    from tests.train.places import quick

    h = quick(class_weights="balanced", test_fraction="0", validation_fraction="0.25")
    found = find(tmp_path, h)
    from container.common.images import Geometry

    images = Decoder(geometry=Geometry(32), workers=1, max_bad=0, scratch=tmp_path, cache=NO_CACHE).decode(
        found.splits["train"], margin=False
    )
    weights = preparation.class_weights(h, images, found.classes)
    assert weights is not None
    assert weights.tolist() == pytest.approx([12 / (2 * 9), 12 / (2 * 3)])


def test_images_that_stand_in_two_splits_are_warned_of(tmp_path: Path, pictures: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).symlink_to(pictures / "train")
    (tmp_path / "validation").symlink_to(pictures / "validation")
    jobs = Jobs(tmp_path / "jobs", tmp_path)
    log = jobs.run(freeze="backbone", epochs="1")
    assert "warning: 72 image(s) stand in both the train and the test split" in log


def test_bad_files_are_named_counted_and_too_many_end_the_job(tmp_path: Path, pictures: Path) -> None:
    image_folder(tmp_path / "data" / "train", {"across": 24, "down": 24, "slanted": 24})
    (tmp_path / "data" / "validation").symlink_to(pictures / "validation")
    (tmp_path / "data" / "train" / "down" / "notes.txt").write_text("no image")
    (tmp_path / "data" / "train" / "down" / "003.png").write_bytes(b"neither")
    jobs = Jobs(tmp_path / "jobs", tmp_path / "data")
    with pytest.raises(DataError, match=r"2 of 61 files in the train split are no usable images"):
        jobs.run(freeze="backbone", epochs="1")
    log = jobs.run(freeze="backbone", epochs="1", max_bad_images="0.05")
    assert "warning: 2 file(s) of the train split are left out: " in log
    assert "down/notes.txt (not an image" in log
    assert "down/003.png (" in log
    named = jobs.metrics()["bad_files"]["train"]
    assert {Path(row["file"]).name for row in named} == {"notes.txt", "003.png"}


def test_an_export_that_fails_takes_no_figures_with_it(jobs: Jobs) -> None:
    def failing(*_: object, **__: object) -> Manifest:
        raise ArtifactError("no")

    paths, world = jobs.paths(), World(torch.device("cpu"))
    with pytest.raises(ArtifactError):
        job.run(paths, quick(freeze="backbone"), world, Console(silent=True), StopSignal(), exporter=failing)
    assert len(jobs.metrics()["history"]) == 2
    assert "test:accuracy" in jobs.metrics()["metrics"]
    assert (paths.output / "confusion_matrix.csv").exists()


def test_what_a_killed_job_left_half_written_is_gone_with_the_next(jobs: Jobs) -> None:
    paths = jobs.paths()
    half = [paths.checkpoints / "checkpoint.pt.partial-1", paths.checkpoints / "features" / "x.partial-7"]
    for path in (*half, paths.scratch / "train.pixels"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    with pytest.raises(HyperparameterError):
        jobs.run(freeze="layer9")
    assert not any(path.exists() for path in half)
    assert not paths.scratch.exists()


def test_parameters_an_optimizer_has_not_are_warned_of(jobs: Jobs) -> None:
    assert "momentum has no effect on optimizer=adagrad" in jobs.run(
        optimizer="adagrad", momentum="0.5", freeze="backbone", epochs="1"
    )


def test_a_normalization_by_the_data_set_is_its_own_mean_and_deviation(jobs: Jobs) -> None:
    jobs.run(freeze="backbone", epochs="1", normalize="dataset", exported=True)
    found = jobs.manifest()
    files = sorted((jobs.paths().data / "train").rglob("*.png"))
    pixels = np.stack([prepare(p.read_bytes(), found.geometry) for p in files]) / 255
    assert found.mean == pytest.approx(pixels.mean(axis=(0, 1, 2)))
    assert found.std == pytest.approx(pixels.std(axis=(0, 1, 2)))


class Recorded:
    """A Decoder's stand-in that keeps what it was made with."""

    made: ClassVar[list[dict[str, object]]] = []

    def __new__(cls, **given: object) -> Decoder:  # type: ignore[misc]
        cls.made.append(given)
        return Decoder(**given)  # type: ignore[arg-type]


def test_workers_are_the_threads_that_decode(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "Decoder", Recorded)
    for workers in ("3", "auto"):
        jobs.run(workers, workers=workers, freeze="backbone", epochs="1")
    assert [given["workers"] for given in Recorded.made] == [3, processors()]


def test_compile_is_for_gpus(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "compile=true is for GPUs" in jobs.run(compile="true", epochs="1")
    # A device of the mind: nothing is put on it.
    compiled: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda module: compiled.append(module) or module)
    network = build(Design(architecture="shufflenet_v2_x0_5", class_count=3))
    world = World(torch.device("cuda", 0))
    job._whole(network, Freeze(network, "none"), quick(compile="true"), world, Console(silent=True))
    job._whole(network, Freeze(network, "none"), quick(), world, Console(silent=True))
    assert compiled == [network]


def test_compile_without_a_network_that_trains_is_told(jobs: Jobs) -> None:
    assert "compile=true has no effect with freeze=backbone" in jobs.run(compile="true", freeze="backbone", epochs="1")


def test_a_batch_of_two_leaves_no_image_alone(jobs: Jobs, tmp_path: Path, pictures: Path) -> None:
    image_folder(tmp_path / "odd" / "train", {"across": 3, "down": 3, "slanted": 3})
    (tmp_path / "odd" / "validation").symlink_to(pictures / "validation")
    log = Jobs(tmp_path / "jobs", tmp_path / "odd").run(batch_size="2", epochs="1", test_fraction="0")
    assert len(losses(log)) == 1


def test_single_images_under_batch_normalization_are_one_sentence(jobs: Jobs) -> None:
    with pytest.raises(HyperparameterError, match=r"cannot learn from 1 image.*raise batch-size"):
        jobs.run(batch_size="1", epochs="1")
    assert len(losses(jobs.run("frozen", batch_size="1", batchnorm="frozen", epochs="1"))) == 1


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_process_has_its_part_of_every_step(processes: int) -> None:
    for images, batch in product(range(processes * 2, 40), range(1, 9)):
        steps = loop._steps(images, batch, processes)
        parts = [
            World(torch.device("cpu"), rank, processes).share(len(chunk))
            for chunk in torch.arange(images).tensor_split(steps)
            for rank in range(processes)
        ]
        counts = [part.stop - part.start for part in parts]
        assert min(counts) >= min(batch, 2)
        assert max(counts) <= batch + 2


def test_weights_none_starts_at_random_and_channel_at_the_channels(jobs: Jobs, tmp_path: Path) -> None:
    jobs.run("first", epochs="1")
    torch.save(jobs.networks["first"], tmp_path / "w.pth")
    paths = jobs.paths("second")
    (paths.data / "weights").mkdir()
    (paths.data / "weights" / "w.pth").symlink_to(tmp_path / "w.pth")
    log = jobs.run("second", weights="channel", freeze="backbone", epochs="1")
    assert "weights: w.pth of the weights channel (classifier included)" in log
    key = "conv5.0.weight"
    assert torch.equal(jobs.networks["second"][key], jobs.networks["first"][key])
    assert "random values" in jobs.run("third", freeze="backbone", epochs="1")
    assert not torch.equal(jobs.networks["third"][key], jobs.networks["first"][key])


def test_precision_reaches_the_export(jobs: Jobs) -> None:
    given: list[object] = []

    def spy(_network: object, manifest: Manifest, *_: object, **named: object) -> Manifest:
        given.append(named["precision"])
        return manifest

    for precision in ("int8", "bf16"):
        world = World(torch.device("cpu"))
        changes = {"precision": precision, "freeze": "backbone", "epochs": "1"}
        job.run(jobs.paths(precision), parse(QUICK | changes), world, Console(silent=True), StopSignal(), exporter=spy)
    assert given == ["int8", "bf16"]
