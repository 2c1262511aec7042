"""Pure functions: a RunConfig becomes the very dicts that boto3's calls take."""

from launcher.requests.endpoint import (
    create_endpoint,
    create_endpoint_config,
    create_models,
    put_scaling_policies,
    register_scalable_targets,
    scalable_target,
    update_endpoint,
)
from launcher.requests.training import create_training_job
from launcher.requests.transform import create_transform_job, create_transform_model
from launcher.requests.tuning import create_hyper_parameter_tuning_job

__all__ = [
    "create_endpoint",
    "create_endpoint_config",
    "create_hyper_parameter_tuning_job",
    "create_models",
    "create_training_job",
    "create_transform_job",
    "create_transform_model",
    "put_scaling_policies",
    "register_scalable_targets",
    "scalable_target",
    "update_endpoint",
]
