"""launch.py status"""

from __future__ import annotations

from typing import Any

import click

from launcher.cli.options import DoorWords, Verb, door_options, json_option


@click.command(cls=Verb)
@click.argument("name", required=False)
@click.option("--aws", is_flag=True, help="Ask AWS, also when nothing says where.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True,
              help="How many endpoints, and how many jobs, of the newest.")  # fmt: skip
@json_option
@door_options()
def command(where: DoorWords, name: str | None, aws: bool, limit: int, as_json: bool) -> None:
    """Show all jobs and endpoints, or the one called NAME."""
    from dataclasses import replace

    from launcher.aws.presence import credentials_found
    from launcher.cli.console import print_json, print_table, say
    from launcher.durations import span
    from launcher.verbs.listing import everything

    if name is not None:
        _one(where, name, aws=aws, as_json=as_json)
        return
    in_aws = aws or where.names_aws
    listing = everything((where if in_aws else replace(where, local="auto")).open(), limit=limit)
    rows = listing.rows
    if listing.more:
        say(f"There are more than the newest {limit} of a kind; --limit shows more.")
    if not in_aws and credentials_found():
        say("What runs on this machine; --aws shows the account's.")
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("Nothing here yet. Next: launch.py demo, or launch.py train --local --data FOLDER")
        return
    print_table(
        ("kind", "name", "status", "created", "for"),
        [
            (r["kind"], r["name"], r["status"], f"{r['created'].astimezone():%Y-%m-%d %H:%M:%S}", span(r["seconds"]))
            for r in rows
        ],
    )


def _one(where: DoorWords, name: str, *, aws: bool, as_json: bool) -> None:
    from launcher.cli.console import print_json, public
    from launcher.errors import NotFound
    from launcher.verbs import endpoints, training

    door = where.open() if aws else where.open_for(name)
    found: list[tuple[str, dict[str, Any]]] = []
    for kind, describe in (("endpoint", endpoints.describe), ("training job", training.describe)):
        try:
            found.append((kind, public(describe(door, name))))
        except NotFound:
            continue  # it is of the other kind
    if not found:
        raise NotFound(f"There is no job or endpoint '{name}'; `launch.py status` lists what there is.")
    if as_json:
        print_json(found[0][1] if len(found) == 1 else [description for _, description in found])
        return
    for kind, description in found:
        for line in _lines(kind, name, description):
            click.echo(line)


def _lines(kind: str, name: str, description: dict[str, Any]) -> list[str]:
    from launcher.durations import span
    from launcher.verbs.training import metrics

    status = description.get("EndpointStatus") or description["TrainingJobStatus"]
    lines = [f"{kind} {name}: {status}"]
    if description.get("FailureReason"):
        lines.append(f"  reason   {description['FailureReason']}")
    for move in description.get("SecondaryStatusTransitions", []):
        took = f" ({span((move['EndTime'] - move['StartTime']).total_seconds())})" if "EndTime" in move else ""
        lines.append(f"  {move['Status']:<12} {move.get('StatusMessage', '')}{took}")
    lines += [f"  {metric} {value:g}" for metric, value in metrics(description).items()]
    if description.get("ModelArtifacts", {}).get("S3ModelArtifacts"):
        lines.append(f"  model    {description['ModelArtifacts']['S3ModelArtifacts']}")
    if description.get("CheckpointConfig"):
        lines.append(f"  checkpoints {description['CheckpointConfig']['S3Uri']}")
    return lines
