"""The data package's one error; the command line shows its sentence and ends with the data exit code."""

from __future__ import annotations

from container.common.errors import DataError


class DatasetError(DataError):
    """A source folder or its files cannot be used; the message says what to do."""
