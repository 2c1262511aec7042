"""The whole story of one training job, from top to bottom.

run(Paths(Path("/opt/ml")), hyperparameters, world, Console(), StopSignal())
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch

from container.common.artifact import Manifest
from container.common.channels import TEST, TRAIN, VALIDATION
from container.common.errors import HyperparameterError, StorageError, first_line
from container.common.hyperparameters import Hyperparameters
from container.common.images import IMAGENET_MEAN, IMAGENET_STD, Geometry
from container.common.metrics import BEST_EPOCH, KEPT_METRICS, ORDERED_METRICS
from container.network import Design, Network, Normalize
from container.train import autocast, data, hook, optim, ordered, outputs, preparation, storage, tensorboard
from container.train.augment import Augmenter
from container.train.cache import Cache, key_of
from container.train.checkpoint import Checkpoints, TrainingState
from container.train.console import Console
from container.train.decode import Images, processors
from container.train.digests import digest_of
from container.train.evaluate import Evaluation, evaluate
from container.train.export import export
from container.train.features import FeatureStore
from container.train.freezing import Freeze
from container.train.frozen import FrozenBody
from container.train.loop import EVALUATION_BATCH, Surroundings, Trainee, fit
from container.train.paths import Paths
from container.train.profile import profiler as profiling
from container.train.profile.profiler import Profiler
from container.train.report import mistakes
from container.train.report.page import leave as leave_report
from container.train.report.record import MISTAKES
from container.train.rules import facts
from container.train.sources import FeatureSource, ImageSource, Source
from container.train.stopping import StopSignal
from container.train.weights import network_with_weights
from container.train.world import World, leave


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
    if world.local_rank == 0:
        storage.sweep(paths.checkpoints, paths.output)
        shutil.rmtree(paths.scratch, ignore_errors=True)
    profiler = profiling.of_job(paths, h, world, console)
    try:
        _run(paths, h, world, console, stop, exporter, profiler)
    except Exception:
        if world.first:
            # The reason why the job fails is worth more than the figures it leaves.
            with contextlib.suppress(OSError, ValueError, StorageError):
                outputs.of_failed(paths.metrics, console.told)
        raise
    finally:
        profiler.close()
        # Where the job fails or is stopped too. What other processes have mapped stays theirs.
        if world.local_rank == 0:
            shutil.rmtree(paths.scratch, ignore_errors=True)
    if world.first:
        leave_report(paths.output, console)


def _run(  # noqa: PLR0917
    paths: Paths,
    h: Hyperparameters,
    world: World,
    console: Console,
    stop: StopSignal,
    exporter: Callable[..., Manifest],
    profiler: Profiler,
) -> None:
    started = time.monotonic()
    cache = Cache(paths.cache, console=console, stop=stop)
    _check(h, console)
    h = _settle(h, world, console)

    dataset, values = _dataset(paths, h, console)
    # The network first: what is wrong with it should not be told after an hour of decoding.
    network, design = _network(h, len(dataset.classes), paths, console)
    freeze = Freeze(network, h.freeze, freeze_statistics=_frozen_statistics(h))
    _say_sizes(network, console)

    augmenter = Augmenter(h.augment, size=h.image_size, seed=h.seed, flip=h.flip)
    with profiler.phase("decode"):
        images = preparation.decode_all(
            dataset,
            margin=augmenter.needs_margin,
            h=h,
            paths=paths,
            cache=cache,
            world=world,
            console=console,
            stop=stop,
        )
        mean, std = preparation.statistics(h, images[TRAIN], cache)
    _tell_data(paths, dataset.classes, images, world)
    design, network.normalize = replace(design, mean=mean, std=std), Normalize(mean, std)
    frozen = FrozenBody(network) if freeze.whole_backbone else None
    known: np.ndarray | None = None

    sources: dict[str, Source] = {name: ImageSource(part, augmenter, world.device) for name, part in images.items()}
    if frozen is not None and h.feature_cache:
        store = FeatureStore(network, frozen, h, paths, cache=cache, world=world, console=console, stop=stop)
        with profiler.phase("features"):
            sources, known = _features(store, images, sources, h, world)
        trainee = _head(network, world)
    else:
        # NHWC is how the pixels lie in memory; bf16 convolutions are quicker so, on CPUs too.
        network.to(world.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        trainee = _whole(network, freeze, h, world, console)

    weights = preparation.class_weights(h, images[TRAIN], dataset.classes)
    criterion = optim.CrossEntropyLoss(weights, h.label_smoothing)
    watcher = hook.watcher(paths, h, console) if world.first else hook.NoWatcher()
    watcher.describe(lambda: facts.of(images[TRAIN], len(dataset.classes), weights, mean=mean, std=std))
    watcher.watch(trainee.module, criterion)
    around = Surroundings(
        hyperparameters=h,
        world=world,
        console=console,
        stop=stop,
        checkpoints=Checkpoints(paths.checkpoints, _identity(h, network, frozen, dataset.classes, images, world)),
        watcher=watcher,
        profiler=profiler,
        scalars=tensorboard.of_job(paths, h, world, console),
        values=values,
    )
    with hook.watching(watcher):
        with profiler.phase("train"):
            state = fit(trainee, sources[TRAIN], sources[VALIDATION], criterion.to(world.device), around)
        watcher.evaluating()
        with profiler.phase("evaluate"):
            results = {
                name: evaluate(
                    trainee.module, source, world, amp=h.amp is True, batch=EVALUATION_BATCH, console=console, stop=stop
                )
                for name, source in sources.items()
                if name != TRAIN
            }
    # The others are not needed for the export, and the first must not wait for them, nor they for it.
    leave()
    if not world.first:
        return
    metrics = _final_metrics(state, results, values, console)
    # Before the export, which may fail: an hour's figures should not be lost with it.
    found = _outputs(paths, h, dataset.classes, images, state, results, metrics)
    with profiler.phase("export"):
        manifest = exporter(
            network,
            _manifest(design, h, dataset.classes, metrics),
            preparation.proof(images, h, known),
            paths.model,
            precision=h.precision,
            frozen=frozen,
            cache=cache,
            console=console,
            stop=stop,
        )
    outputs.write_json(paths.metrics, found | outputs.of_export(manifest, time.monotonic() - started))
    watcher.conclude()
    console.say(f"done in {time.monotonic() - started:.1f} s: the model is in {paths.model}")


def _dataset(paths: Paths, h: Hyperparameters, console: Console) -> tuple[data.Dataset, ordered.Values | None]:
    """The files and their classes, and what the classes stand for when they are ordered."""
    dataset = data.find(paths.data, h)
    for warning in dataset.warnings:
        console.warn(warning)
    return dataset, ordered.values_of(dataset.classes) if h.ordered_classes else None


def _check(h: Hyperparameters, console: Console) -> None:
    """What no single hyperparameter can know."""
    if h.augment == "flip" and not h.flip:
        raise HyperparameterError("augment=flip and flip=false contradict each other; set augment=none, or flip=true.")
    # A tuning job that chooses among optimizers sends every one all parameters: no error.
    idle = {"adagrad": ("momentum", h.momentum != 0.9), "sgd": ("eps", h.eps != 1e-8)}
    name, given = idle.get(h.optimizer, ("", False))
    if given:
        console.warn(f"{name} has no effect on optimizer={h.optimizer}")
    if h.profile_steps and h.profile_interval_ms == 0:
        console.warn("profile-steps has no effect with profile-interval-ms=0")
    if h.compile and h.freeze == "backbone" and h.feature_cache:
        console.warn("compile=true has no effect with freeze=backbone: the head alone is trained, on kept features")


def _settle(h: Hyperparameters, world: World, console: Console) -> Hyperparameters:
    """Make runs with one seed equal, and quick, on whatever they run; ``h`` with amp decided."""
    if world.device.type == "cpu":
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or processors()))
    else:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        torch.set_float32_matmul_precision("high")
    return autocast.settled(h, world, console)


def _network(h: Hyperparameters, classes: int, paths: Paths, console: Console) -> tuple[Network, Design]:
    """The network with its weights, tried on a blank image; its statistics are still to come."""
    plain = h.normalize == "imagenet"
    design = Design(
        architecture=h.model,
        head=h.head,
        dropout=h.dropout,
        class_count=classes,
        mean=IMAGENET_MEAN if plain else (0.0,) * 3,
        std=IMAGENET_STD if plain else (1.0,) * 3,
        image_size=h.image_size,
    )
    torch.manual_seed(h.seed)
    network, origin = network_with_weights(design, h.weights, paths.data)
    console.say(origin)
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, h.image_size, h.image_size, 3, dtype=torch.uint8))
    except (RuntimeError, AssertionError, ValueError) as exc:
        raise HyperparameterError(
            f"{h.model} cannot take images of image-size={h.image_size} ({first_line(exc)}); try a larger one, "
            "or 224, which every architecture takes."
        ) from exc
    return network, design


def _frozen_statistics(h: Hyperparameters) -> bool:
    return h.batchnorm == "frozen" or (h.batchnorm == "auto" and h.weights != "none")


def _say_sizes(network: Network, console: Console) -> None:
    parameters = list(network.net.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    console.say(f"parameters: {trained:,} of {sum(p.numel() for p in parameters):,} train")


def _whole(network: Network, freeze: Freeze, h: Hyperparameters, world: World, console: Console) -> Trainee:
    forward: Callable[[torch.Tensor], torch.Tensor] = world.wrap(network)
    if h.compile and world.device.type == "cuda":
        forward = torch.compile(forward)
    elif h.compile:
        # It needs a compiler there, which the image has not, and gains nothing (measured: as quick as eager).
        console.warn("compile=true is for GPUs and has no effect here")
    return Trainee(network, forward, freeze.train)


def _head(network: Network, world: World) -> Trainee:
    head = network.head.to(world.device)

    def train_mode() -> None:
        head.train()

    return Trainee(head, world.wrap(head), train_mode)


def _features(
    store: FeatureStore,
    images: Mapping[str, Images],
    sources: Mapping[str, Source],
    h: Hyperparameters,
    world: World,
) -> tuple[dict[str, Source], np.ndarray | None]:
    """Every split as features, the training split in several views when augmenting; and validation's as exported."""
    found: dict[str, Source] = {}
    known = None
    for name, part in images.items():
        source = sources[name]
        assert isinstance(source, ImageSource)
        views = h.augment_views if name == TRAIN and h.augment != "none" else 0
        features = store.features(part, source, views=views)
        found[name] = FeatureSource(features, source.labels, seed=h.seed, device=world.device)
        if name == VALIDATION and store.as_exported:
            known = features[0].numpy()
    return found, known


