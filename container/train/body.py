"""The body of an exported network, all of it before the head: in the precisions that may be chosen, with proof.

A body that was frozen is the same for every job that trains a head on it: it is converted, quantized
and run on the proof's images once, and kept in the cache with the features it gave for them. What a
head makes of these features is then all there is to tell how good each precision is.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from container.common.images import Pixels
from container.network import Network
from container.train import conversion, storage
from container.train.cache import Cache, key_of
from container.train.console import Console, Meter
from container.train.decode import processors
from container.train.frozen import FrozenBody, converted
from container.train.stopping import StopSignal

KIND, FORMAT = "bodies", "2"

_INDEX, _FEATURES = "body.json", "features.safetensors"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Images that precisions are made and judged by; their pixels only when a body is made.

    ``key`` tells these images from others. ``features`` are what a frozen body has given for the validation images
    already, computed as the exported model computes in fp32; else None.
    """

    calibration: Callable[[], Pixels]
    validation: Callable[[], Pixels]
    labels: NDArray[np.int64]
    key: str = ""
    features: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A body in one precision: what its file holds and is computed in, the proof's features, time for one image."""

    name: str
    file: str
    precision: str
    inference_precision: str
    features: NDArray[np.float32]
    latency_ms: float


@dataclass(frozen=True)
class Body:
    """All variants, and the steps from the feature map to the features (None where there is no map)."""

    variants: tuple[Variant, ...]
    tail: tuple[str, ...] | None
    _file: Callable[[str], Path | None]

    def model(self, variant: Variant) -> Any:
        """The variant's OpenVINO model; None when its files are no longer as they were written."""
        import openvino as ov

        xml, weights = self._file(variant.file), self._file(str(Path(variant.file).with_suffix(".bin")))
        return ov.Core().read_model(xml) if xml and weights else None


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Makes the body of ``network`` in ``scratch``, or takes it from the cache.

    ``frozen`` is a body that no job has changed; one that was trained has None, and is nobody else's.
    """

    network: Network
    proof: Proof
    wanted: str
    frozen: FrozenBody | None
    cache: Cache
    scratch: Path
    console: Console
    stop: StopSignal

    def body(self) -> Body:
        """The body, made at most once by all the jobs that share the cache."""
        if self.frozen is None or not self.cache.there:
            return self._made()
        with self.cache.lock(KIND, self._key):
            entry = self.cache.find(KIND, self._key)
            found = _read(entry.file) if entry else None
            if entry and found:
                self.console.say(f"exported body: from the cache {entry.folder}")
                return found
            with self.cache.every_core():
                made = self._made()
            self.cache.keep(KIND, self._key, self._copied)
            return made

    def body_again(self) -> Body:
        """The same, made although the cache has one: for one that turned out to be damaged."""
        with self.cache.lock(KIND, self._key), self.cache.every_core():
            made = self._made()
            self.cache.keep(KIND, self._key, self._copied)
            return made

    @property
    def _key(self) -> str:
        versions = [version(name) for name in ("torch", "openvino", "nncf")]
        machine = [platform.machine(), processors(), conversion.processor_has_bf16()]
        assert self.frozen is not None
        return key_of(
            FORMAT, self.frozen.digest, self.network.head_path, self.proof.key, self.wanted, versions, machine
        )

    def _copied(self, folder: Path) -> None:
        with storage.told(folder):
            shutil.copytree(self.scratch, folder, dirs_exist_ok=True)

    def _made(self) -> Body:
        with storage.told(self.scratch):
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(parents=True)
        images = self.proof.validation()
        feature_map, model = self.frozen.converted(images) if self.frozen else converted(self.network, images)
        self.stop.check()
        variants = self._variants(model, images)
        index = {
            "tail": feature_map.tail if feature_map else None,
            "variants": [{k: v for k, v in vars(one).items() if k != "features"} for one in variants],
        }
        storage.write_text(self.scratch / _INDEX, json.dumps(index))
        with storage.told(self.scratch / _FEATURES):
            save_file({one.name: one.features for one in variants}, self.scratch / _FEATURES)
        found = _read(lambda name: self.scratch / name)
        assert found is not None
        return found

    def _variants(self, model: Any, images: Pixels) -> list[Variant]:
        """fp32 always, the others when they may be chosen; each measured from its file."""
        wants_int8 = self.wanted in ("auto", "int8")
        wants_bf16 = self.wanted == "bf16" or (self.wanted == "auto" and conversion.processor_has_bf16())
        calibration = self.proof.calibration() if wants_int8 else images[:0]
        known = self.proof.features
        passes = (known is None) + wants_bf16 + wants_int8
        meter = Meter(self.console, "export", passes * len(images) + len(calibration))

        def tick(count: int) -> None:
            meter.add(count)
            self.stop.check()

        def measured(name: str, file: str, *, bf16: bool = False) -> Variant:
            runner = conversion.Runner(self.scratch / file, bf16=bf16, threads=processors())
            return Variant(
                name=name,
                file=file,
                precision="int8" if name == "int8" else "fp32",
                inference_precision="bf16" if bf16 else "f32",
                features=known if name == "fp32" and known is not None else runner.all(images, tick),
                latency_ms=runner.latency_ms(images[:1]),
            )

        conversion.save(model, self.scratch / "fp32.xml")
        self._check_faithful(self.scratch / "fp32.xml", images[:3])
        found = [measured("fp32", "fp32.xml")]
        if wants_bf16:
            found.append(measured("bf16", "fp32.xml", bf16=True))
        if wants_int8:
            transformer = any(isinstance(m, torch.nn.LayerNorm) for m in self.network.net.modules())
            quantized = conversion.quantize(model, calibration, transformer=transformer, tick=tick)
            conversion.save(quantized, self.scratch / "int8.xml")
            found.append(measured("int8", "int8.xml"))
        return found

    def _check_faithful(self, path: Path, images: Pixels) -> None:
        """The file, joined to the head, must give the network's own logits, for any number of images."""
        import openvino as ov

        joined = conversion.join(ov.Core().read_model(path), conversion.convert_head(self.network.head))
        runner = conversion.Runner(joined, threads=processors())
        with torch.no_grad():
            expected = self.network(torch.from_numpy(np.ascontiguousarray(images))).numpy()
        for part in (slice(0, 1), slice(0, len(images))):
            conversion.check_equal(runner(images[part]), expected[part])


def _read(file: Callable[[str], Path | None]) -> Body | None:
    """The body of the files that ``file`` gives; None when they are not there or damaged."""
    index, features = file(_INDEX), file(_FEATURES)
    if index is None or features is None:
        return None
    raw, arrays = json.loads(index.read_text(encoding="utf-8")), load_file(features)
    variants = tuple(Variant(**one, features=arrays[one["name"]]) for one in raw["variants"])
    return Body(variants, None if raw["tail"] is None else tuple(raw["tail"]), file)
