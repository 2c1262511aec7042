"""launch.py transform"""

from __future__ import annotations

from typing import Any

import click

from launcher.cli.aws_options import idle, shield_words, transform_aws_options
from launcher.cli.options import Verb, Word, door_options, image_option, json_option, pairs, remark, role_option
from launcher.opening import DoorWords


@click.command(cls=Verb)
@click.argument("model")
@click.argument("pictures", metavar="INPUT")
@click.option("--output", help="Where the answers go, each INPUT/x.jpg's to x.jpg.out (s3:// in AWS).  [default with "
              "--local: output/NAME in the state folder]")  # fmt: skip
@click.option("--name", help="The job's name.  [default: MODEL, and the time]")
@click.option("--resume", is_flag=True, help="Leave out what this model has answered in --output already.")
@click.option("--score/--no-score", default=None, help="At the end, compare the answers with what class folders say.  "
              "[default: where INPUT is a folder of this machine]")  # fmt: skip
@click.option("--max-concurrent", "concurrent", type=click.IntRange(1, 100), metavar="N",
              help="Requests at once, to each instance.  [default: 4, fewer where --max-payload is above "
              "25]")  # fmt: skip
@click.option("--max-payload", "payload", type=click.IntRange(1, 100), metavar="MB",
              help="The largest picture.  [default: 25, less where --max-concurrent is above 4]")  # fmt: skip
@click.option("--strategy", type=Word("SingleRecord", "MultiRecord"), help="Whether a request may hold several records "
              "of one file; a picture is one.")  # fmt: skip
@click.option("--content-type", help="What the pictures are.  [default: application/x-image, which is any]")
@click.option("--accept", help="application/json, application/jsonlines, text/csv or application/x-npy.  [default: "
              "application/json]")  # fmt: skip
@click.option("--timeout", type=click.IntRange(1, 3600), metavar="SECONDS", help="For one picture.  [default: 600]")
@click.option("--retries", type=click.IntRange(0, 3), metavar="N", help="Of one picture.  [default: 3]")
@click.option("--preset", help="A recipe by name, for its instance type and environment.")
@image_option("serving", "byoc-serve")
@role_option
@click.option("--instance-type", help="AWS instance type, such as ml.m5.xlarge.")
@click.option("--instances", "instance_count", type=click.IntRange(1), help="AWS: how many instances.  [default: 1]")
@click.option("--env", "environment", multiple=True, callback=pairs, metavar="NAME=VALUE",
              help="An environment variable of the server; repeatable.")  # fmt: skip
@click.option("--push-to", metavar="S3-URI", help="AWS: where a folder of this machine is uploaded.  [default: "
              "transform-input/FOLDER-DIGEST in the output's bucket]")  # fmt: skip
@transform_aws_options
@click.option("--no-wait", is_flag=True, help="Start the job and return at once.")
@click.option("--dry-run", is_flag=True, help="Print the requests as JSON and start nothing.")
@json_option
@door_options(starts=True)
def command(
    *,
    where: DoorWords,
    model: str,
    pictures: str,
    preset: str | None,
    resume: bool,
    score: bool | None,
    no_wait: bool,
    dry_run: bool,
    as_json: bool,
    **words: Any,
) -> None:
    """Ask a model about all pictures in INPUT at once, without an endpoint: one batch transform job.

    MODEL is a completed job, a search (its best), a model.tar.gz, or a model that SageMaker has already. INPUT is a
    folder, which is uploaded where the job runs in AWS, or an s3:// prefix. Of a folder of class folders, such as a
    test split, the share that was recognized is told.

    \b
      launch.py transform --local JOB photos-prepared/test
      launch.py transform JOB photos-prepared/test --output s3://BUCKET/answers --instance-type ml.m5.xlarge
      launch.py transform JOB s3://BUCKET/photos --output s3://BUCKET/answers --instance-type ml.m5.xlarge --resume
    """
    from pathlib import Path

    from launcher.cli.console import print_json, say
    from launcher.cli.push import bar
    from launcher.cli.running import say_price
    from launcher.cli.transforming import report_standing, run_transform
    from launcher.config import load_preset, transform_config
    from launcher.config.presets import Preset
    from launcher.config.transform_words import TransformWords, is_folder
    from launcher.requests import create_transform_job, create_transform_model
    from launcher.verbs import cost, models
    from launcher.verbs.selection import NothingLeft, settled

    placed = models.by_place(model)
    if not placed:
        where = where.at(model)
    managed = shield_words(words)
    remark(where, instance_type=words["instance_type"], instances=words["instance_count"], push_to=words["push_to"],
           **idle(managed))  # fmt: skip
    found = placed or models.find(where.open_for(model), model)
    given = TransformWords(input=pictures, model_data=found.model_data, model_name=found.model_name, managed=managed,
                           **words)  # fmt: skip
    config = transform_config(given, load_preset(preset) if preset else Preset(), where.place(), stem=found.stem)
    assert config.transform is not None
    folder = Path(pictures) if is_folder(given) else None
    # An account is not asked on a dry run.
    door = where.open(starts=not dry_run, say=say) if where.local or not dry_run else None
    scored = folder is not None if score is None else score
    try:
        transform = settled(where, door, config.transform, folder, resume=resume, dry_run=dry_run, say=say, bar=bar)
    except NothingLeft as nothing:
        assert door is not None
        report_standing(door, nothing, as_json=as_json, score=scored)
        return
    if dry_run:
        made = create_transform_model(transform)
        shown = {"create_model": made} if made else {}
        print_json({**shown, "create_transform_job": create_transform_job(transform)})
        say_price(where, cost.of_transform, transform)
        return
    assert door is not None
    if not where.local:
        say(cost.of_transform(transform, region=door.region))
    run_transform(door, config.model_copy(update={"transform": transform}), where, wait=not no_wait, as_json=as_json,
                  score=scored)  # fmt: skip
