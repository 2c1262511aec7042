"""Optimizers, schedules and the loss: every hyperparameter is seen where it acts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from container.train import optim
from tests.train.places import quick


def built(**changes: str) -> torch.optim.Optimizer:
    layers = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    layers[0].requires_grad_(False)
    return optim.optimizer(layers.parameters(), quick(**changes))


@pytest.mark.parametrize(
    ("name", "kind", "beta"),
    [
        ("adamw", torch.optim.AdamW, "betas"),
        ("adam", torch.optim.Adam, "betas"),
        ("sgd", torch.optim.SGD, "momentum"),
        ("adagrad", torch.optim.Adagrad, None),
    ],
)
def test_every_optimizer_gets_all_of_its_parameters(name: str, kind: type, beta: str | None) -> None:
    more = {"momentum": "0.7"} if beta else {}
    found = built(optimizer=name, lr="0.05", weight_decay="0.02", eps="0.001", **more)
    assert type(found) is kind
    (group,) = found.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.05, 0.02)
    if name != "sgd":
        assert group["eps"] == 0.001
    if beta:
        assert group[beta] == ((0.7, 0.999) if beta == "betas" else 0.7)


def test_frozen_parameters_are_left_out() -> None:
    (group,) = built().param_groups
    assert [tuple(p.shape) for p in group["params"]] == [(2, 3), (2,)]


def rates(**changes: str) -> list[float]:
    h = quick(epochs="3", lr="1", **changes)
    return [optim.learning_rate(h, step, 10) for step in range(30)]


def test_schedules_have_their_shapes() -> None:
    assert set(rates(schedule="none")) == {1.0}
    cosine = rates(schedule="cosine")
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[0] == 1.0
    assert cosine[15] == pytest.approx(0.5)
    assert cosine[-1] < 0.01
    assert rates(schedule="step") == pytest.approx([1.0] * 10 + [0.1] * 10 + [0.01] * 10)
    onecycle = rates(schedule="onecycle")
    assert onecycle[0] == pytest.approx(1 / 25)
    assert onecycle.index(max(onecycle)) == 9
    assert onecycle[-1] < 0.02


def test_warm_up_rises_step_by_step_and_then_leaves_the_schedule_its_rest() -> None:
    warm = rates(schedule="cosine", warmup_epochs="0.5")
    assert warm[:5] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6])
    assert warm[5] == 1.0
    assert warm[-1] < 0.01


def test_the_loss_is_torchs_with_weights_and_smoothing() -> None:
    logits, labels = torch.randn(7, 3), torch.tensor([0, 1, 2, 2, 1, 0, 0])
    weight = torch.tensor([1.0, 3.0, 0.5])
    for w in (None, weight):
        ours = optim.CrossEntropyLoss(w, 0.1)
        theirs = nn.CrossEntropyLoss(w, label_smoothing=0.1)(logits, labels)
        torch.testing.assert_close(ours(logits, labels, ours.total(labels)), theirs)


def test_parts_of_a_batch_add_up_to_its_loss() -> None:
    logits, labels = torch.randn(7, 3), torch.tensor([0, 1, 2, 2, 1, 0, 0])
    loss = optim.CrossEntropyLoss(torch.tensor([1.0, 3.0, 0.5]))
    total = loss.total(labels)
    parts = loss(logits[:3], labels[:3], total) + loss(logits[3:], labels[3:], total)
    torch.testing.assert_close(parts, loss(logits, labels, total))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_of_classes_without_weight_teaches_nothing(smoothing: float) -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    labels = torch.tensor([1, 1, 1, 1])
    loss = optim.CrossEntropyLoss(torch.tensor([1.0, 0.0, 2.0]), smoothing)
    value = loss(logits, labels, loss.total(labels))
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros(4, 3))
