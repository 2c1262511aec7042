"""The whole story of one training job, from top to bottom.

run(Paths(Path("/opt/ml")), hyperparameters, world, Console(), StopSignal())
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from container.common.artifact import Manifest
from container.common.channels import SPLITS, TEST, TRAIN, VALIDATION
from container.common.errors import HyperparameterError
from container.common.hyperparameters import Hyperparameters
from container.common.images import IMAGENET_MEAN, IMAGENET_STD, Geometry, center
from container.network import Design, Network
from container.train import data, hook, optim, outputs
from container.train.augment import Augmenter
from container.train.checkpoint import Checkpoints, TrainingState
from container.train.console import Console, Meter
from container.train.conversion import CALIBRATION_IMAGES
from container.train.decode import Decoder, Images, named, processors
from container.train.evaluate import Evaluation, evaluate
from container.train.export import Proof, export
from container.train.features import FeatureStore
from container.train.freezing import Freeze
from container.train.loop import EVALUATION_BATCH, Surroundings, Trainee, fit
from container.train.paths import Paths
from container.train.sharing import decode_shared
from container.train.sources import FeatureSource, ImageSource, Source
from container.train.stopping import StopSignal
from container.train.weights import network_with_weights
from container.train.world import World

# The exported precisions are compared on at most so many validation images.
PROOF_IMAGES = 4000


def run(
    paths: Paths,
    h: Hyperparameters,
    world: World,
    console: Console,
    stop: StopSignal,
    *,
    exporter: Callable[..., Manifest] = export,
) -> None:
    """Train, evaluate and export one model.

    Raises ContainerError for whatever a person can put right, JobStopped when asked to stop.
    """
    started = time.monotonic()
    _check(h)
    _settle(h, world)

    dataset = data.find(paths.data, h)
    for warning in dataset.warnings:
        console.warn(warning)
    augmenter = Augmenter(h.augment, size=h.image_size, seed=h.seed, flip=h.flip)
    images = _decode(dataset, augmenter, h, paths, world=world, console=console, stop=stop)
    mean, std = _statistics(h, images[TRAIN])
    design = Design(
        architecture=h.model,
        head=h.head,
        dropout=h.dropout,
        class_count=len(dataset.classes),
        mean=mean,
        std=std,
        image_size=h.image_size,
    )

    torch.manual_seed(h.seed)
    network, origin = network_with_weights(design, h.weights, paths.data)
    console.say(origin)
    freeze = Freeze(network, h.freeze, freeze_statistics=_frozen_statistics(h))
    _say_sizes(network, console)
    # NHWC is how the pixels lie in memory; bf16 convolutions are quicker so, on CPUs too.
    network.to(world.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    sources: dict[str, Source] = {name: ImageSource(part, augmenter, world.device) for name, part in images.items()}
    trainee = _whole(network, freeze, h, world)
    if freeze.whole_backbone and h.feature_cache:
        store = FeatureStore(network, h, paths, world=world, console=console, stop=stop)
        sources = _features(store, images, sources, h, world)
        trainee = _head(network, world)

    criterion = optim.CrossEntropyLoss(_class_weights(h, images[TRAIN], dataset.classes), h.label_smoothing)
    watcher = hook.watcher(paths, h) if world.first else hook.NoWatcher()
    watcher.watch(trainee.module, criterion)
    around = Surroundings(
        hyperparameters=h,
        world=world,
        console=console,
        stop=stop,
        checkpoints=Checkpoints(paths.checkpoints, _identity(h, dataset.classes, images, world)),
        watcher=watcher,
    )
    state = fit(trainee, sources[TRAIN], sources[VALIDATION], criterion.to(world.device), around)

    watcher.evaluating()
    results = {
        name: evaluate(trainee.module, source, world, amp=h.amp, batch=EVALUATION_BATCH, console=console, stop=stop)
        for name, source in sources.items()
        if name != TRAIN
    }
    watcher.close()
    if not world.first:
        return
    metrics = _final_metrics(state, results, console)
    manifest = exporter(
        network,
        _manifest(design, h, dataset.classes, metrics),
        _proof(images, h),
        paths.model,
        precision=h.precision,
        console=console,
        stop=stop,
    )
    _write_outputs(paths, dataset.classes, images, state, results, manifest, seconds=time.monotonic() - started)
    console.say(f"done in {time.monotonic() - started:.1f} s: the model is in {paths.model}")


def _check(h: Hyperparameters) -> None:
    """What no single hyperparameter can know."""
    if h.augment == "flip" and not h.flip:
        raise HyperparameterError("augment=flip and flip=false contradict each other; set augment=none, or flip=true.")
    if h.optimizer == "adagrad" and h.momentum != 0.9:
        raise HyperparameterError("Hyperparameter 'momentum' has no meaning for adagrad; leave it out.")


def _settle(h: Hyperparameters, world: World) -> None:
    """Make runs with one seed equal, on whatever they run."""
    torch.manual_seed(h.seed)
    if world.device.type == "cpu":
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or processors()))
    else:
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False


def _decode(
    dataset: data.Dataset,
    augmenter: Augmenter,
    h: Hyperparameters,
    paths: Paths,
    *,
    world: World,
    console: Console,
    stop: StopSignal,
) -> dict[str, Images]:
    """Every split's pixels; warns of bad files, and of images that stand in two splits."""
    meter = Meter(console, "decode", sum(len(split) for split in dataset.splits.values()))

    def tick(count: int) -> None:
        meter.add(count)
        stop.check()

    decoder = Decoder(
        geometry=Geometry(h.image_size, h.resize, 1 if h.grayscale else 3),  # type: ignore[arg-type]
        workers=processors() if h.workers == "auto" else int(h.workers),
        max_bad=h.max_bad_images,
        scratch=paths.base / ".decoded",
        always_map=world.local_size > 1,
        tick=tick,
    )
    images = {
        name: decode_shared(decoder, dataset.splits[name], world, margin=augmenter.needs_margin and name == TRAIN)
        for name in SPLITS
        if name in dataset.splits
    }
    for name, part in images.items():
        console.say(f"{name}: {len(part)} images in {len(dataset.classes)} classes")
        if part.bad:
            console.warn(f"{len(part.bad)} file(s) of the {name} split are left out: {named(part.bad)}")
    for name in (VALIDATION, TEST):
        twice = set(images[TRAIN].digests) & set(images[name].digests) if name in images else set()
        if twice:
            console.warn(f"{len(twice)} image(s) stand in both the train and the {name} split; their metrics flatter")
    world.require_same(hashlib.blake2b(_digests(images).encode()).hexdigest(), "images")
    return images


