"""A frozen backbone is passed once: what it gives for every image is computed, kept, and trained on.

They lie in this machine's cache; where there is none, under checkpoints/features (which SageMaker keeps
between jobs that share a checkpoint location); or come in by an input channel named ``features``. Their
key is made of everything that shapes a feature: the images' digests, the architecture, the weights, the
preprocessing, the augmentation, the arithmetic. A file is written whole, holds its own checksum, and is
computed again when it does not agree.

On a CPU it is OpenVINO that computes them, in fp32, which is quicker than torch and what the exported model
will do; on a GPU, and in bf16, torch.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from container.common.errors import StorageError
from container.common.hyperparameters import Hyperparameters
from container.network import Network
from container.train import storage
from container.train.cache import Cache, key_of
from container.train.console import Console, Meter
from container.train.decode import Images
from container.train.frozen import FrozenBody
from container.train.paths import Paths
from container.train.sources import ImageSource
from container.train.stopping import StopSignal
from container.train.world import World

KIND, FORMAT, FILE = "features", "3", "features.safetensors"

BATCH = 32


class FeatureStore:
    """Gives the features of a split: kept ones, or by passing its images through the backbone."""

    def __init__(
        self,
        network: Network,
        frozen: FrozenBody,
        hyperparameters: Hyperparameters,
        paths: Paths,
        *,
        cache: Cache,
        world: World,
        console: Console,
        stop: StopSignal,
    ) -> None:
        self._network, self._frozen, self._h, self._world = network, frozen, hyperparameters, world
        self._cache, self._console, self._stop = cache, console, stop
        self._channel = paths.data / "features"
        self._own = paths.checkpoints / "features"
        # Whether they are what an fp32 export of the body gives, to the last bit.
        self.as_exported = world.device.type == "cpu" and hyperparameters.amp is not True

    def features(self, images: Images, source: ImageSource, *, views: int) -> Tensor:
        """(max(views, 1), N, F) float32; ``views`` augmented ones, or with 0 the images as they are."""
        key = self._key(images, views)
        name = f"{images.name}-{key}.safetensors"

        def compute() -> Tensor:
            return self._compute(images.name, source, max(views, 1), augmented=views > 0)

        found = self._kept(self._channel / name, images)
        if found is None and self._world.all_have(self._cache.there):
            return self._shared(key, images, compute)
        if found is None:
            found = self._kept(self._own / name, images)
        if found is None:
            found = compute()
            if self._world.first:
                self._keep(self._own / name, found)
        return found

    def _shared(self, key: str, images: Images, compute: Callable[[], Tensor]) -> Tensor:
        """From the cache, or computed while this job alone holds the lock."""
        lock = self._cache.lock(KIND, key) if self._world.first else contextlib.nullcontext()
        with lock:
            self._world.wait()
            entry = self._cache.find(KIND, key)
            found = self._kept(entry.file(FILE) if entry else None, images)
            if found is None:
                with self._cache.every_core() if self._world.size == 1 else contextlib.nullcontext():
                    found = compute()
                if self._world.first:
                    content = _file_of(found)
                    self._cache.keep(
                        KIND,
                        key,
                        lambda folder: storage.write(folder / FILE, lambda file: file.write(content)),
                        size=len(content),
                        digested=False,  # it holds its own checksum
                    )
        return found

    def _key(self, images: Images, views: int) -> str:
        h = self._h
        return key_of(
            {
                "format": FORMAT,
                "images": images.digests,
                "architecture": h.model,
                "head_path": self._network.head_path,
                "weights": self._frozen.digest,
                "preprocessing": [h.image_size, h.resize, h.grayscale],
                "amp": h.amp,
                "device": self._world.device.type,
                "computed by": ["openvino", version("openvino")] if self.as_exported else ["torch", torch.__version__],
                "augment": [h.augment, h.flip, h.seed, views] if views else None,
            }
        )

    def _compute(self, name: str, source: ImageSource, views: int, *, augmented: bool) -> Tensor:
        share = self._world.share(len(source))
        meter = Meter(self._console, "features", views * (share.stop - share.start))
        forward = self._forward(source)
        found: Tensor | None = None
        with torch.no_grad(), torch.autocast(self._world.device.type, torch.bfloat16, enabled=self._h.amp is True):
            for view in range(views):
                for start in range(share.start, share.stop, BATCH):
                    self._stop.check()
                    rows = slice(start, min(start + BATCH, share.stop))
                    pixels = source.view(rows, view) if augmented else source.plain(rows)
                    part = forward(pixels)
                    if found is None:
                        found = torch.zeros(views, len(source), part.shape[1])
                    found[view, rows] = part
                    meter.add(len(part))
        return self._joined(found, views, len(source))

    def _forward(self, source: ImageSource) -> Callable[[Tensor], Tensor]:
        """(N, S, S, C) uint8 to (N, F) float32 in the machine's memory."""
        self._network.eval()
        if self.as_exported:
            run = self._frozen.runner(source.plain(slice(0, 2)).numpy())
            return lambda pixels: torch.from_numpy(run(pixels.numpy()))
        # NHWC is how the pixels lie in memory.
        self._network.to(self._world.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return lambda pixels: self._network.features(pixels).float().cpu()

    def _joined(self, found: Tensor | None, views: int, count: int) -> Tensor:
        if self._world.size == 1:
            assert found is not None
            return found
        width = self._network.head.features
        whole = torch.zeros(views, count, width) if found is None else found
        for view in whole:
            view.copy_(self._world.sum(view.to(self._world.device)).cpu())
        return whole

    def _kept(self, path: Path | None, images: Images) -> Tensor | None:
        """The features in ``path``, when every process has them."""
        found = self._read(path, len(images)) if path else None
        if not self._world.all_have(found is not None):
            return None
        self._console.say(f"features of the {images.name} split: from the cache {path}")
        return found

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
            storage.write(path, lambda file: file.write(_file_of(features)))
        except StorageError as exc:
            # A cache is a convenience: the job goes on without it.
            self._console.warn(f"features are not kept for the next job: {exc}")


def _checksum(features: Tensor) -> str:
    return hashlib.blake2b(features.contiguous().numpy().data.cast("B"), digest_size=16).hexdigest()


def _file_of(features: Tensor) -> bytes:
    content: bytes = save({"features": features}, {"blake2b": _checksum(features)})
    return content
