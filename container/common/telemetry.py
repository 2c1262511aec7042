"""Declines OpenVINO's and nncf's usage reports before either is imported.

Both report through the package ``openvino_telemetry`` and go without it when it cannot be
imported, which is what this arranges: no consent file in the home folder, no network, no
setting that another process could lack. Call it before the first ``import openvino``.
"""

from __future__ import annotations

import sys


def decline() -> None:
    """Make ``import openvino_telemetry`` fail in this process, so that nothing is ever sent."""
    # None in sys.modules is Python's own way to say that a module shall not be found.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
