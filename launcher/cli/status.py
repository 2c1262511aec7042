"""launch.py status"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launcher.cli.options import Verb, door_options, json_option
from launcher.opening import DoorWords

if TYPE_CHECKING:
    from launcher.doors import Door

# Of a log, when something failed.
_LAST_LINES = 5
_STATUSES = ("EndpointStatus", "TrainingJobStatus", "TransformJobStatus")


@click.command(cls=Verb)
@click.argument("name", required=False)
@click.option("--aws", is_flag=True, help="In AWS: what was started there from here, or the one called NAME.")
@click.option("--account", is_flag=True, help="In AWS: all that the account has in the region, by whomever.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True,
              help="How many endpoints, searches and jobs of a kind each, of the newest.")  # fmt: skip
@click.option("--all", "trials", is_flag=True, help="Show the trials of searches among the jobs too.")
@json_option
@door_options()
def command(
    *, where: DoorWords, name: str | None, aws: bool, account: bool, limit: int, trials: bool, as_json: bool
) -> None:
    """Show all searches, jobs and endpoints, or the one called NAME."""
    from dataclasses import replace

    from container.common.durations import span
    from launcher.aws.ledger import Ledger
    from launcher.aws.presence import credentials_found
    from launcher.cli.console import print_json, print_table, say
    from launcher.verbs.listing import everything, recorded

    if name is not None:
        _one(where, name, aws=aws or account, as_json=as_json)
        return
    in_aws = aws or account or where.names_aws
    door, ledger = (where if in_aws else replace(where, local="auto")).open(), Ledger(where.state)
    if in_aws and not account:
        listing = recorded(door, ledger.there(door.region), limit=limit)
    else:
        listing = everything(door, limit=limit, trials=trials)
    rows = listing.rows
    if listing.unseen:
        say(listing.unseen)
    if listing.more:
        say(f"There are more than the newest {limit} of a kind; --limit shows more.")
    elsewhere = sorted({each.region for each in ledger.there() if each.region != door.region})
    if elsewhere:
        say(f"There is more in {', '.join(elsewhere)}; --aws --region {elsewhere[0]} shows it.")
    elif not in_aws and credentials_found():
        say("What runs on this machine; --account shows the account's.")
    if as_json:
        print_json(rows)
        return
    if not rows and listing.unseen:
        return
    if not rows and in_aws:
        say(f"Nothing in {door.region} was started from here; --account shows all there is.")
        return
    if not rows:
        say(
            f"{where.state.absolute()} knows of no search, job or endpoint. Next: launch.py demo, or launch.py train "
            "--local --data FOLDER"
        )
        return
    print_table(
        ("kind", "name", "status", "created", "for", "trials"),
        [
            (r["kind"], r["name"], r["status"], f"{r['created'].astimezone():%Y-%m-%d %H:%M:%S}", span(r["seconds"]),
             str(r.get("trials", "")))
            for r in rows
        ],
    )  # fmt: skip


def _one(where: DoorWords, name: str, *, aws: bool, as_json: bool) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    from container.common.names import nearest
    from launcher.cli.console import as_called, print_json, public, say
    from launcher.errors import NotFound
    from launcher.verbs import endpoints, training, transforms, tuning
    from launcher.verbs.named import is_forbidden

    door = where.open() if aws else where.open_for(name)
    found: list[tuple[str, dict[str, Any]]] = []
    for kind, describe in (
        ("endpoint", endpoints.describe),
        ("tuning job", tuning.describe),
        ("training job", training.describe),
        ("transform job", transforms.describe),
    ):
        try:
            description = public(describe(door, name))
        except NotFound:
            continue  # it is of the other kind
        except ClientError as exc:
            if kind != "transform job" or not is_forbidden(exc):
                raise
            say(transforms.UNSEEN)
            continue
        except BotoCoreError as exc:
            if not aws and not where.names_aws:
                exc.add_note(f"On this machine nothing is called '{name}', so AWS was asked.")
            raise
        address = door.address(name) if kind == "endpoint" else None
        found.append((kind, {**description, "Address": address} if address else description))
    if not found:
        near = nearest(name, _names(door, where))
        hint = f". Did you mean '{near}'?" if near else "; `launch.py status` lists what there is."
        raise NotFound(f"There is no search, job or endpoint '{name}'{hint}")
    if as_json:
        print_json(found[0][1] if len(found) == 1 else [description for _, description in found])
        return
    for kind, description in found:
        if kind == "tuning job":
            _search(door, name)
            continue
        lines = [*_lines(kind, name, description), *_last_words(door, kind, name, description)]
        for line in [*lines, *_rules(door, description)] if kind == "training job" else lines:
            click.echo(as_called(line))


def _names(door: Door, where: DoorWords) -> list[str]:
    """What there is on this machine, or what was started in AWS from here, which needs no further call of it."""
    from launcher.aws.ledger import Ledger
    from launcher.verbs.listing import everything

    if door.kind == "aws":
        return [each.name for each in Ledger(where.state).there(door.region)]
    return [each["name"] for each in everything(door, trials=True).rows]


def _search(door: Door, name: str) -> None:
    from launcher.cli.console import as_called, print_table
    from launcher.cli.searching import report_best
    from launcher.cli.trials import columns, headline, row, tuned
    from launcher.verbs import tuning

    look = tuning.Observer(door, name).look()
    click.echo(f"tuning job {headline(look)}")
    if look.description.get("FailureReason"):
        click.echo(as_called(f"  reason   {look.description['FailureReason']}"))
    print_table(columns(look), [row(trial, tuned(look)) for trial in look.trials])
    for trial in look.trials:
        if trial.reason:
            click.echo(as_called(f"trial {trial.number} {trial.status}: {trial.reason}"))
    if look.description.get("BestTrainingJob"):
        report_best(door, look)


def _lines(kind: str, name: str, description: dict[str, Any]) -> list[str]:
    from container.common.durations import span
    from launcher.verbs.remedies import with_remedy

    status = next(description[key] for key in _STATUSES if key in description)
    lines = [f"{kind} {name}: {status}"]
    if description.get("FailureReason"):
        lines.append(f"  reason   {with_remedy(description['FailureReason'])}")
    if description.get("Address"):
        lines.append(f"  address  {description['Address']}")
        lines.append(f"  curl --data-binary @PICTURE.jpg -H 'Content-Type: image/jpeg' {description['Address']}")
    elif kind == "endpoint":
        lines.append(f"  version  {description['EndpointConfigName']}")
        lines += [_variant(each) for each in description.get("ProductionVariants", [])]
    for move in description.get("SecondaryStatusTransitions", []):
        took = f" ({span((move['EndTime'] - move['StartTime']).total_seconds())})" if "EndTime" in move else ""
        lines.append(f"  {move['Status']:<12} {move.get('StatusMessage', '')}{took}")
    lines += _metrics(description)
    if description.get("ModelArtifacts", {}).get("S3ModelArtifacts"):
        lines.append(f"  model    {description['ModelArtifacts']['S3ModelArtifacts']}")
    if kind == "transform job":
        lines += _transform_lines(description)
    if description.get("CheckpointConfig"):
        lines.append(f"  checkpoints {description['CheckpointConfig']['S3Uri']}")
    return lines


def _metrics(description: dict[str, Any]) -> list[str]:
    """The metrics of one epoch, the kept one once it is known, and the test split's."""
    from container.common.metrics import BEST_EPOCH
    from launcher.verbs.training import metrics

    values = metrics(description)
    epoch, best = values.pop("epoch", None), values.pop(BEST_EPOCH, None)
    shown = [f"  {metric} {value:g}" for metric, value in values.items()]
    if epoch is None:
        return shown
    return [f"  epoch    {epoch:g}" if best is None else f"  epoch    {best:g}, the best of {epoch:g}", *shown]


