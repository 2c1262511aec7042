"""Which objects a batch transform job is to take: the pictures under a prefix, and of these what has no answer yet.

A folder of this machine is uploaded first where the job runs in AWS.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Container, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from launcher.config.instances import key_remark
from launcher.config.transform import Transform
from launcher.doors import Door, Listed, Write
from launcher.errors import ConfigError, NotFound
from launcher.local import objects
from launcher.local.uris import to_uri
from launcher.opening import DoorWords
from launcher.verbs import origin
from launcher.verbs.models import has_code
from launcher.verbs.prediction import ANSWERS, is_picture

SUFFIX = ".out"
# What our image is called, and ranges of types of which it has one.
_OURS = "byoc-serve"
_ANY = ("*/*", "application/*", "text/*")
_NAMED = 3

Say = Callable[[str], None]
# Told of how many bytes are to be sent, and then of those that are.
Bar = Callable[[int], AbstractContextManager[Callable[[int], object]]]
_MB = 1024 * 1024


@dataclass(frozen=True)
class Selection:
    """Keys below the prefix: those to take, in order, and why the others are not taken."""

    keys: tuple[str, ...]
    # Empty files, files that are no pictures by their names, and pictures that have their answers; and the objects by
    # which S3's console shows a folder, of which nobody need be told.
    folders: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    # The largest that is taken, and its bytes.
    largest: tuple[str, int] = ("", 0)

    @property
    def whole(self) -> bool:
        """Whether everything under the prefix is taken, so that the prefix alone says what is."""
        return not (self.folders or self.empty or self.others or self.answered)


def answer_of(key: str, prefix: str, there: Container[str]) -> str | None:
    """Which of the keys under the output is the answer to an object under ``prefix``; None where none is.

    It lies below the output as the object does below the prefix, or below the prefix's own path there. AWS's page of
    TransformOutput has an example of the first in its earlier versions, and in its present one an example that goes on
    from the output with the input's prefix.
    """
    path = prefix.partition("://")[2].partition("/")[2]
    return next((place for place in (f"{key}{SUFFIX}", f"{path}{key}{SUFFIX}") if place in there), None)


class NothingLeft(ConfigError):
    """All pictures have their answers already: ``keys``, for what would have been the job ``transform``."""

    def __init__(self, transform: Transform, keys: tuple[str, ...]) -> None:
        super().__init__(f"All {len(keys)} pictures have their answers at {transform.output} already.")
        self.transform, self.keys = transform, keys


def select(there: Iterable[Listed], answers: Collection[str] = (), prefix: str = "") -> Selection:
    """Look over the objects under ``prefix``; ``answers`` are keys under the output."""
    known = set(answers)
    keys, folders, empty, others, answered = [], [], [], [], []
    largest = ("", 0)
    for key, size, _written in there:
        if not key or key.endswith("/"):
            folders.append(key)
        elif not is_picture(PurePosixPath(key)):
            others.append(key)
        elif size == 0:
            empty.append(key)
        elif answer_of(key, prefix, known):
            answered.append(key)
        else:
            keys.append(key)
            largest = max(largest, (key, size), key=lambda each: each[1])
    return Selection(tuple(keys), tuple(folders), tuple(empty), tuple(others), tuple(answered), largest)


def check(selection: Selection, transform: Transform) -> None:
    """Refuse what would fail after it has cost something. Raises NotFound, NothingLeft and ConfigError."""
    if not selection.keys and selection.answered:
        raise NothingLeft(transform, selection.answered)
    if not selection.keys:
        others = f" ({len(selection.others)} files are none by their names)" if selection.others else ""
        raise NotFound(f"There is no picture at {transform.input}{others}; give a folder that holds some.")
    key, size = selection.largest
    if size > transform.payload * _MB:
        raise ConfigError(
            f"{key} has {size / _MB:.1f} MB, and --max-payload is {transform.payload}; raise it (up to 100, with a "
            "smaller --max-concurrent), or take the picture away."
        )


def listed(transform: Transform, selection: Selection, write: Write | None) -> Transform:
    """The job with a manifest of what is selected as its input, written beside its answers by a door's ``write``.

    The job is as it was, and nothing is written, where all under the prefix is selected.
    """
    if selection.whole:
        return transform
    place = f"{transform.output}/{transform.name}.manifest"
    if write:
        with tempfile.NamedTemporaryFile("w", suffix=".manifest", encoding="utf-8") as file:
            json.dump([{"prefix": transform.input}, *selection.keys], file, ensure_ascii=False)
            file.flush()
            write(place, Path(file.name), key=transform.managed.kms_key)
    return transform.model_copy(update={"input": place, "listed": True})


def settled(
    where: DoorWords,
    door: Door | None,
    transform: Transform,
    folder: Path | None,
    *,
    resume: bool = False,
    dry_run: bool = False,
    say: Say,
    bar: Bar = lambda _total: nullcontext(lambda _count: None),
) -> Transform:
    """The job with all settled that it takes: what is left out is said, and a ``folder`` for AWS is uploaded.

    On a dry run nothing is written, and AWS is not asked, which needs no ``door``. Raises NotFound, NothingLeft and
    ConfigError.
    """
    if not where.local and (remark := key_remark(transform.managed.kms_key, transform.instance_type)):
        say(remark)
    if folder is None and door is None:
        return transform
    if door:
        _check_accept(door, transform)
    there = list(objects.listing(to_uri(folder)) if folder else door.listing(transform.input) if door else ())
    answers, same = _answers(door, transform, there, resume=resume, say=say) if door else ([], False)
    chosen = select(there, answers, transform.input)
    _tell(chosen, say)
    check(chosen, transform)
    transform = transform.model_copy(update={"resumed": same})
    if folder and not where.local:
        # What is left out here is not uploaded; what else lies there is left out there.
        others = () if dry_run else _pushed(where, transform, folder, chosen.keys, say=say, bar=bar)
        chosen = replace(chosen, others=others, empty=(), answered=())
    return listed(transform, chosen, door.write if door and not dry_run else None)


def _check_accept(door: Door, transform: Transform) -> None:
    """Refuse a type that our server has no answer in; an image, or an inference.py, of one's own may have one."""
    asked = {part.partition(";")[0].strip().lower() for part in transform.accept.split(",")}
    if asked & {*ANSWERS, *_ANY} or _OURS not in transform.image or has_code(door, transform.model_data):
        return
    raise ConfigError(f"No answer can be given as --accept '{transform.accept}'; there are {', '.join(ANSWERS)}.")


