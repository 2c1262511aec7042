"""The launcher: all that runs on the user's machine. From Python:

>>> from launcher import Predictor
>>> Predictor("birds-live").predict("some.jpg").label        # doctest: +SKIP
'robin'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from launcher.predictor import Candidate, Prediction, Predictor

__all__ = ["Candidate", "Prediction", "Predictor"]


def __getattr__(name: str) -> Any:
    """Loaded when asked for: the command line's help does without."""
    if name in __all__:
        from launcher import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module 'launcher' has no attribute '{name}'")
