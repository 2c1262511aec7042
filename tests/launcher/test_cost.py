"""What is said of money: before anything starts, and after it has ended."""

from __future__ import annotations

from typing import Any

import pytest

from launcher.aws import prices
from launcher.config import Endpoint, Tuning
from launcher.config.hosting import Hosting, Scaling, Serverless, Variant
from launcher.config.managed import Managed
from launcher.config.ranges import read_range
from launcher.verbs import cost
from tests.launcher.test_aws import BEES
from tests.launcher.test_requests import MODEL, in_aws

DATE = "list price in us-east-1 of 2026-09"


def test_a_job_costs_at_most_its_longest_time_on_all_its_instances() -> None:
    training = in_aws(instance_count=2, max_runtime=7200)
    said = cost.of_training(training, region="us-east-1")
    assert said == (
        f"Cost: at most $5.63, 2 × ml.g5.xlarge for 2 h 0 min at $1.408 an hour ({DATE}); a shorter --max-runtime "
        "bounds it."
    )
    warm = cost.of_training(training.model_copy(update={"managed": Managed(keep_alive=3600)}), region="us-east-1")
    assert warm.startswith("Cost: at most $8.45, 2 × ml.g5.xlarge for 2 h 0 min and 1 h 0 min kept warm at")
    spot = training.model_copy(update={"managed": Managed(spot=True)})
    assert "spot instances usually cost less" in cost.of_training(spot, region="us-east-1")
    old = cost.of_training(training.model_copy(update={"instance_type": "ml.p3.2xlarge"}), region="us-east-1")
    assert "$3.825 an hour (list price in us-east-1 of 2025-06, to be checked)" in old
    assert "; eu-west-1 has prices of its own)" in cost.of_training(training, region="eu-west-1")


def test_what_a_type_costs_that_is_not_in_the_table_is_said_to_be_unknown() -> None:
    said = cost.of_training(in_aws(instance_type="ml.p5.48xlarge"), region="us-east-1")
    assert said == (
        "Cost: what ml.p5.48xlarge costs is not in the price table of 2026-09; see "
        "https://aws.amazon.com/sagemaker/pricing/."
    )


@pytest.mark.parametrize(
    ("changes", "dollars"),
    [
        ({"jobs": 10}, "$14.08, 10 trials on 1 × ml.g5.xlarge for 1 h"),
        (
            {"jobs": 10, "parallel": 2, "max_search_runtime": 7200},
            "$5.63, 2 trials at once on 1 × ml.g5.xlarge",
        ),
        ({"jobs": 2, "parallel": 2, "max_search_runtime": 7200}, "$2.82, 2 trials on"),
        ({"strategy": "Grid"}, "$4.22, 3 trials on"),
    ],
)
def test_a_search_costs_at_most_all_its_trials_or_all_its_time(changes: dict[str, Any], dollars: str) -> None:
    ranges = (read_range("optimizer", "sgd,adamw,adam"),)
    said = cost.of_tuning(Tuning(training=in_aws(max_runtime=3600), ranges=ranges, **changes), region="us-east-1")
    assert said.startswith(f"Cost: at most {dollars}")


def with_hosting(**hosting: Any) -> Endpoint:
    return BEES.model_copy(update={"hosting": Hosting(**hosting)})


def test_an_endpoint_costs_by_the_day_until_it_is_deleted() -> None:
    assert cost.of_endpoint(BEES, region="us-east-1") == (
        f"Cost: $2.76 a day until it is deleted, 1 × ml.m5.large at $0.115 an hour ({DATE})."
    )
    scaled = cost.of_endpoint(with_hosting(scaling=Scaling(minimum=1, maximum=4)), region="us-east-1")
    assert scaled.startswith("Cost: $2.76 to $11.04 a day until it is deleted, 1 to 4 × ml.m5.large at")
    shares = (Variant(name="a", model_data="s3://m"), Variant(name="b", model_data="s3://n"))
    shared = cost.of_endpoint(BEES.model_copy(update={"variants": shares}), region="us-east-1")
    assert shared.startswith("Cost: $5.52 a day") and "for each of 2 variants" in shared
    assert "nothing while nobody asks" in cost.of_endpoint(
        with_hosting(serverless=Serverless(memory=2048, concurrency=5)), region="us-east-1"
    )


def job(**more: Any) -> dict[str, Any]:
    resources = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2}
    return {"ResourceConfig": resources, "TrainingTimeInSeconds": 3600, "BillableTimeInSeconds": 3600, **more}


def test_what_was_billed_is_told_with_what_spot_instances_saved() -> None:
    assert cost.billed([job()]) == (
        "Billed 2 h 0 min of instances, about $2.82 by the list prices in us-east-1 of 2026-09."
    )
    spot = job(BillableTimeInSeconds=1080, EnableManagedSpotTraining=True)
    assert cost.billed([spot]).endswith("; spot instances saved 70%.")
    assert cost.billed([job(), spot]).startswith("Billed 2 h 36 min of instances, about $3.66")
    assert cost.billed([{"TrainingTimeInSeconds": 5}]) == ""
    old = job(ResourceConfig={"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1})
    assert cost.billed([job(), old]).endswith("of 2025-06, to be checked and 2026-09.")
    unknown = job(ResourceConfig={"InstanceType": "ml.p5.48xlarge", "InstanceCount": 1})
    assert cost.billed([unknown]) == "Billed 1 h 0 min of instances."


def test_every_type_in_the_table_is_one_that_sagemaker_has() -> None:
    known = {*MODEL.shape_for("TrainingInstanceType").enum, *MODEL.shape_for("ProductionVariantInstanceType").enum}
    assert set(prices.PRICES) <= known and all(0 < price.hourly < 100 for price in prices.PRICES.values())