def _answers(
    door: Door, transform: Transform, there: Iterable[Listed], *, resume: bool, say: Say
) -> tuple[list[str], bool]:
    """The keys of the answers that are to stay, and whether the note there holds for the job's too.

    Of others that lie in the way it is said, or refused to go on.
    """
    output = list(door.listing(f"{transform.output}/"))
    old = select(there, [each.key for each in output], transform.input).answered
    found = origin.noted(door, transform.output, output)
    if not old and not found:
        return [], False
    if old and not resume:
        theirs = f" of {found.origin}" if found else ""
        say(f"Answered anew: {len(old)}, whose answers{theirs} at {transform.output} are overwritten as they come.")
        return [], False
    mine = origin.of(door, transform)
    fault = origin.fault(door, found, mine)
    if not old:
        return [], not fault
    if fault or not found:
        raise ConfigError(f"The answers at {transform.output} {fault}, and --resume would mix them with those of "
                          f"{mine}; give another --output, or leave out --resume, which overwrites them.")  # fmt: skip
    stay = [each.key for each in output if each.written >= found.since]
    if older := len(old) - len(select(there, stay, transform.input).answered):
        say(f"Answered anew: {older}, whose answers were there before those of {mine}.")
    return stay, True


def _tell(chosen: Selection, say: Say) -> None:
    for keys, why in ((chosen.others, "no pictures by their names"), (chosen.empty, "empty"),
                      (chosen.answered, "answered already")):  # fmt: skip
        if keys:
            more = ", …" if len(keys) > _NAMED else ""
            say(f"Left out, {why}: {len(keys)} ({', '.join(keys[:_NAMED])}{more}).")


def _pushed(
    where: DoorWords, transform: Transform, folder: Path, keys: Collection[str], *, say: Say, bar: Bar
) -> tuple[str, ...]:
    """Upload the keys of the folder; those of what else lies at its place there."""
    from launcher.aws.pushing import open_push

    wanted = {folder / key for key in keys}
    work = open_push(where, folder, transform.input, wanted=lambda path: path in wanted)
    plan = work.plan()
    size = f"{plan.size / _MB:.1f} MB"
    say(f"{len(plan.send)} pictures to send to {work.uri}, {size}; {len(plan.same)} are there already.")
    with bar(plan.size) as sent:
        work.send(plan, key=transform.managed.kms_key, sent=sent)
    return tuple(plan.others)
