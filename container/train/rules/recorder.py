"""smdebug's hook, made to cost nothing between the steps it saves, and to save what our rules need.

recorder = Recorder(out_dir="tensors")
recorder.plan(total=2000, an_epoch=200, most=50, whole=False, facts={})
recorder.attach(module, criterion, probes=True)
"""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Callable, Mapping
from functools import partial, wraps
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar, cast

import numpy as np
import smdebug.pytorch as smd
from smdebug.core.modes import ModeKeys
from smdebug.core.save_config import SaveConfigMode
from smdebug.core.utils import is_s3
from torch import Tensor, bfloat16, nn

from container.common.errors import first_line
from container.train.rules.disk import Disk
from container.train.rules.layers import Calls, spread
from container.train.rules.needs import (
    ALIVE,
    FIRST_STEPS,
    ONCE,
    OUTPUT_ROWS,
    ROWS,
    SAMPLED,
    SECONDS_BETWEEN_SIGNS,
    SIDE,
    intervals,
    needs,
)
from container.train.rules.step_files import StepWriter
from container.train.rules.weight_tensors import SAMPLE

Method = TypeVar("Method", bound=Callable[..., Any])

# What saving for rules may take of a training's time, once it has taken so many seconds in all: a disk or a network
# that is slow, or a quick training of a large network, has fewer steps saved. The rules' own process takes the rest of
# the 5 % that watching may cost. Steps at which no weights and gradients are saved take a tenth of the time, and tell
# how the loss goes: they go on up to LENIENCE times as much.
MOST_SHARE, FREE_SECONDS, LENIENCE = 0.01, 0.3, 2

# The collection of tensors that debug-include-regex names.
INCLUDED = "included"

# A step no training comes to.
NEVER = ONCE

_ACTIVATIONS = {nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}


def _harmless(method: Method) -> Method:
    """``method``, after whose failure a hook that nobody asked for saves no more and lets training go on."""

    @wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.broken:
            return None
        began = perf_counter()
        try:
            return method(self, *args, **kwargs)
        except Exception as exc:
            # Whatever it is (a full disk, a tensor smdebug cannot take): the training is worth more. So it is than
            # tensors that were asked for and a disk that hangs.
            if not self._planned and not isinstance(exc, TimeoutError):
                raise
            self.broken, self._idle = f"{type(exc).__name__}: {first_line(exc)}", True
            return None
        finally:
            self.seconds += perf_counter() - began

    return cast(Method, guarded)


