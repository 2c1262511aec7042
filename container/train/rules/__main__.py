"""python -m container.train.rules FOLDER [--rules …] [--json]: rules over tensors that smdebug has written.

With --live PID, as a training job starts it: beside that process, at the lowest priority, until it says in the
folder that training has ended, closes our standard input, or is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
from pathlib import Path

# smdebug imports torch where it finds one, and here nothing needs it: three seconds, half a gigabyte.
sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
os.environ.setdefault("SMDEBUG_LOG_LEVEL", "error")

from container.common.errors import ended, first_line  # noqa: E402
from container.common.rules import parse  # noqa: E402
from container.train.beside import LOWEST_PRIORITY  # noqa: E402
from container.train.console import refused  # noqa: E402
from container.train.rules.board import Board, Verdict  # noqa: E402
from container.train.rules.lightly import lightly  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 once every rule has been evaluated, whatever they found; 1 where none could be."""
    given = _parser().parse_args(arguments)
    try:
        configurations = parse(given.rules)
    except ValueError as exc:
        return refused(ended(f"--rules cannot be {given.rules!r}: {first_line(exc)}"))
    if given.live is None and not (given.folder / "collections").is_dir():
        return refused(f"There are no tensors in {given.folder}; name the folder that smdebug has written to.")
    if given.live is not None:
        os.nice(LOWEST_PRIORITY)
    stalled = {
        one.rule
        for one in configurations
        if one.rule == "StalledTrainingRule"
        and (given.stop_stalled or str(one.parameters.get("stop_training_on_fire", "")).lower() == "true")
    }

    def stop(rule: str) -> None:
        if rule in stalled and os.getppid() == given.live:
            # As SageMaker's StopTrainingJob begins: the job writes a checkpoint if it still can.
            os.kill(given.live, signal.SIGTERM)

    def say(line: str) -> None:
        if given.live is not None:
            print(line, flush=True)  # noqa: T201

    verdicts = [Verdict(one.rule, one.parameters) for one in configurations]
    board = Board(verdicts, path=given.out, say=say, on_issues=stop, begun=given.live is not None)
    with lightly():
        from container.train.rules.runner import Runner

    Runner(
        given.folder,
        configurations,
        board,
        over=lambda: given.live is None or _told_to_end(given.live),
    ).run()
    if given.live is None:
        print(json.dumps(board.to_json(), indent=2, ensure_ascii=False) if given.json else table(board))  # noqa: T201
    return 0


def _told_to_end(training: int) -> bool:
    """Whether ``training`` has closed our standard input, or is gone without a word."""
    if os.getppid() != training:
        return True
    readable, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def table(board: Board) -> str:
    """A row a rule: name, status, and what was found first."""
    lines = []
    for verdict in board.verdicts.values():
        said = verdict.details
        if verdict.findings:
            first = verdict.findings[0]
            said = f"step {first['step']} of {first['mode']}, {first['tensor']}: {first['advice']}"
            more = len(verdict.findings) - 1
            said += f" (and {more} more)" if more else ""
        lines.append(f"{verdict.rule:<26}{verdict.status:<15}{said}".rstrip())
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m container.train.rules", description="Evaluate rules over tensors that smdebug has written."
    )
    parser.add_argument("folder", type=Path, help="the folder smdebug has written to")
    parser.add_argument("--rules", default="default", help="default, names between commas, or JSON with parameters")
    parser.add_argument("--json", action="store_true", help="print what rules.json holds")
    parser.add_argument("--out", type=Path, help="keep rules.json here, up to date")
    parser.add_argument("--live", type=int, metavar="PID", help="wait for tensors until training ends in our parent")
    parser.add_argument("--stop-stalled", action="store_true", help="stop the training when it stalls")
    return parser


if __name__ == "__main__":
    sys.exit(main())