def _transform_lines(description: dict[str, Any]) -> list[str]:
    from container.common.durations import span
    from launcher.verbs.transforms import seconds

    took = seconds(description)
    source = description["TransformInput"]["DataSource"]["S3DataSource"]
    return [
        *([f"  took     {span(took)}"] if took else []),
        f"  model    {description['ModelName']}",
        f"  input    {source['S3Uri']}",
        f"  answers  {description['TransformOutput']['S3OutputPath']}",
    ]


def _variant(variant: dict[str, Any]) -> str:
    """What serves, and how much of it there is: scaling and updates change both."""
    if "DesiredInstanceCount" not in variant:
        return f"  variant  {variant['VariantName']}: serverless"
    there, wanted = variant.get("CurrentInstanceCount", 0), variant["DesiredInstanceCount"]
    machines = f"{there} of {wanted} instances" if there != wanted else f"{there} instance{'s' * (there != 1)}"
    return f"  variant  {variant['VariantName']}: {machines}, weight {variant.get('CurrentWeight', 1):g}"


def _last_words(door: Door, kind: str, name: str, description: dict[str, Any]) -> list[str]:
    """The log's end, of what failed."""
    from launcher.verbs.logs import LogFollower

    if "Failed" not in (description.get(key) for key in _STATUSES):
        return []
    follow = {"endpoint": LogFollower.of_endpoint, "transform job": LogFollower.of_transform}.get(
        kind, LogFollower.of_job
    )
    said = [line for line in follow(door.logs, name).lines() if line.strip()][-_LAST_LINES:]
    return [f"  log      {line}" for line in said]


def _rules(door: Door, description: dict[str, Any]) -> list[str]:
    """A line a rule, those with issues first; one for all that say the same, which is that there is nothing to say."""
    from itertools import groupby

    from launcher.verbs.rules import FINE, states

    found = states(door, description)
    told = [state for state in found if state.status != FINE]
    width = max((len(state.rule) for state in told), default=0)
    lines = [f"  {state.rule:<{width}} {state.status:<13} {state.details}".rstrip() for state in told]
    quiet = sorted((state for state in found if state.status == FINE), key=lambda state: state.details)
    for details, same in groupby(quiet, key=lambda state: state.details):
        rules = ", ".join(state.rule for state in same)
        lines.append(f"  {FINE} {f'({details}) ' if details else ''}{rules}")
    return lines
