"""Making several things of which the last may be refused: what was made before it is taken back then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from launcher.aws.ledger import may_be_made

# What was made, in words, and what takes it back.
Made = list[tuple[str, Callable[[], object]]]


@contextmanager
def taken_back() -> Iterator[Made]:
    """Take back what the block has put down as made, the last first, when a call in it is refused.

    The refusal is raised on, with notes on what stays: all of it where AWS may go on with it for all that.
    """
    made: Made = []
    try:
        yield made
    except (ClientError, BotoCoreError) as refusal:
        if may_be_made(refusal):
            refusal.add_note(
                "What was made for it stays, for AWS may go on with it; `launch.py status --aws` shows it."
            )
            raise
        for what, undo in reversed(made):
            try:
                undo()
            except (ClientError, BotoCoreError) as exc:
                # The refusal is what a person must hear of; this stays recorded.
                refusal.add_note(f"What was made for it could not all be taken back: {what} stays ({exc}).")
        raise
