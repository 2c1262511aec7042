"""``python -m container.train.report FOLDER``: the page of a job's output/data folder, made again."""

from __future__ import annotations

import argparse
from pathlib import Path

from container.train.report.page import write


def main() -> None:
    """Write FOLDER/report.html and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m container.train.report", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a job's output/data, or output.tar.gz unpacked")
    print(write(parser.parse_args().folder))  # noqa: T201


if __name__ == "__main__":
    main()
