"""Names that botocore knows, for a word on those that are likely mistyped: AWS may have newer ones than it.

type_remark("ml.g55.xlarge")    # "botocore knows no instance type 'ml.g55.xlarge'; is it 'ml.g5.xlarge'?"
"""

from __future__ import annotations

from collections.abc import Iterable

from container.common.names import nearest

# What botocore's model of SageMaker calls the types of trainings, endpoints and batch transform jobs.
_TYPES = ("TrainingInstanceType", "ProductionVariantInstanceType", "TransformInstanceType")


def type_remark(instance_type: str) -> str:
    """A sentence when no work of SageMaker's is known to run on such an instance; "" otherwise."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    known = {str(word) for each in _TYPES for word in model.shape_for(each).metadata["enum"]}
    return _remark("instance type", instance_type, known)


def region_remark(region: str) -> str:
    """A sentence when SageMaker is not known to be in the region; "" otherwise."""
    import botocore.session

    session = botocore.session.get_session()
    partitions = session.get_available_partitions()
    return _remark(
        "region of SageMaker",
        region,
        {name for each in partitions for name in session.get_available_regions("sagemaker", each)},
    )


def _remark(what: str, word: str, known: Iterable[str]) -> str:
    if word in known:
        return ""
    guess = nearest(word, known)
    return f"botocore knows no {what} '{word}'; is it " + (f"'{guess}'?" if guess else "newer than botocore?")
