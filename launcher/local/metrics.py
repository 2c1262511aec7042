"""Reading a growing log for metrics, by the request's own regexes, as SageMaker does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from launcher.errors import ConfigError


class LogReader:
    """Whole lines of a file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def lines(self, *, final: bool = False) -> list[str]:
        """The lines since the last call; with ``final`` also one that lacks its newline."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        if final and self._rest:
            whole.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", errors="replace") for line in whole]


class MetricCollector:
    """The last value of each metric, and every value in ``series`` (a JSON line each)."""

    def __init__(self, definitions: list[dict[str, Any]], series: Path) -> None:
        try:
            self._regexes = [(d["Name"], re.compile(d["Regex"])) for d in definitions]
        except re.error as exc:
            raise ConfigError(f"A metric's regex cannot be read: {exc}; correct MetricDefinitions.") from exc
        self._series = series
        self.last: dict[str, tuple[float, float]] = {}

    def feed(self, lines: list[str], now: float) -> bool:
        """Look through ``lines``; True when a metric was found."""
        found = []
        for line in lines:
            for name, regex in self._regexes:
                match = regex.search(line)
                if match is None:
                    continue
                try:
                    value = float(match.group(1))
                except (ValueError, IndexError):
                    continue  # digits that are no number, such as "e+": SageMaker passes over them too
                self.last[name] = (value, now)
                found.append({"MetricName": name, "Value": value, "Timestamp": now})
        if found:
            with self._series.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(point) + "\n" for point in found)
        return bool(found)
