"""The training loop, top to bottom: schedule, step, evaluate, checkpoint, stop early.

It trains a whole network on images, or a head on features, alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from container.common.channels import VALIDATION
from container.common.errors import ContainerError, HyperparameterError
from container.common.hyperparameters import Hyperparameters
from container.train import optim, ordered
from container.train.augment import generator_for
from container.train.checkpoint import Checkpoints, TrainingState
from container.train.console import Console, Meter
from container.train.evaluate import Evaluation, evaluate
from container.train.hook import Watcher
from container.train.profile.profiler import Profiler
from container.train.sources import Source
from container.train.stopping import JobStopped, StopSignal
from container.train.tally import FIELDS, Tally
from container.train.tensorboard import NoScalars, Scalars
from container.train.world import World

EVALUATION_BATCH = 64

# Several processes agree on stopping every so many steps; asking each time would cost more.
STEPS_BETWEEN_STOP_CHECKS = 8


@dataclass(frozen=True)
class Trainee:
    """What is trained: ``module`` holds the weights, ``forward`` is it as called, ``train_mode`` readies it."""

    module: nn.Module
    forward: Callable[[Tensor], Tensor]
    train_mode: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a loop works with besides its trainee and data."""

    hyperparameters: Hyperparameters
    world: World
    console: Console
    stop: StopSignal
    checkpoints: Checkpoints
    watcher: Watcher
    profiler: Profiler
    scalars: Scalars = field(default_factory=NoScalars)
    # What ordered classes stand for; None where they have no order.
    values: ordered.Values | None = None


def fit(
    trainee: Trainee,
    train: Source,
    validation: Source,
    criterion: optim.CrossEntropyLoss,
    around: Surroundings,
) -> TrainingState:
    """Train for the asked-for epochs, from a checkpoint when there is one; the best epoch is loaded at the end.

    Raises JobStopped after a checkpoint when the job was asked to stop, ContainerError when the loss
    is no longer a number.
    """
    h, world = around.hyperparameters, around.world
    optimizer = optim.optimizer(trainee.module.parameters(), h)
    state = _resumed(trainee, optimizer, around)
    steps = _steps(len(train), h.batch_size, world.size)
    share = world.share(len(validation))
    around.profiler.clock.watch(around.watcher.seconds)
    around.scalars.begin(anew=state.epoch == state.step == 0)
    around.watcher.begin(
        trained=state.epoch * steps + state.step,
        evaluated=state.epoch * math.ceil((share.stop - share.start) / EVALUATION_BATCH),
        total=h.epochs * steps,
        an_epoch=steps,
    )
    while state.epoch < h.epochs and not state.finished:
        try:
            _epoch(trainee, train, criterion, optimizer, state=state, steps=steps, around=around)
            if state.stopped_by and state.best_model:
                # What came after the best epoch is what the rule is about.
                state.finished = True
                _save(trainee, optimizer, state, around)
                break
            around.watcher.evaluating()
            with around.profiler.phase("validate"):
                result = _evaluate(trainee.module, validation, around)
            around.watcher.evaluated(result)
        except JobStopped:
            _save(trainee, optimizer, state, around)
            around.console.say(f"the checkpoint is written: {state.step} steps of epoch {state.epoch + 1} are done")
            raise
        _close_epoch(trainee.module, state, result, around)
        around.scalars.add(state.epoch * steps, _told(state.history[-1], h, state.epoch, steps))
        if state.finished or state.epoch == h.epochs or state.epoch % h.checkpoint_every == 0:
            _save(trainee, optimizer, state, around)
    trainee.module.load_state_dict(state.best_model)
    return state


