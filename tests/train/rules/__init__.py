"""Tests of the rules.

smdebug 1.0.34 is older than what it stands on: its first import warns, and warnings are errors in tests.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import smdebug.core.writer
    import smdebug.rules
    import smdebug.trials  # noqa: F401
