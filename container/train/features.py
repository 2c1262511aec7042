"""A frozen backbone is passed once: what it gives for every image is computed, kept, and trained on.

The cache lies under checkpoints/features (which SageMaker keeps between jobs that share a checkpoint
location), or comes in by an input channel named ``features``. Its key is made of everything that
shapes a feature: the images' digests, the architecture, the weights, the preprocessing, the
augmentation, the arithmetic. A file is written whole, holds its own checksum, and is computed again
when it does not agree.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from container.common.errors import StorageError
from container.common.hyperparameters import Hyperparameters
from container.network import Network
from container.train import storage
from container.train.console import Console, Meter
from container.train.decode import Images
from container.train.paths import Paths
from container.train.sources import ImageSource
from container.train.stopping import StopSignal
from container.train.world import World

FORMAT = "1"

BATCH = 32


class FeatureStore:
    """Gives the features of a split: from the cache, or by passing its images through the backbone."""

    def __init__(
        self,
        network: Network,
        hyperparameters: Hyperparameters,
        paths: Paths,
        *,
        world: World,
        console: Console,
        stop: StopSignal,
    ) -> None:
        self._network, self._h, self._world = network, hyperparameters, world
        self._console, self._stop = console, stop
        self._channel = paths.data / "features"
        self._own = paths.checkpoints / "features"
        self._weights = _digest_of(network)

    def features(self, images: Images, source: ImageSource, *, views: int) -> Tensor:
        """(max(views, 1), N, F) float32; ``views`` augmented ones, or with 0 the images as they are."""
        name = f"{images.name}-{self._key(images, views)}.safetensors"
        for folder in (self._channel, self._own):
            kept = self._read(folder / name, len(images))
            if kept is not None:
                self._console.say(f"features of the {images.name} split: from the cache {folder / name}")
                return kept
        computed = self._compute(images.name, source, max(views, 1), augmented=views > 0)
        if self._world.first:
            self._keep(self._own / name, computed)
        return computed

    def _key(self, images: Images, views: int) -> str:
        h = self._h
        shape = {
            "format": FORMAT,
            "images": images.digests,
            "architecture": h.model,
            "head_path": self._network.head_path,
            "weights": self._weights,
            "preprocessing": [h.image_size, h.resize, h.grayscale],
            "amp": h.amp,
            "device": self._world.device.type,
            "torch": torch.__version__,
            "augment": [h.augment, h.flip, h.seed, views] if views else None,
        }
        return hashlib.blake2b(json.dumps(shape).encode(), digest_size=16).hexdigest()

    def _compute(self, name: str, source: ImageSource, views: int, *, augmented: bool) -> Tensor:
        share = self._world.share(len(source))
        meter = Meter(self._console, "features", views * (share.stop - share.start))
        self._network.eval()
        found: Tensor | None = None
        with torch.no_grad(), torch.autocast(self._world.device.type, torch.bfloat16, enabled=self._h.amp is True):
            for view in range(views):
                for start in range(share.start, share.stop, BATCH):
                    self._stop.check()
                    rows = slice(start, min(start + BATCH, share.stop))
                    pixels = source.view(rows, view) if augmented else source.plain(rows)
                    part = self._network.features(pixels).float().cpu()
                    if found is None:
                        found = torch.zeros(views, len(source), part.shape[1])
                    found[view, rows] = part
                    meter.add(len(part))
        return self._joined(found, views, len(source))

    def _joined(self, found: Tensor | None, views: int, count: int) -> Tensor:
        if self._world.size == 1:
            assert found is not None
            return found
        width = self._network.head.features
        whole = torch.zeros(views, count, width) if found is None else found
        for view in whole:
            view.copy_(self._world.sum(view.to(self._world.device)).cpu())
        return whole

    def _read(self, path: Path, count: int) -> Tensor | None:
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                features: Tensor = file.get_tensor("features")
                promised = (file.metadata() or {}).get("blake2b")
        except (OSError, SafetensorError) as exc:
            self._console.warn(f"the feature cache {path} is damaged ({exc}); it is computed again")
            return None
        if promised != _checksum(features) or features.shape[1] != count:
            self._console.warn(f"the feature cache {path} does not agree with its checksum; it is computed again")
            return None
        return features

    def _keep(self, path: Path, features: Tensor) -> None:
        try:
            storage.write(path, lambda file: file.write(save({"features": features}, {"blake2b": _checksum(features)})))
        except StorageError as exc:
            # A cache is a convenience: the job goes on without it.
            self._console.warn(f"features are not kept for the next job: {exc}")


def _checksum(features: Tensor) -> str:
    return hashlib.blake2b(features.contiguous().numpy().data.cast("B"), digest_size=16).hexdigest()


def _digest_of(network: Network) -> str:
    """Digest of everything that shapes a feature inside the network: frozen weights and normalization."""
    digest = hashlib.blake2b(digest_size=16)
    tensors = {k: v for k, v in network.net.state_dict().items() if not k.startswith(network.head_path + ".")}
    tensors |= {"normalize.scale": network.normalize.scale, "normalize.shift": network.normalize.shift}
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().reshape(-1).data.cast("B"))
    return digest.hexdigest()