def _identity(  # noqa: PLR0917
    h: Hyperparameters,
    network: Network,
    frozen: FrozenBody | None,
    classes: tuple[str, ...],
    images: Mapping[str, Images],
    world: World,
) -> dict[str, str]:
    """What a checkpoint must share with the job that goes on from it; ``network`` is as training begins."""
    free = {
        "workers",
        "precision",
        "checkpoint-every",
        "debug-hook",
        "debug-save-interval",
        "debug-eval-interval",
        "debug-include-regex",
        "rules",
        "stop-on-rules",
        "tensorboard",
        "profile-interval-ms",
        "profile-steps",
        "compile",
        "max-bad-images",
    }
    identity = {name: value for name, value in h.strings().items() if name not in free}
    digest = hashlib.blake2b((",".join(classes) + preparation.digests_of(images)).encode(), digest_size=8).hexdigest()
    # A frozen backbone's digest is known; 100 MB take a tenth of a second.
    state = network.net.state_dict() if frozen is None else network.head.state_dict()
    weights = key_of(frozen and frozen.digest, digest_of(state))
    world.require_same(weights, "weights")
    return {
        **identity,
        "set of images": digest,
        "set of initial weights": weights,
        "number of processes": str(world.size),
    }


def _final_metrics(
    state: TrainingState, results: Mapping[str, Evaluation], values: ordered.Values | None, console: Console
) -> dict[str, float]:
    """The kept epoch's metrics and the test split's, printed once more: a tuner takes the last value of a metric."""
    kept = {**state.history[state.best_epoch], BEST_EPOCH: state.best_epoch + 1}
    metrics = {name: value for name, value in kept.items() if name not in ("images_per_second", BEST_EPOCH)}
    console.say(f"best epoch: {state.best_epoch + 1}, validation accuracy {results[VALIDATION].accuracy:.4f}")
    console.metrics({name: kept[name] for name in (*KEPT_METRICS, *ORDERED_METRICS) if name in kept})
    if TEST in results:
        test = results[TEST]
        line = {"test:loss": test.loss, "test:accuracy": test.accuracy, "test:f1": test.f1}
        line |= ordered.errors(TEST, test, values)
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


