"""What a search's request may not ask: AWS's own limits, and what does not exist here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

from botocore.model import Shape

from launcher.local.tuning import hyperband
from launcher.local.tuning.request import machines
from launcher.local.tuning.scales import LOGARITHMIC, REVERSE
from launcher.local.tuning.space import Space
from launcher.local.wire import Request, refuse, service_model

OPERATION = "CreateHyperParameterTuningJob"
_MOST_RANGES = 30
_RESERVED = "_tuning_objective_metric"


def check_search(request: Request) -> None:
    """Refuse what AWS would refuse of the search itself; its training jobs are checked as training jobs."""
    shape = service_model("sagemaker").operation_model(OPERATION).input_shape
    for member in ("HyperParameterTuningJobConfig", "WarmStartConfig"):
        if shape is not None and member in request:
            _check_limits(shape.members[member], request[member], member[0].lower() + member[1:])
    _check_supported(request)
    config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    _check_objective(config, definition)
    _check_ranges(config, definition)
    _check_strategy(config, definition)


def _no(message: str) -> NoReturn:
    refuse(OPERATION, message)


def _check_limits(shape: Shape, value: Any, place: str) -> None:
    """Sets of words and greatest lengths, which botocore leaves to the service."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            _check_limits(shape.members[name], inner, f"{place}.{name[0].lower()}{name[1:]}")  # type: ignore[attr-defined]
        return
    words = getattr(shape, "enum", [])
    if words and value not in words:
        _no(
            f"1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: Member must "
            f"satisfy enum value set: [{', '.join(words)}]"
        )
    most = shape.metadata.get("max")
    if shape.type_name == "list":
        if most is not None and len(value) > most:
            _no(
                f"1 validation error detected: Value at '{place}' failed to satisfy constraint: Member must have "
                f"length less than or equal to {most}"
            )
        for number, inner in enumerate(value, start=1):
            _check_limits(shape.member, inner, f"{place}.{number}.member")  # type: ignore[attr-defined]
    elif shape.type_name in ("integer", "long") and most is not None and value > most:
        _no(
            f"1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: Member must "
            f"have value less than or equal to {most}"
        )


def _check_supported(request: Request) -> None:
    if "TrainingJobDefinition" not in request:
        _no("TrainingJobDefinition is needed; several TrainingJobDefinitions do not run locally.")
    if "TrainingJobDefinitions" in request:
        _no("Give TrainingJobDefinition alone; several TrainingJobDefinitions do not run locally.")
    for member in ("Autotune",):
        if member in request:
            _no(f"{member} does not run locally; give ParameterRanges.")
    config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    if config.get("ParameterRanges", {}).get("AutoParameters"):
        _no("AutoParameters does not run locally; give ranges.")
    if "HyperParameterRanges" in definition or "TuningObjective" in definition:
        _no("HyperParameterRanges and TuningObjective belong to TrainingJobDefinitions; use "
            "HyperParameterTuningJobConfig's ParameterRanges and HyperParameterTuningJobObjective.")  # fmt: skip
    if not machines(definition).get("InstanceType"):
        _no("TrainingJobDefinition needs ResourceConfig, or HyperParameterTuningResourceConfig with an InstanceType; "
            "InstanceConfigs do not run locally.")  # fmt: skip
    limits, criteria = config["ResourceLimits"], config.get("TuningJobCompletionCriteria")
    unlimited = not ("MaxNumberOfTrainingJobs" in limits or "MaxRuntimeInSeconds" in limits or criteria)
    if unlimited and config["Strategy"] != "Grid":
        _no("ResourceLimits.MaxNumberOfTrainingJobs, MaxRuntimeInSeconds or TuningJobCompletionCriteria is needed.")


def _check_objective(config: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    objective = config.get("HyperParameterTuningJobObjective")
    if objective is None:
        _no("HyperParameterTuningJobConfig.HyperParameterTuningJobObjective is needed.")
    metrics = [each["Name"] for each in definition["AlgorithmSpecification"].get("MetricDefinitions", [])]
    if objective["MetricName"] not in metrics:
        _no(
            f"The objective metric '{objective['MetricName']}' is not among the metric definitions of the training "
            f"job: {', '.join(metrics) or 'there are none'}."
        )


def _check_ranges(config: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    given = config.get("ParameterRanges", {})
    integers, reals = given.get("IntegerParameterRanges", []), given.get("ContinuousParameterRanges", [])
    categories = given.get("CategoricalParameterRanges", [])
    names = [each["Name"] for each in (*integers, *reals, *categories)]
    if not names:
        _no("HyperParameterTuningJobConfig.ParameterRanges needs one range at least.")
    if len(names) > _MOST_RANGES:
        _no(f"There are {len(names)} hyperparameter ranges; at most {_MOST_RANGES} may be tuned.")
    static = definition.get("StaticHyperParameters", {})
    for name in names:
        if not name or name == _RESERVED:
            _no(f"A range cannot have the name '{name}'.")
        if names.count(name) > 1:
            _no(f"The hyperparameter {name} has more than one range.")
        if name in static:
            _no(f"The hyperparameter {name} is both in StaticHyperParameters and in ParameterRanges; give one.")
    for each in integers:
        _check_numbers(each, whole=True)
    for each in reals:
        _check_numbers(each, whole=False)


def _check_numbers(given: Mapping[str, Any], *, whole: bool) -> None:
    name = given["Name"]
    bounds = []
    for member in ("MinValue", "MaxValue"):
        try:
            bounds.append(int(given[member]) if whole else float(given[member]))
        except ValueError:
            _no(f"{member} '{given[member]}' of {name} is not {'an integer' if whole else 'a number'}.")
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high)):
        _no(f"The range of {name} is not finite.")
    if low > high:
        _no(f"MinValue {given['MinValue']} of {name} is greater than MaxValue {given['MaxValue']}.")
    scaling = given.get("ScalingType", "Auto")
    if scaling == LOGARITHMIC and low <= 0:
        _no(f"Logarithmic scaling of {name} needs values greater than 0; MinValue is {given['MinValue']}.")
    if scaling == REVERSE and whole:
        _no(f"ReverseLogarithmic scaling is for continuous ranges; {name} is an integer one.")
    if scaling == REVERSE and not 0 <= low <= high < 1:
        _no(f"ReverseLogarithmic scaling of {name} needs values from 0 to less than 1.")


def _check_strategy(config: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    strategy = config["Strategy"]
    if config.get("StrategyConfig") and strategy != "Hyperband":
        _no(f"StrategyConfig is for Hyperband; the strategy is {strategy}.")
    if strategy == "Grid":
        space = Space.of(config)
        if any(each.kind != "categorical" for each in space.ranges):
            _no("The Grid strategy takes categorical ranges only.")
        limit = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
        if limit is not None and limit != space.size:
            _no(
                f"MaxNumberOfTrainingJobs is {limit}, and the grid has {space.size} combinations; give that number, "
                "or leave it out."
            )
    if strategy == "Hyperband":
        if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
            _no("TrainingJobEarlyStoppingType must be Off with the Hyperband strategy, which stops jobs itself.")
        least, most = hyperband.resources(config, definition.get("StaticHyperParameters", {}))
        if most is None:
            _no("Hyperband's MaxResource is not given and cannot be read from a static hyperparameter such as epochs.")
        if not least <= most <= hyperband.MOST:
            _no(f"Hyperband needs MinResource {least} <= MaxResource {most} <= {hyperband.MOST}.")
