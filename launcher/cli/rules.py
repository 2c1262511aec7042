"""launch.py rules"""

from __future__ import annotations

import click

from launcher.cli.options import Verb, door_options, json_option
from launcher.opening import DoorWords


@click.command(cls=Verb)
@click.argument("place", metavar="PATH|JOB")
@click.option("--rules", default="default", show_default=True,
              help="default, names between commas, or JSON with parameters.")  # fmt: skip
@json_option
@door_options()
def command(where: DoorWords, place: str, rules: str, as_json: bool) -> None:
    """Evaluate the open debugger rules over the tensors of a training.

    PATH is a folder that smdebug has written to, here or elsewhere, or a job's output.tar.gz; JOB an ended training
    job. The rules run in this Python where it has smdebug, and otherwise where trainings run, by the engine that ran
    JOB when that is known: --local docker or --local process insists.

    \b
      launch.py rules JOB
      launch.py rules tensors --rules VanishingGradient,Overfit
      launch.py rules tensors --rules '{"Overfit": {"patience": 3}}' --json
    """
    import os
    import shlex
    from pathlib import Path

    from container.common.errors import ended
    from container.common.rules import parse
    from launcher.cli.console import print_json, print_table, say, suggest
    from launcher.cli.running import place_words
    from launcher.errors import ConfigError
    from launcher.local.engines import choose
    from launcher.local.evaluation import evaluate
    from launcher.local.settings import Settings
    from launcher.verbs.rules import ISSUES, State, in_order, tensors

    def engine() -> Settings:
        as_before = where.by_processes(place)
        settings, sentence = choose(where.local or ("process" if as_before else "auto"), Settings(), os.environ)
        say("Using processes of this machine, as the job did." if as_before else f"{sentence}.")
        return settings

    try:
        if not parse(rules):
            raise ValueError("there is no rule in it")
    except ValueError as exc:
        raise ConfigError(ended(f"--rules cannot be {rules!r}: {exc}")) from exc
    with tensors(place, lambda: where.open_for(place)) as folder:
        found = evaluate(folder, rules, engine, say=say)
    if as_json:
        print_json(found)
        return
    states = in_order([State.of(each) for each in found])
    print_table(("rule", "status", "finding"), [(state.rule, state.status, state.details) for state in states])
    named, back = shlex.quote(place), place_words(where)
    hints = [f"launch.py report {named} --open{back}"] if not Path(place).exists() else []
    if states[0].status == ISSUES:
        hints.insert(0, f"launch.py rules {named} --rules {states[0].rule} --json{back}")
    if hints:
        suggest(*hints)