def _tell_data(paths: Paths, classes: tuple[str, ...], images: Mapping[str, Images], world: World) -> None:
    """Write what is known of the images, which a job that fails later leaves too."""
    if world.first:
        outputs.write_json(paths.metrics, outputs.of_data(classes, images))


def _outputs(  # noqa: PLR0917
    paths: Paths,
    h: Hyperparameters,
    classes: tuple[str, ...],
    images: Mapping[str, Images],
    state: TrainingState,
    results: Mapping[str, Evaluation],
    metrics: Mapping[str, float],
) -> dict[str, object]:
    """Write the tables, the worst mistakes and metrics.json, whose content this is."""
    judged = TEST if TEST in results else VALIDATION
    outputs.write_tables(paths.output, classes, results[judged])
    geometry = Geometry(*preparation.geometry(h))  # type: ignore[arg-type]
    worst = mistakes.worst(results[judged], images[judged], classes, geometry)
    outputs.write_json(paths.output / MISTAKES, worst)
    found = {
        "history": state.history,
        "best_epoch": state.best_epoch + 1,
        "stopped_by": state.stopped_by or None,
        "tables_of": judged,
        **outputs.of_data(classes, images),
        "metrics": dict(metrics),
    }
    outputs.write_json(paths.metrics, found)
    return found
