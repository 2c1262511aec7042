"""Every hyperparameter: its default, its reader, what it may be and what it does.

``container.common.hyperparameters`` reads them from SageMaker's strings.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from container.common.networks import network
from container.common.parsers import (
    Parser,
    auto_or,
    boolean,
    dropouts,
    integer,
    one_of,
    profile_interval,
    real,
    regex,
    rules_to_stop_on,
    sizes,
    step_range,
    watching_rules,
    weights_by_class,
    word,
)


def _spec(default: Any, parser: Parser, text: str, group: str, values: str) -> Any:
    return field(default=default, metadata={"parse": parser, "help": text, "group": group, "values": values})


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Every hyperparameter of a training job, parsed; the defaults fine-tune a frozen ResNet50."""

    # model
    model: str = _spec(
        "resnet50",
        network,
        "Any torchvision classifier by its function's name.",
        "model",
        "alexnet to wide_resnet50_2",
    )
    weights: str = _spec(
        "imagenet",
        one_of("imagenet", "none", "channel"),
        "Where the backbone's weights come from: torchvision's ImageNet weights, random, or the 'weights' channel.",
        "model",
        "imagenet | none | channel",
    )
    freeze: str = _spec(
        "backbone",
        word(r"[A-Za-z0-9_.]+", "backbone, none or a layer's name"),
        "What does not train: the whole backbone, nothing, or every layer up to and "
        "including the named one (layer3, features.14).",
        "model",
        "backbone | none | layer",
    )
    head: tuple[int, ...] = _spec(
        (), sizes, "Hidden sizes of the head: '' for one linear layer, '256', '512,64'.", "model", "sizes"
    )
    dropout: tuple[float, ...] = _spec(
        (0.0,),
        dropouts,
        "Dropout before each linear layer of the head; one value for all, or one for each.",
        "model",
        "0 to 0.95",
    )
    batchnorm: str = _spec(
        "auto",
        one_of("auto", "train", "frozen"),
        "Running statistics of batch normalization while its layers train; auto is frozen for pretrained weights. "
        "Those of frozen layers never change.",
        "model",
        "auto | train | frozen",
    )
    # data
    image_size: int = _spec(
        224, integer(32, 1024), "Side of the square the network sees, in pixels.", "data", "32 to 1024"
    )
    resize: str = _spec(
        "crop",
        one_of("crop", "squash"),
        "crop: shorter side to 256/224 of image-size, then the centre; squash: both sides to image-size.",
        "data",
        "crop | squash",
    )
    grayscale: bool = _spec(
        False, boolean, "Read images as gray; the network sees three copies.", "data", "true | false"
    )
    normalize: str = _spec(
        "imagenet",
        one_of("imagenet", "dataset", "none"),
        "Mean and standard deviation to normalize by: ImageNet's, the training split's own, or none.",
        "data",
        "imagenet | dataset | none",
    )
    augment: str = _spec(
        "none",
        one_of("none", "flip", "crop", "randaugment"),
        "Augmentation of training images; crop and randaugment include the flip.",
        "data",
        "none | flip | crop | randaugment",
    )
    flip: bool = _spec(
        True,
        boolean,
        "Mirror images when augmenting; false where left and right differ, with augment=crop or randaugment.",
        "data",
        "true | false",
    )
    augment_views: int = _spec(
        4,
        integer(1, 64),
        "With a frozen backbone: augmented views of each image kept in the feature cache.",
        "data",
        "1 to 64",
    )
    class_weights: str | dict[str, float] = _spec(
        "none", weights_by_class, "Weights of the classes in the loss.", "data", "none | balanced | JSON"
    )
    ordered_classes: bool = _spec(
        False,
        boolean,
        "The classes' names are numbers, such as counts: mean absolute and root mean squared error are told too.",
        "data",
        "true | false",
    )
    validation_fraction: float = _spec(
        0.15,
        real(0.01, 0.5),
        "Part of the training images to validate on when there is no validation channel.",
        "data",
        "0.01 to 0.5",
    )
    test_fraction: float = _spec(
        0.15,
        real(0.0, 0.5),
        "Part of the training images to test on when there is no test channel; 0 for no test.",
        "data",
        "0 to 0.5",
    )
    max_bad_images: float = _spec(
        0.01, real(0.0, 1.0), "Part of a split's files that may be unreadable before the job fails.", "data", "0 to 1"
    )
    # optimization
    epochs: int = _spec(10, integer(1, 10000), "Passes over the training images.", "optimization", "1 to 10000")
    batch_size: int = _spec(32, integer(1, 65536), "Images a step, on each device.", "optimization", "1 to 65536")
    optimizer: str = _spec(
        "adamw",
        one_of("adamw", "adam", "sgd", "adagrad"),
        "The optimizer.",
        "optimization",
        "adamw | adam | sgd | adagrad",
    )
    lr: float = _spec(1e-3, real(0.0, above=True), "Learning rate.", "optimization", "> 0")
    weight_decay: float = _spec(0.01, real(0.0), "Weight decay.", "optimization", ">= 0")
    eps: float = _spec(
        1e-8, real(0.0, above=True), "Denominator term of adamw, adam and adagrad.", "optimization", "> 0"
    )
    momentum: float = _spec(
        0.9, real(0.0, 0.9999), "Momentum of sgd; beta1 of adamw and adam.", "optimization", "0 to 0.9999"
    )
    schedule: str = _spec(
        "cosine",
        one_of("none", "cosine", "step", "onecycle"),
        "Learning-rate schedule, a value a step: cosine to 0, step (x0.1 at each third), onecycle.",
        "optimization",
        "none | cosine | step | onecycle",
    )
    warmup_epochs: float = _spec(
        0.0, real(0.0), "Epochs of linear warm-up before the schedule.", "optimization", ">= 0"
    )
    label_smoothing: float = _spec(
        0.0, real(0.0, 0.5), "Label smoothing of the training loss.", "optimization", "0 to 0.5"
    )
    early_stopping_patience: int = _spec(
        0,
        integer(0),
        "Stop after so many epochs without a lower validation loss; "
        "0 never stops early. The best epoch is kept either way.",
        "optimization",
        ">= 0",
    )
    # run
    seed: int = _spec(
        0,
        integer(0, 2**31 - 1),
        "Seed of the splits, the initialization, the order and the augmentation.",
        "run",
        "0 to 2147483647",
    )
    amp: bool | str = _spec(
        "auto",
        auto_or(boolean),
        "bf16 autocast. auto: on GPUs and CPUs with bf16 arithmetic, while the network trains; features of a frozen "
        "backbone stay fp32.",
        "run",
        "auto | true | false",
    )
    compile: bool = _spec(False, boolean, "torch.compile the network (GPU).", "run", "true | false")
    workers: int | str = _spec(
        "auto",
        auto_or(integer(0, 1024)),
        "Threads that decode images; auto is one a core.",
        "run",
        "auto | 0 to 1024",
    )
    feature_cache: bool = _spec(
        True, boolean, "Pass a frozen backbone once and train the head on its kept features.", "run", "true | false"
    )
    checkpoint_every: int = _spec(1, integer(1), "Epochs between checkpoints.", "run", ">= 1")
    # export
    precision: str = _spec(
        "auto",
        one_of("auto", "fp32", "bf16", "int8"),
        "Precision of the exported model; auto keeps int8 when its validation accuracy is within 0.3 points of fp32's.",
        "export",
        "auto | fp32 | bf16 | int8",
    )
    # debug
    debug_hook: bool = _spec(
        False, boolean, "Attach the smdebug hook although no debughookconfig.json is there.", "debug", "true | false"
    )
    debug_save_interval: int = _spec(
        50,
        integer(1),
        "Steps between saved tensors when debug-hook sets the hook up; for the rules, between saved weights and "
        "gradients, at most.",
        "debug",
        ">= 1",
    )
    debug_eval_interval: int = _spec(
        0,
        integer(0),
        "Steps of evaluation between saved tensors when debug-hook sets the hook up; 0 for the evaluation's result "
        "alone, which is saved each time.",
        "debug",
        ">= 0",
    )
    debug_include_regex: str = _spec(
        "",
        regex,
        "Tensors to save whole besides, by a regular expression on smdebug's names, such as CrossEntropyLoss_output_0; "
        "at debug-save-interval and debug-eval-interval.",
        "debug",
        "regular expression",
    )
    rules: str = _spec(
        "auto",
        watching_rules,
        "Rules that watch the training, by SageMaker Debugger's names; auto is default, and none in a tuning job's "
        "trainings.",
        "debug",
        "auto | default | none | names | JSON with parameters",
    )
    stop_on_rules: str = _spec(
        "",
        rules_to_stop_on,
        "Rules that end the job early when they find an issue; the best epoch is kept and exported.",
        "debug",
        "all | names",
    )
    tensorboard: bool = _spec(
        False,
        boolean,
        "Leave losses, accuracies and learning rates for TensorBoard in output/data/tensorboard; "
        "debug-save-interval says how often a single step's loss.",
        "debug",
        "true | false",
    )
    # profile
    profile_interval_ms: int = _spec(
        500,
        profile_interval,
        "Milliseconds between looks at the system for the job's profile; 0 for no profile at all.",
        "profile",
        "0 | 100 to 60000",
    )
    profile_steps: str = _spec(
        "",
        step_range,
        "Training steps, counted from 0, that torch.profiler traces operator by operator; costs time and disk.",
        "profile",
        "START:END",
    )

    def strings(self) -> dict[str, str]:
        """The values as SageMaker sends them; ``parse`` of the answer gives an equal object."""
        return {name: text(getattr(self, attribute)) for name, attribute in ATTRIBUTES.items()}


def text(value: Any) -> str:
    """A value as SageMaker sends it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(text(v) for v in value)
    if isinstance(value, dict):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else str(value)


# The attribute of each hyperparameter, by its name.
ATTRIBUTES: dict[str, str] = {f.name.replace("_", "-"): f.name for f in fields(Hyperparameters)}
NAMES: tuple[str, ...] = tuple(ATTRIBUTES)


@dataclass(frozen=True)
class Description:
    """One hyperparameter, for help texts and tables."""

    name: str
    default: str
    values: str
    group: str
    help: str


def describe() -> list[Description]:
    """Every hyperparameter in the schema's order."""
    rows = []
    for f in fields(Hyperparameters):
        default = "" if f.default is MISSING else text(f.default)
        rows.append(
            Description(
                f.name.replace("_", "-"), default, f.metadata["values"], f.metadata["group"], f.metadata["help"]
            )
        )
    return rows
