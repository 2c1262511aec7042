"""smdebug imported without pandas, boto3, requests and setuptools: nine tenths of its time, and they serve it
only to analyse profiles, to reach S3, to report its own use and to read a switch.

with lightly():
    import smdebug.trials

What smdebug then holds in their place imports them when it is first used. It is quiet too: unless SMDEBUG_LOG_LEVEL
says otherwise, warnings are what a job's log is for, and smdebug logs where it writes and every parameter it sees.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# Modules, with what smdebug takes from them by name.
_LATER = {
    "pandas": (),
    "boto3": (),
    "boto3.s3.transfer": ("TransferConfig",),
    "requests": ("Request",),
    "distutils.util": ("strtobool",),
}


class _Later(ModuleType):
    """Stands for a module until something is asked of it."""

    def __init__(self, name: str, taken: tuple[str, ...]) -> None:
        super().__init__(name)
        for word in taken:
            setattr(self, word, _call(name, word))

    def __getattr__(self, word: str) -> Any:
        if word.startswith("__"):
            raise AttributeError(word)
        return getattr(importlib.import_module(self.__name__), word)


def _call(module: str, word: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(module), word)(*arguments, **named)

    return call


@contextmanager
def lightly() -> Iterator[None]:
    """Import smdebug within; what is imported already, or by others later, is the real thing."""
    stand_ins = {name: _Later(name, taken) for name, taken in _LATER.items() if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        from smdebug.core.logger import get_logger

        # Before the rest of it is imported, which has something to say of that.
        if "SMDEBUG_LOG_LEVEL" not in os.environ:
            get_logger().setLevel(logging.WARNING)
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
