"""What AWS will ask for, as an estimate before anything starts; what it has billed, afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from container.common.durations import span
from launcher.aws import prices
from launcher.config.ranges import Choices
from launcher.config.run import Endpoint, Training, Transform, Tuning

_HOUR, _DAY = 3600, 24


def of_training(training: Training, *, region: str) -> str:
    """At most so much: the time the job may take at its instances' price."""
    machines, warm = f"{training.instance_count} × {training.instance_type}", training.managed.keep_alive or 0
    what = f"{machines} for {span(training.max_runtime)}" + (f" and {span(warm)} kept warm" if warm else "")
    return _at_most(training, training.max_runtime + warm, what, region)


def of_tuning(tuning: Tuning, *, region: str) -> str:
    """At most so much: all trials for their full time, or as many at once as the search has time for."""
    training, jobs = tuning.training, tuning.jobs or _combinations(tuning)
    seconds = jobs * training.max_runtime
    what = f"{jobs} trials on {training.instance_count} × {training.instance_type} for {span(training.max_runtime)}"
    limit = tuning.max_search_runtime
    if limit is not None and tuning.parallel * limit < seconds:
        seconds = tuning.parallel * limit
        machines = f"{training.instance_count} × {training.instance_type}"
        what = f"{tuning.parallel} trials at once on {machines} for {span(limit)}"
    return _at_most(training, seconds, what, region)


def _combinations(tuning: Tuning) -> int:
    return prod(len(each.values) for each in tuning.ranges if isinstance(each, Choices))


def _at_most(training: Training, seconds: int, what: str, region: str) -> str:
    price = prices.PRICES.get(training.instance_type)
    if price is None:
        return f"Cost: {_unknown(training.instance_type)}."
    dollars = price.hourly * training.instance_count * seconds / _HOUR
    less = "; spot instances usually cost less" if training.managed.spot else "; a shorter --max-runtime bounds it"
    return f"Cost: at most ${dollars:,.2f}, {what} at {_rate(price, region)}{less}."


def of_endpoint(endpoint: Endpoint, *, region: str) -> str:
    """So much an hour, until it is deleted."""
    if endpoint.hosting.serverless:
        return "Cost: by the request, and nothing while nobody asks."
    price = prices.PRICES.get(endpoint.instance_type)
    if price is None:
        return f"Cost: {_unknown(endpoint.instance_type)}; it is billed until it is deleted."
    scaling, variants = endpoint.hosting.scaling, len(endpoint.served)
    least, most = (scaling.minimum, scaling.maximum) if scaling else (endpoint.instance_count, endpoint.instance_count)
    daily = [f"${price.hourly * count * variants * _DAY:,.2f}" for count in sorted({least, most})]
    count = f"{least} to {most}" if scaling else str(least)
    each = f", for each of {variants} variants" if variants > 1 else ""
    return (
        f"Cost: {' to '.join(daily)} a day until it is deleted, {count} × {endpoint.instance_type}{each} at "
        f"{_rate(price, region)}."
    )


def of_transform(transform: Transform, *, region: str) -> str:
    """So much an hour, until all has been answered."""
    price = prices.PRICES.get(transform.instance_type)
    machines = f"{transform.instance_count} × {transform.instance_type}"
    if price is None:
        return f"Cost: {_unknown(transform.instance_type)}; it is billed until the last picture is answered."
    return (
        f"Cost: ${price.hourly * transform.instance_count:,.2f} an hour until the last picture is answered, {machines} "
        f"at {_rate(price, region)}."
    )


def of_transformed(description: dict[str, Any], seconds: float) -> str:
    """What an ended batch transform job cost, which AWS itself does not say; "" where that is not known."""
    resources = description["TransformResources"]
    price, count = prices.PRICES.get(resources["InstanceType"]), int(resources["InstanceCount"])
    if not seconds or price is None:
        return ""
    dollars = price.hourly * count * seconds / _HOUR
    return (
        f"Ran for {span(seconds)} on {count} × {resources['InstanceType']}, about ${dollars:,.2f} by the list prices "
        f"in {prices.REGION} of {_dated(price)}."
    )


def _rate(price: prices.Price, region: str) -> str:
    elsewhere = "" if region == prices.REGION else f"; {region} has prices of its own"
    return f"${price.hourly:g} an hour (list price in {prices.REGION} of {_dated(price)}{elsewhere})"


def _dated(price: prices.Price) -> str:
    return price.dated if price.checked else f"{price.dated}, to be checked"


def _unknown(instance_type: str) -> str:
    return f"what {instance_type} costs is not in the price table of {prices.DATED}; see {prices.PAGE}"


def billed(descriptions: Sequence[dict[str, Any]]) -> str:
    """What ended jobs were billed, and what spot instances saved; "" where AWS has not said it."""
    told = [each for each in descriptions if "BillableTimeInSeconds" in each]
    if not told:
        return ""
    seconds = sum(_instances(each) * each["BillableTimeInSeconds"] for each in told)
    said = f"Billed {span(seconds)} of instances"
    known = [(each, price) for each in told if (price := prices.PRICES.get(_instance_type(each)))]
    if len(known) == len(told):
        total = sum(price.hourly * _instances(each) * each["BillableTimeInSeconds"] / _HOUR for each, price in known)
        dates = " and ".join(sorted({_dated(price) for _, price in known}))
        said += f", about ${total:,.2f} by the list prices in {prices.REGION} of {dates}"
    trained = sum(_instances(each) * each.get("TrainingTimeInSeconds", 0) for each in told)
    if trained and any(each.get("EnableManagedSpotTraining") for each in told):
        said += f"; spot instances saved {1 - seconds / trained:.0%}"
    return f"{said}."


def _instances(description: dict[str, Any]) -> int:
    """Billable time is the clock's; each instance is billed for it."""
    return int(description.get("ResourceConfig", {}).get("InstanceCount", 1))


def _instance_type(description: dict[str, Any]) -> str:
    return str(description.get("ResourceConfig", {}).get("InstanceType", ""))
