"""The image's ``train``: the SageMaker training toolkit's, once it is sure that the toolkit can begin.

The toolkit reads the configuration before it calls us. A broken file is a traceback there, and exit
status 0, a success, when output/ is missing too.
"""

from __future__ import annotations

import sys

from container.train import entry
from container.train.console import refused
from container.train.paths import Paths


def main() -> int:
    """The exit status; the toolkit ends the process itself."""
    paths = Paths.from_environment()
    reason = entry.guarded(paths, lambda: entry.prepare(paths))
    if reason is not None:
        return refused(reason)
    from sagemaker_training.cli.train import main as toolkit

    toolkit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