class Recorder(smd.Hook):  # type: ignore[misc]
    """The hook. Without ``plan`` it saves what its constructor or its JSON file says, as smdebug's own does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Why nothing is saved any more.
        self.broken = ""
        # What all of its work has cost so far.
        self.seconds = 0.0
        self._idle = True
        self._planned = False
        self._frugal = False
        self._heavy = 1
        self._began = self._signed = perf_counter()
        self._parameters: list[tuple[str, nn.Parameter]] = []
        self._facts: Mapping[str, np.ndarray] = {}
        self._loss: nn.Module | None = None
        self._done: set[str] = set()
        self._relus = Calls()
        self._schedule: dict[Any, list[SaveConfigMode]] = {}
        self._disk: Disk | None = None
        super().__init__(*args, **kwargs)

    def plan(
        self, *, total: int, an_epoch: int, most: int, whole: bool, facts: Mapping[str, np.ndarray], evaluated: int = 0
    ) -> None:
        """Save what the default rules need in a training of ``total`` steps, and ``facts`` about its data once.

        With ``whole``, which was asked for, weights, gradients and biases themselves, of evaluation too, each
        ``evaluated`` steps unless that is 0.
        """
        self._planned, self._facts = True, facts
        # Tensors that were asked for are saved, whatever that takes.
        self._frugal, self._began = not whole and INCLUDED not in self.include_collections, perf_counter()
        light, self._heavy = intervals(total, an_epoch, most)
        for need in needs(light, self._heavy, whole=whole):
            collection = self.get_collection(need.name)
            collection.include_regex = list(need.regexes)
            collection.save_config = saving(need.interval, evaluated if whole else 0, first_steps=need.first_steps)
            if need.reductions:
                collection.reduction_config = smd.ReductionConfig.from_dict({"reductions": ",".join(need.reductions)})
            if need.name not in self.include_collections:
                self.include_collections.append(need.name)

    def include(self, regex: str, save_config: smd.SaveConfig) -> None:
        """Save tensors whose names match ``regex``, whatever else is saved."""
        collection = self.get_collection(INCLUDED)
        collection.include_regex = [regex]
        collection.save_config = save_config
        self.include_collections.append(INCLUDED)

    def attach(self, module: nn.Module, criterion: nn.Module, *, probes: bool) -> None:
        """Watch ``module`` and the loss; with ``probes``, for what ``plan`` names, activations and outputs too."""
        self.register_module(module)
        self.register_loss(criterion)
        self._loss = criterion
        name = type(module).__name__
        self._parameters = [
            (f"{name}_{own}", parameter)
            for own, parameter in module.named_parameters()
            if parameter.requires_grad and parameter.ndim >= 2
        ]
        if probes:
            criterion.register_forward_hook(self._keep_outputs)
            relus = [m for m in module.modules() if isinstance(m, (nn.ReLU, nn.ReLU6))]
            for relu in relus:
                relu.register_forward_pre_hook(self._keep_variance)
                relu.register_forward_hook(self._keep_activity)
            self._relus = Calls(relus)
            for activation in spread([m for m in module.modules() if type(m) in _ACTIVATIONS]):
                activation.register_forward_pre_hook(self._keep_inputs)

    @staticmethod
    def _make_numpy_array(tensor_value: Any) -> Any:
        """smdebug's own, for bf16 too, which autocast gives and numpy has not."""
        if isinstance(tensor_value, Tensor) and tensor_value.dtype == bfloat16:
            tensor_value = tensor_value.float()
        return smd.Hook._make_numpy_array(tensor_value)

    @_harmless
    def forward_pre_hook(self, module: nn.Module, inputs: Any) -> None:
        """A step begins: with smdebug's whole apparatus where it is saved, and without where it is not."""
        self._done.clear()
        self._relus.begin()
        if self._disk is not None:
            self._disk.pass_on()
            self._give_sign(self._disk)
        if self.prepared_collections and (not self._due() or self._too_dear()):
            self._idle = True
            if self.writer is not None:
                self._close_writers()
            self._pass()
            return
        self._idle = False
        if self._disk is not None and not self._frugal:
            self._disk.catch_up()
        super().forward_pre_hook(module, inputs)
        if self._planned and self.mode == ModeKeys.TRAIN and self.writer is not None:
            self._keep_samples()

    @_harmless
    def forward_hook(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        if not self._idle and (module is self._loss or self._may_want("")):
            super().forward_hook(module, inputs, outputs)

    def _log_params(self, module: nn.Module) -> None:
        if self._may_want("weights"):
            super()._log_params(module)

    def _may_want(self, collection: str) -> bool:
        """Whether a tensor may be saved at this step, which our own plan saves with ``collection`` alone, or never.

        smdebug asks that of each tensor by its name: 20 ms a step of a ResNet50, whatever is saved.
        """
        if not self._planned or INCLUDED in self.include_collections:
            return True
        return bool(collection and self._is_collection_being_saved_for_step(collection))

    def fhook(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        """Python profiling, which ended with torch 1.8."""

    def backward_hook(self, tname: str) -> Callable[[Tensor], None]:
        save = super().backward_hook(tname)

        def back(gradient: Tensor) -> None:
            if not self._idle and self._may_want("gradients"):
                self._call(save, gradient)

        return back

    @_harmless
    def _call(self, save: Callable[[Tensor], None], gradient: Tensor) -> None:
        save(gradient)

    def close(self) -> None:
        """Write what is left, and end the process that writes, whatever has become of it."""
        self._close()
        # smdebug would do it once more when the job's process ends, and where nobody hears what goes wrong.
        atexit.unregister(self._cleanup)
        if self.broken and self._disk is not None:
            # Why it is broken is known.
            with contextlib.suppress(OSError):
                self._disk.close()

    @_harmless
    def _close(self) -> None:
        super().close()

    def _cleanup(self) -> None:
        # Before smdebug leaves the sign that all is there.
        if self._disk is not None:
            self._close_writers()
            self._disk.close(whole=not self._frugal)
        super()._cleanup()

    def _initialize_writers(self, only_initialize_if_missing: bool = False) -> None:
        """As smdebug's, with files that the training does not wait for."""
        if only_initialize_if_missing and self.writer:
            return
        if self._disk is None:
            # Whether it is this process that writes.
            super()._initialize_writers()
            if self.writer is None or is_s3(self.out_dir)[0]:
                return
            self._disk = Disk()
        self.writer: Any = StepWriter(self._disk, Path(self.out_dir), step=self.step, worker=self.worker)

    @_harmless
    def evaluated(self, loss: float, labels: np.ndarray, predictions: np.ndarray) -> None:
        """The result of the evaluation that has just been made, saved at its last step."""
        if not self.prepared_collections or self.step < 0 or self._held_up():
            return
        self._initialize_writers(only_initialize_if_missing=True)
        if self.writer is None:
            return
        self._write_raw_tensor_simple("CrossEntropyLoss_output_0", np.float32(loss))
        if self._planned:
            self._write_raw_tensor_simple("labels", labels)
            self._write_raw_tensor_simple("predictions", predictions)
        self._close_writers()
        self.last_saved_step = self.step

    def _give_sign(self, disk: Disk) -> None:
        now = perf_counter()
        if self._planned and now - self._signed >= SECONDS_BETWEEN_SIGNS and not disk.behind:
            self._signed = now
            disk.tell({Path(self.out_dir) / ALIVE: b""})

    def _due(self) -> bool:
        if self.mode not in self._schedule:
            unique = {
                str(one.to_json_dict()): one
                for collection in self._get_all_collections_to_save()
                for one in [collection.save_config.get_save_config(self.mode)]
            }
            self._schedule[self.mode] = list(unique.values())
        number = self.mode_steps[self.mode] + 1
        return any(one.should_save_step(number) for one in self._schedule[self.mode])

    def _too_dear(self) -> bool:
        if not self._frugal:
            return False
        most = FREE_SECONDS + MOST_SHARE * (perf_counter() - self._began)
        if self._held_up():
            return True
        number = self.mode_steps[self.mode] + 1
        if self.mode == ModeKeys.TRAIN and number < FIRST_STEPS:
            return False  # where most goes wrong, on a machine that is busy too
        heavy = number % self._heavy == 0
        return self.seconds > (most if heavy else LENIENCE * most)

    def _held_up(self) -> bool:
        """Whether the disk is too slow for a training that has not asked for its tensors."""
        return self._frugal and self._disk is not None and self._disk.behind

    def _pass(self) -> None:
        """What ``_increment_step`` does, without looking at the disk."""
        self.step += 1
        self.mode_steps[self.mode] += 1
        if self.mode != ModeKeys.GLOBAL:
            self.mode_steps[ModeKeys.GLOBAL] = self.step
        self._collections_to_save_for_step = None

    def _wants(self, collection: str) -> bool:
        return (
            not self._idle
            and self.mode == ModeKeys.TRAIN
            and self.writer is not None
            and bool(self._is_collection_being_saved_for_step(collection))
        )

    def _keep(self, name: str, value: Callable[[], Tensor | np.ndarray]) -> None:
        """Save what ``value`` gives once a step: a module may be called several times in it."""
        if name not in self._done:
            self._done.add(name)
            self._save_for_tensor(name, value())

    def _keep_samples(self) -> None:
        if self._wants("samples"):
            for name, parameter in self._parameters:
                self._keep(SAMPLE + name, partial(_sample, parameter))
        if self._facts and self._wants("data"):
            for name, fact in self._facts.items():
                self._keep(name, partial(np.asarray, fact))

    @_harmless
    def _keep_outputs(self, _criterion: nn.Module, inputs: Any, _loss: Tensor) -> None:
        if self._wants("head_outputs"):
            self._keep("head_outputs", lambda: inputs[0][:OUTPUT_ROWS].detach().float())

    @_harmless
    def _keep_variance(self, module: nn.Module, inputs: Any) -> None:
        if not self._idle and (name := self._relus.name(module)) and self._wants("relu_inputs"):
            self._keep(f"{name}_relu_input_variance", lambda: _some(inputs[0]).float().var())

    @_harmless
    def _keep_activity(self, module: nn.Module, _inputs: Any, outputs: Tensor) -> None:
        if self._idle:
            return
        name = self._relus.name(module)
        self._relus.count(module)
        if name and self._wants("relu_activity") and outputs.ndim > 1:
            self._keep(f"{name}_relu_activity", lambda: _activity(_some(outputs)))

    @_harmless
    def _keep_inputs(self, module: nn.Module, inputs: Any) -> None:
        if self._wants("activation_inputs"):
            kind = _ACTIVATIONS[type(module)]
            self._keep(f"{module._module_name}_{kind}_input_0", lambda: inputs[0][:ROWS].detach().float())


def _sample(weight: Tensor) -> Tensor:
    """SAMPLED elements of a weight, evenly spaced, with two axes, for it is of a weight that has them."""
    stride = max(1, weight.numel() // SAMPLED)
    return weight.detach().flatten()[::stride][:SAMPLED].reshape(1, -1).float()


def _activity(outputs: Tensor) -> Tensor:
    """How often each channel of a ReLU's ``outputs`` is above 0, in percent."""
    axes = [axis for axis in range(outputs.ndim) if axis != 1]
    return 100.0 * (outputs > 0).float().mean(dim=axes)


def _some(values: Tensor) -> Tensor:
    """ROWS rows of a batch, and of a map about SIDE places on each side: more takes longer and tells no more."""
    some = values[:ROWS].detach()
    if some.ndim == 4:
        some = some[:, :, :: max(1, some.shape[2] // SIDE), :: max(1, some.shape[3] // SIDE)]
    return some


def saving(trained: int, evaluated: int, *, first_steps: int = 0) -> smd.SaveConfig:
    """Each ``trained`` steps of training and the first of them, and each ``evaluated`` of evaluation; 0 is never."""
    training = SaveConfigMode(save_interval=trained, save_steps=list(range(first_steps)))
    never = SaveConfigMode(save_interval=1, start_step=NEVER)
    evaluation = SaveConfigMode(save_interval=evaluated) if evaluated else never
    known = {ModeKeys.TRAIN: training, ModeKeys.EVAL: evaluation}
    return smd.SaveConfig({mode: known.get(mode, never) for mode in ModeKeys})