def _steps(images: int, batch: int, processes: int) -> int:
    """Steps of an epoch: as few as ``batch`` images for each process allow.

    A step shares out two images a process at least (one, where batch-size says so), though another then
    may have two above ``batch``: batch normalization cannot take a single image.
    """
    steps = math.ceil(images / (batch * processes))
    least = min(batch, 2) * processes
    return max(1, images // least) if images // steps < least else steps


def _resumed(trainee: Trainee, optimizer: torch.optim.Optimizer, around: Surroundings) -> TrainingState:
    # The first process alone writes checkpoints, and on several hosts alone has them.
    found = around.world.from_first(around.checkpoints.load)
    if found is None:
        other = around.checkpoints.of_another() if around.world.first else None
        if other:
            around.console.warn(other)
        return TrainingState()
    state = TrainingState(**found["state"])
    trainee.module.load_state_dict(found["model"])
    optimizer.load_state_dict(found["optimizer"])
    around.console.say(f"going on from the checkpoint at epoch {state.epoch + 1}, step {state.step + 1}")
    return state


def _save(trainee: Trainee, optimizer: torch.optim.Optimizer, state: TrainingState, around: Surroundings) -> None:
    if around.world.first:
        around.checkpoints.save(state, trainee.module.state_dict(), optimizer.state_dict())


def _epoch(
    trainee: Trainee,
    train: Source,
    criterion: optim.CrossEntropyLoss,
    optimizer: torch.optim.Optimizer,
    *,
    state: TrainingState,
    steps: int,
    around: Surroundings,
) -> None:
    """The steps of one epoch that are left; ``state`` moves on with each of them."""
    h, world, clock = around.hyperparameters, around.world, around.profiler.clock
    around.watcher.training()
    trainee.train_mode()
    labels = train.labels.cpu()
    order = torch.randperm(len(train), generator=generator_for(h.seed, 1 + state.epoch, 0))
    # Nearly equal steps, in place of a last one of a few images.
    chunks = torch.tensor_split(order, steps)
    tally = Tally(state.sums, world)
    meter = Meter(around.console, "train", len(train), round=state.epoch + 1, rounds=h.epochs)
    meter.skip(sum(len(chunk) for chunk in chunks[: state.step]))
    while state.step < steps:
        if _asked_to_stop(state.step, around):
            state.sums = tally.sums()
            raise JobStopped
        state.stopped_by = _ruled_out(state, around)
        if state.stopped_by:
            around.console.say(state.stopped_by)
            break
        clock.begin()
        chunk = chunks[state.step]
        share = world.share(len(chunk))
        rows = chunk[share]
        # Dropout and stochastic depth: from the step's place, not from how the process got there.
        world.seed(generator_for(h.seed, 1 + state.epoch, 1 + state.step, world.rank).initial_seed())
        optim.set_learning_rate(optimizer, optim.learning_rate(h, state.epoch * steps + state.step, steps))
        inputs = train.take(rows, epoch=state.epoch, step=state.step, share=share, total=len(chunk))
        targets, weight = train.labels[rows.to(train.labels.device)], criterion.total(labels[chunk])
        clock.lap("data")
        with torch.autocast(world.device.type, torch.bfloat16, enabled=h.amp is True):
            logits = _forward(trainee, inputs)
        loss = criterion(logits.float(), targets, weight)
        clock.lap("forward")
        optimizer.zero_grad(set_to_none=True)
        # The processes' gradients are averaged, and the loss is this one's part of a sum.
        (loss * world.size).backward()
        clock.lap("backward")
        optimizer.step()
        clock.lap("optimizer")
        tally.add(loss.detach(), (logits.detach().argmax(dim=1) == targets).sum(), weight=weight, images=len(chunk))
        state.step += 1
        if around.scalars.due(number := state.epoch * steps + state.step):
            around.scalars.add(number, {"train:step_loss": loss.item()})
        meter.add(len(chunk), now=tally.so_far)
        clock.end()
    state.sums = tally.sums()


def _forward(trainee: Trainee, inputs: Tensor) -> Tensor:
    try:
        return trainee.forward(inputs)
    except ValueError as exc:
        if "more than 1 value per channel" not in str(exc):
            raise
        raise HyperparameterError(
            f"Batch normalization cannot learn from {len(inputs)} image(s) a step at this image-size; raise batch-size "
            "(and give more training images than processes), or set batchnorm=frozen."
        ) from exc


def _asked_to_stop(step: int, around: Surroundings) -> bool:
    if around.world.size == 1:
        return around.stop.raised
    return step % STEPS_BETWEEN_STOP_CHECKS == 0 and around.world.any(around.stop.raised)


def _ruled_out(state: TrainingState, around: Surroundings) -> str:
    """What a rule that is to stop the training has found; nothing where there would be no epoch to keep."""
    if not around.hyperparameters.stop_on_rules or (state.step == 0 and not state.best_model):
        return ""
    reason = around.watcher.reason_to_stop() or ""
    if around.world.size == 1:
        return reason
    # The first process alone has rules; all must stop at the same step.
    if state.step % STEPS_BETWEEN_STOP_CHECKS or not around.world.any(bool(reason)):
        return ""
    return reason or "stopped by a rule"


def _evaluate(module: nn.Module, source: Source, around: Surroundings) -> Evaluation:
    around.world.average_buffers(module)
    return evaluate(
        module,
        source,
        around.world,
        amp=around.hyperparameters.amp is True,
        batch=EVALUATION_BATCH,
        console=around.console,
        stop=around.stop,
    )


def _close_epoch(module: nn.Module, state: TrainingState, result: Evaluation, around: Surroundings) -> None:
    """Print the epoch's metrics, keep the network when it is the best, and say whether to go on."""
    loss, weight, hits, images, seconds = state.sums
    metrics = {
        "epoch": state.epoch + 1,
        "train:loss": loss / weight,
        "train:accuracy": hits / images,
        "validation:loss": result.loss,
        "validation:accuracy": result.accuracy,
        "validation:f1": result.f1,
        "images_per_second": images / max(seconds, 1e-9),
        **ordered.errors(VALIDATION, result, around.values),
    }
    if not (math.isfinite(loss) and math.isfinite(result.loss)):
        raise ContainerError(
            f"Training diverged: in epoch {state.epoch + 1} the training loss was {loss / weight} and the validation "
            f"loss {result.loss}; lower lr (now {around.hyperparameters.lr:g}), or add warmup-epochs."
        )
    around.console.metrics(metrics)
    state.history.append(metrics)
    if result.loss < state.best_loss:
        state.best_loss, state.best_epoch = result.loss, state.epoch
        state.best_model = {k: v.detach().cpu().clone() for k, v in module.state_dict().items()}
    patience = around.hyperparameters.early_stopping_patience
    state.finished = patience > 0 and state.epoch - state.best_epoch >= patience
    if state.stopped_by:
        state.finished = True
    elif state.finished:
        around.console.say(
            f"stopping early: no lower validation loss for {patience} epochs; the best was epoch {state.best_epoch + 1}"
        )
    state.epoch, state.step, state.sums = state.epoch + 1, 0, [0.0] * len(FIELDS)


def _told(metrics: Mapping[str, float], h: Hyperparameters, epochs: int, steps: int) -> dict[str, float]:
    """What is shown of an epoch: its ``metrics`` and its last step's learning rate."""
    told = {name: value for name, value in metrics.items() if name != "epoch"}
    return told | {"lr": optim.learning_rate(h, epochs * steps - 1, steps)}
