"""The feature cache: equal to training without it, used again, never trusted blindly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.train.jobs import Jobs, losses


def test_a_frozen_backbone_gives_the_same_with_and_without_the_cache(jobs: Jobs) -> None:
    changes = {"freeze": "backbone", "lr": "0.01", "epochs": "3"}
    cached, plain = jobs.run("cached", **changes), jobs.run("plain", feature_cache="false", **changes)
    np.testing.assert_allclose(losses(cached), losses(plain), atol=2e-4)
    assert (jobs.paths("cached").checkpoints / "features").is_dir()
    assert not (jobs.paths("plain").checkpoints / "features").exists()


def test_the_cache_is_used_again_and_computed_again_when_damaged(jobs: Jobs, tmp_path: Path) -> None:
    changes = {"freeze": "backbone", "epochs": "1"}
    first = jobs.run(**changes)
    assert "from the cache" not in first
    folder = jobs.paths("job").checkpoints
    jobs.checkpoint().unlink()
    again = jobs.run(**changes)
    assert again.count("from the cache") == 3
    assert losses(again) == losses(first)
    jobs.checkpoint().unlink()
    one, two, _ = sorted((folder / "features").iterdir())
    one.write_bytes(one.read_bytes()[:-100])
    two.write_bytes(two.read_bytes()[:-4] + b"\1\2\3\4")
    damaged = jobs.run(**changes)
    assert "is damaged" in damaged
    assert "does not agree with its checksum" in damaged
    assert damaged.count("from the cache") == 1
    assert losses(damaged) == losses(first)


def test_features_may_come_in_by_a_channel(jobs: Jobs) -> None:
    changes = {"freeze": "backbone", "epochs": "1"}
    jobs.run("first", **changes)
    (jobs.paths("second").data / "features").symlink_to(jobs.paths("first").checkpoints / "features")
    log = jobs.run("second", **changes)
    assert log.count("from the cache") == 3
    assert not (jobs.paths("second").checkpoints / "features").exists()


@pytest.mark.parametrize("change", [{"image_size": "40"}, {"normalize": "none"}, {"seed": "1"}, {"amp": "true"}])
def test_whatever_shapes_a_feature_makes_another_cache(jobs: Jobs, change: dict[str, str]) -> None:
    jobs.run(freeze="backbone", epochs="1")
    jobs.checkpoint().unlink()
    assert "from the cache" not in jobs.run(freeze="backbone", epochs="1", **change)


def test_augmented_views_are_kept_and_drawn_by_epoch(jobs: Jobs) -> None:
    log = jobs.run(freeze="backbone", augment="crop", augment_views="3", epochs="3")
    (views,) = (jobs.paths("job").checkpoints / "features").glob("train-*")
    from safetensors.torch import load_file

    features = load_file(views)["features"]
    assert features.shape == (3, 72, 1024)
    assert not torch.equal(features[0], features[1])
    assert len(losses(log)) == 3