def _digests(images: Mapping[str, Images]) -> str:
    return ";".join(f"{name}:{','.join(part.digests)}" for name, part in sorted(images.items()))


def _statistics(h: Hyperparameters, train: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the three channels the network sees, as parts of 255."""
    if h.normalize == "imagenet":
        return IMAGENET_MEAN, IMAGENET_STD
    if h.normalize == "none":
        return (0.0,) * 3, (1.0,) * 3
    # Exact integer sums over counts of the 256 values, a block of images at a time.
    channels = train.pixels.shape[-1]
    counts = np.zeros((channels, 256), dtype=np.int64)
    for start in range(0, len(train), 256):
        block = train.pixels[start : start + 256]
        for channel in range(channels):
            counts[channel] += np.bincount(block[..., channel].reshape(-1), minlength=256)
    values = np.arange(256) / 255
    totals = counts.sum(axis=1)
    means = counts @ values / totals
    # A constant channel has no deviation to divide by; 1/255 is the smallest step there is.
    stds = np.sqrt(np.maximum(counts @ values**2 / totals - means**2, 255.0**-2))
    repeat = 3 // channels
    return tuple(float(m) for m in means) * repeat, tuple(float(s) for s in stds) * repeat


def _frozen_statistics(h: Hyperparameters) -> bool:
    return h.batchnorm == "frozen" or (h.batchnorm == "auto" and h.weights != "none")


def _say_sizes(network: Network, console: Console) -> None:
    parameters = list(network.net.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    console.say(f"parameters: {trained:,} of {sum(p.numel() for p in parameters):,} train")


def _whole(network: Network, freeze: Freeze, h: Hyperparameters, world: World) -> Trainee:
    forward: torch.nn.Module = world.wrap(network)
    if h.compile:
        forward = compiled(forward)
    return Trainee(network, forward, freeze.train)


def compiled(module: torch.nn.Module) -> torch.nn.Module:
    """``module`` through torch.compile, whose first steps take a minute or so."""
    result: torch.nn.Module = torch.compile(module)  # type: ignore[assignment]
    return result


def _head(network: Network, world: World) -> Trainee:
    head = network.head

    def train_mode() -> None:
        head.train()

    return Trainee(head, world.wrap(head), train_mode)


def _features(
    store: FeatureStore,
    images: Mapping[str, Images],
    sources: Mapping[str, Source],
    h: Hyperparameters,
    world: World,
) -> dict[str, Source]:
    """Every split as features; the training split in several views when augmenting."""
    found: dict[str, Source] = {}
    for name, part in images.items():
        source = sources[name]
        assert isinstance(source, ImageSource)
        views = h.augment_views if name == TRAIN and h.augment != "none" else 0
        features = store.features(part, source, views=views)
        found[name] = FeatureSource(features, source.labels, seed=h.seed, device=world.device)
    return found


def _class_weights(h: Hyperparameters, train: Images, classes: tuple[str, ...]) -> torch.Tensor | None:
    """Weights in class order; balanced: N / (K · count), as scikit-learn defines it."""
    if h.class_weights == "none":
        return None
    if h.class_weights == "balanced":
        counts = np.bincount(train.labels, minlength=len(classes))
        return torch.tensor(len(train) / (len(classes) * counts), dtype=torch.float32)
    assert isinstance(h.class_weights, dict)
    unknown = sorted(set(h.class_weights) - set(classes))
    if unknown:
        raise HyperparameterError(
            f"class-weights names the class '{unknown[0]}', which the training images do not have "
            f"(they have {', '.join(classes)})."
        )
    weights = torch.tensor([h.class_weights.get(name, 1.0) for name in classes], dtype=torch.float32)
    if not weights.sum() > 0:
        raise HyperparameterError("class-weights are all zero; give at least one class a weight above 0.")
    return weights


def _identity(
    h: Hyperparameters, classes: tuple[str, ...], images: Mapping[str, Images], world: World
) -> dict[str, str]:
    """What a checkpoint must share with the job that goes on from it."""
    free = {
        "workers",
        "precision",
        "checkpoint-every",
        "debug-hook",
        "debug-save-interval",
        "compile",
        "max-bad-images",
    }
    identity = {name: value for name, value in h.strings().items() if name not in free}
    digest = hashlib.blake2b((",".join(classes) + _digests(images)).encode(), digest_size=8).hexdigest()
    return {**identity, "set of images": digest, "number of processes": str(world.size)}


def _final_metrics(state: TrainingState, results: Mapping[str, Evaluation], console: Console) -> dict[str, float]:
    """The best epoch's metrics and, printed once, the test split's."""
    metrics: dict[str, float] = dict(state.history[state.best_epoch])
    del metrics["images_per_second"]
    console.say(f"best epoch: {state.best_epoch + 1}, validation accuracy {results[VALIDATION].accuracy:.4f}")
    if TEST in results:
        test = results[TEST]
        line = {"test:loss": test.loss, "test:accuracy": test.accuracy, "test:f1": test.f1}
        console.metrics(line)
        metrics.update(line)
    return metrics


def _manifest(design: Design, h: Hyperparameters, classes: tuple[str, ...], metrics: dict[str, float]) -> Manifest:
    return Manifest(
        architecture=design.architecture,
        head=design.head,
        dropout=design.dropout,
        classes=classes,
        image_size=h.image_size,
        resize=h.resize,
        channels=1 if h.grayscale else 3,
        mean=design.mean,
        std=design.std,
        precision="fp32",
        metrics=metrics,
        hyperparameters=h.strings(),
    )


def _proof(images: Mapping[str, Images], h: Hyperparameters) -> Proof:
    def some(part: Images, count: int) -> np.ndarray:
        # Files are sorted by class: evenly spaced ones keep the classes' shares.
        rows: np.ndarray = np.unique(np.linspace(0, len(part) - 1, min(count, len(part))).round().astype(int))
        return rows

    train, validation = images[TRAIN], images[VALIDATION]
    rows = some(validation, PROOF_IMAGES)
    return Proof(
        calibration=center(train.pixels[some(train, CALIBRATION_IMAGES)], h.image_size),
        validation=validation.pixels[rows],
        labels=validation.labels[rows],
    )


def _write_outputs(  # noqa: PLR0917
    paths: Paths,
    classes: tuple[str, ...],
    images: Mapping[str, Images],
    state: TrainingState,
    results: Mapping[str, Evaluation],
    manifest: Manifest,
    *,
    seconds: float,
) -> None:
    outputs.write_tables(paths.output, classes, results.get(TEST, results[VALIDATION]))
    content = {
        "history": state.history,
        "best_epoch": state.best_epoch + 1,
        "metrics": manifest.metrics,
        "tables_of": TEST if TEST in results else VALIDATION,
        "exported": {"precision": manifest.precision, "inference_precision": manifest.inference_precision},
        "precisions": manifest.precisions,
        "images": {name: len(part) for name, part in images.items()},
        "bad_files": {
            name: [{"file": str(b.path), "reason": b.reason} for b in part.bad] for name, part in images.items()
        },
        "seconds": round(seconds, 2),
    }
    outputs.write_json(paths.output / "metrics.json", content)
    shutil.rmtree(paths.base / ".decoded", ignore_errors=True)
