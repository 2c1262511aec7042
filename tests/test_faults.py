"""docs/faults.md names the tests that keep the published systems' faults out; they must be there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_of_faults_names_is_there() -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("| ") and not row.startswith("| fault ")]
    assert len(rows) == 15, "a row for each fault"
    for row in rows:
        words = re.findall(r"`(tests/[\w/]+\.py|test_\w+)`", row.rpartition(" | ")[2])
        assert any(word.startswith("test_") for word in words), row
        source = ""
        for word in words:
            if word.startswith("tests/"):
                source = (ROOT / word).read_text(encoding="utf-8")
            else:
                assert f"\ndef {word}(" in source, f"{word} of: {row[:60]}"
