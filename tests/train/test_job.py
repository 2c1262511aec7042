"""Whole jobs: what they leave, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from container.common.errors import ContainerError, HyperparameterError
from container.common.hyperparameters import parse
from container.common.metrics import parse_line, parse_progress
from container.network import from_artifact
from container.train import job
from tests.train.jobs import Jobs, losses
from tests.train.places import QUICK, image_folder

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
    jobs.run(exported=True, epochs="6", lr="0.02", schedule="none")
    metrics = jobs.metrics()
    history = metrics["history"]
    best = min(history, key=lambda m: m["validation:loss"])
    assert metrics["best_epoch"] == best["epoch"]
    precisions = jobs.manifest().precisions
    assert precisions["fp32"]["validation_accuracy"] == pytest.approx(best["validation:accuracy"], abs=0.05)


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
        ({"optimizer": "adagrad", "momentum": "0.5"}, "no meaning for adagrad"),
        ({"class_weights": '{"wasps": 2}'}, "names the class 'wasps'"),
        ({"class_weights": '{"across": 0, "down": 0, "slanted": 0}'}, "all zero"),
        ({"freeze": "layer9"}, "no such layer"),
        ({"model": "resnet17"}, "Did you mean"),
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

    images = Decoder(geometry=Geometry(32), workers=1, max_bad=0, scratch=tmp_path).decode(
        found.splits["train"], margin=False
    )
    weights = job._class_weights(h, images, found.classes)
    assert weights is not None
    assert weights.tolist() == pytest.approx([12 / (2 * 9), 12 / (2 * 3)])


def test_images_that_stand_in_two_splits_are_warned_of(tmp_path: Path, pictures: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).symlink_to(pictures / "train")
    (tmp_path / "validation").symlink_to(pictures / "validation")
    jobs = Jobs(tmp_path / "jobs", tmp_path)
    log = jobs.run(freeze="backbone", epochs="1")
    assert "warning: 72 image(s) stand in both the train and the test split" in log
