"""Optimizers and learning-rate schedules; each of their hyperparameters reaches them here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from container.common.hyperparameters import Hyperparameters

# torch's OneCycleLR: up from lr/25 over the first 30 %, down to lr/25e4; both by cosine (Smith 2018).
ONECYCLE_START, ONECYCLE_RISE, ONECYCLE_END = 1 / 25, 0.3, 1 / 25e4


def optimizer(parameters: Iterable[nn.Parameter], hyperparameters: Hyperparameters) -> Optimizer:
    """The optimizer over those ``parameters`` that train; fused on a GPU."""
    h = hyperparameters
    trained = [p for p in parameters if p.requires_grad]
    # Fused kernels exist on CPU too, but only for some and with other rounding.
    fused: dict[str, Any] = {"fused": True} if trained and all(p.is_cuda for p in trained) else {}
    common: dict[str, Any] = {"lr": h.lr, "weight_decay": h.weight_decay}
    if h.optimizer == "adamw":
        return AdamW(trained, **common, eps=h.eps, betas=(h.momentum, 0.999), **fused)
    if h.optimizer == "adam":
        return Adam(trained, **common, eps=h.eps, betas=(h.momentum, 0.999), **fused)
    if h.optimizer == "sgd":
        return SGD(trained, **common, momentum=h.momentum, **fused)
    return Adagrad(trained, **common, eps=h.eps)


def learning_rate(hyperparameters: Hyperparameters, step: int, steps_an_epoch: int) -> float:
    """The learning rate of the ``step``-th step of a job, counted from 0.

    A function of the step alone, so that there is no state to save. Warm-up rises linearly over
    ``warmup-epochs``; the schedule runs over the steps that are left.
    """
    h = hyperparameters
    warmup = min(h.warmup_epochs, float(h.epochs)) * steps_an_epoch
    if step < warmup:
        return h.lr * (step + 1) / (math.floor(warmup) + 1)
    total = h.epochs * steps_an_epoch - warmup
    part = (step - warmup) / max(total, 1)
    return h.lr * _factor(h.schedule, part)


def _factor(schedule: str, part: float) -> float:
    """What the learning rate is multiplied by at ``part`` (0 to 1) of the schedule."""
    if schedule == "cosine":
        return _cosine(1.0, 0.0, part)
    if schedule == "step":
        return float(0.1 ** min(int(part * 3), 2))
    if schedule == "onecycle":
        if part < ONECYCLE_RISE:
            return _cosine(ONECYCLE_START, 1.0, part / ONECYCLE_RISE)
        return _cosine(1.0, ONECYCLE_END, (part - ONECYCLE_RISE) / (1 - ONECYCLE_RISE))
    return 1.0


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def set_learning_rate(optimizer: Optimizer, value: float) -> None:
    """Use ``value`` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = value


class CrossEntropyLoss(nn.modules.loss._WeightedLoss):
    """Cross entropy with class weights and label smoothing, over a batch that processes share.

    ``forward(logits, labels, total)``: the sum over these images divided by ``total``, the weight of
    the whole batch, which is what torch's own loss of that name gives on the whole batch (its
    definition of the weighted mean). Named as torch's, because the debugger's rules look for it.
    """

    def __init__(self, weight: torch.Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__(weight, reduction="sum")
        self.label_smoothing = label_smoothing

    def total(self, labels: torch.Tensor) -> float:
        """The weight of a batch with these labels: their number, or the sum of their class weights."""
        return float(len(labels) if self.weight is None else self.weight[labels.to(self.weight.device)].sum())

    def forward(self, logits: torch.Tensor, labels: torch.Tensor, total: float) -> torch.Tensor:
        summed = nn.functional.cross_entropy(
            logits, labels, weight=self.weight, reduction="sum", label_smoothing=self.label_smoothing
        )
        # A batch of classes that weigh nothing says nothing; torch's own loss is not a number there.
        return summed / total if total > 0 else summed * 0
