"""A training environment that is awake: `python -m container.train.warm SOCKET`, from which jobs are forked.

Torch, OpenVINO and nncf take three to five seconds to import, as long as many a tuning trial trains. Here that
is done once; a job forked from this process starts within milliseconds (`container.common.forks` has the words
it is ordered with) and runs the very script an order names, the toolkit's ``train``, as its ``__main__``.

A child is as good as a fresh process. Nothing computes here and no GPU is asked anything: OpenMP's and CUDA's
threads do not survive a fork, and OpenBLAS puts its own away before one. What reads the job's folder while it
is imported, the SageMaker toolkit and smdebug, is imported in the child. What reads anything else has read the
environment this process was started with, so a job whose environment differs is refused, and started anew.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from pathlib import Path

from container.common import forks, telemetry

# What differs from job to job, and is read by nothing that is imported here.
FREE = ("SAGEMAKER_BASE_DIR", "TRAINING_JOB_NAME", "TRAINING_JOB_ARN")

# Beside what the job's own modules import at their head: what they import when it is needed, and what the
# toolkit stands on.
_AHEAD = (
    "container.train.entry", "container.train.job", "container.train.launch",
    "torchvision", "safetensors.torch", "openvino", "nncf",
    "multiprocessing", "boto3", "paramiko", "retrying", "inotify_simple", "jinja2",
)  # fmt: skip
# These ask whether there is a GPU, after which no child could use it.
_AHEAD_WITHOUT_GPU = (
    "openvino.frontend.pytorch.ts_decoder", "nncf.torch", "nncf.openvino.quantization.quantize_model",
    "nncf.quantization.algorithms.post_training.algorithm",
    "nncf.quantization.algorithms.fast_bias_correction.openvino_backend",
    "nncf.quantization.algorithms.min_max.openvino_backend",
)  # fmt: skip


def _import() -> None:
    telemetry.decline()
    for name in _AHEAD:
        importlib.import_module(name)
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        for name in _AHEAD_WITHOUT_GPU:
            importlib.import_module(name)
    from PIL import Image

    Image.preinit()


def main(socket: Path) -> None:
    """Serve forks at ``socket``; in a child, run the script."""
    before = dict(os.environ)
    listener = forks.listen(socket)
    _import()
    order = forks.ForkServer(listener, before=before, free=FREE).serve()
    if order is not None:
        import numpy as np
        import torch

        # Another in each process, as Python's own is; a job sets its own seeds anyway.
        np.random.seed()
        torch.default_generator.seed()
        runpy.run_path(order.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
