"""A stand-in for `python -m container.train.warm`: it forks as that does, and has nothing imported."""

import os
import runpy
import sys
from pathlib import Path

from container.common import forks

for name in ("PWD", "OLDPWD"):  # the shell's, that started this
    os.environ.pop(name, None)
before = dict(os.environ)
free = ("SAGEMAKER_BASE_DIR", "TRAINING_JOB_NAME", "TRAINING_JOB_ARN")
order = forks.ForkServer(forks.listen(Path(sys.argv[1])), before=before, free=free).serve()
if order is not None:
    runpy.run_path(order.argv[0], run_name="__main__")
