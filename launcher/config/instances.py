"""What an instance type's name tells of the machine."""

from __future__ import annotations

import re

# A "d" behind the generation (c5d, g4dn, p4de, r7gd), and families that have never been without: AWS's accelerators
# from g5, p5 and trn1 on, dl1 and storage machines. As SageMaker's own SDK has it (`utils.instance_supports_kms`), and
# EC2's table of instance store volumes.
_LOCAL_DISKS = re.compile(r"ml\.([a-z]+\d+\w*d|g[5-9]|gr\d|p[5-9]|trn\d|dl\d|i\d)")


def has_local_disks(instance_type: str) -> bool:
    """Whether its disks are its own, encrypted by its hardware: SageMaker attaches no volume, and takes no key for it.

    CreateTrainingJob, CreateHyperParameterTuningJob and CreateTransformJob refuse a VolumeKmsKeyId then;
    CreateEndpointConfig takes its KmsKeyId, which does not encrypt these disks (AWS's API reference, of each field).
    """
    return _LOCAL_DISKS.match(instance_type) is not None


def volume_remark(volume_gb: int, instance_type: str) -> str:
    """What a size that was asked for does not do on such an instance; "" where it is what is had.

    The request says it all the same: SageMaker attaches no volume then and refuses only a size above that of these
    disks (AWS's API reference of ResourceConfig and HyperParameterTuningResourceConfig; its own SDK sends 30).
    """
    if not has_local_disks(instance_type):
        return ""
    return (
        f"The disks of {instance_type} are its own and of a fixed size, which --volume-gb {volume_gb} does not change; "
        "AWS refuses a larger one."
    )


def key_remark(key: str | None, instance_type: str) -> str:
    """What --kms-key does not do on such an instance; "" where it does all it says."""
    if not key or not has_local_disks(instance_type):
        return ""
    return (
        f"--kms-key encrypts what is written to S3; the disks of {instance_type} are its own, which its hardware "
        "encrypts with a key that AWS lets nobody choose."
    )
