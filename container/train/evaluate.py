"""How good a model is on a split: loss, accuracy, macro F1, the table by class, the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from container.train.console import Console, Meter
from container.train.sources import Source
from container.train.stopping import StopSignal
from container.train.world import World


@dataclass(frozen=True)
class Evaluation:
    """``logits`` (N, K) of a split and what follows from them; ``confusion[true, predicted]`` counts images."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    loss: float
    confusion: NDArray[np.int64]

    @classmethod
    def of(cls, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Evaluation:
        """From logits and true labels; the loss is the mean cross entropy, plain."""
        classes = logits.shape[1]
        loss = nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
        pairs = labels * classes + logits.argmax(axis=1)
        confusion = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
        return cls(logits, labels, float(loss), confusion)

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / max(self.confusion.sum(), 1))

    @property
    def table(self) -> list[dict[str, float]]:
        """Precision, recall, F1 and support, a row a class."""
        hits = np.diag(self.confusion).astype(float)
        support, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        precision = np.divide(hits, predicted, out=np.zeros_like(hits), where=predicted > 0)
        recall = np.divide(hits, support, out=np.zeros_like(hits), where=support > 0)
        both = precision + recall
        f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(hits), where=both > 0)
        return [
            {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for p, r, f, s in zip(precision, recall, f1, support, strict=True)
        ]

    @property
    def f1(self) -> float:
        """Macro F1: the plain mean over the classes that are there or were predicted."""
        present = (self.confusion.sum(axis=1) + self.confusion.sum(axis=0)) > 0
        return float(np.mean([row["f1"] for row, there in zip(self.table, present, strict=True) if there]))


def evaluate(
    module: nn.Module,
    source: Source,
    world: World,
    *,
    amp: bool,
    batch: int,
    console: Console,
    stop: StopSignal,
) -> Evaluation:
    """Pass ``source`` through ``module`` in evaluation mode, shared among the processes."""
    module.eval()
    share = world.share(len(source))
    parts: list[Tensor] = []
    meter = Meter(console, "evaluate", share.stop - share.start)
    with torch.inference_mode(), torch.autocast(world.device.type, torch.bfloat16, enabled=amp):
        for start in range(share.start, share.stop, batch):
            rows = slice(start, min(start + batch, share.stop))
            parts.append(module(source.plain(rows)).float())
            meter.add(rows.stop - rows.start)
            if world.size == 1:
                stop.check()
    own = torch.cat(parts) if parts else None
    classes = torch.tensor(0 if own is None else own.shape[1], device=world.device)
    if world.size > 1:
        torch.distributed.all_reduce(classes, torch.distributed.ReduceOp.MAX)
    logits = torch.zeros(len(source), int(classes), device=world.device)
    if own is not None:
        logits[share] = own
    return Evaluation.of(world.sum(logits).cpu().numpy(), source.labels.cpu().numpy())
