"""Tests of the profiler.

smdebug 1.0.34, and AWS's list of rules, are older than what they stand on: their first import warns, and warnings
are errors in tests.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import smdebug.profiler  # noqa: F401
    import smdebug_rulesconfig  # noqa: F401
