"""launch.py iam"""

from __future__ import annotations

import click

from launcher.cli.options import Verb

DOCUMENTS = ("trust", "role", "caller")


@click.command(cls=Verb)
@click.option("--role", default="byoc-sagemaker", show_default=True,
              help="Name, or ARN, of the role that SageMaker assumes.")  # fmt: skip
@click.option("--bucket", help="S3 bucket of data and outputs.  [default: the SDK's, sagemaker-REGION-ACCOUNT]")
@click.option("--repository-prefix", "prefix", default="byoc", show_default=True,
              help="ECR repositories PREFIX-…, as for build_and_push.sh.")  # fmt: skip
@click.option("--account", metavar="NUMBER", help="The account's twelve digits.  [default: the ARN's, or any: *]")
@click.option("--kms-key", "key", metavar="ARN", help="Key that data, models and disks are encrypted with.")
@click.option("--vpc", "network", is_flag=True, help="Jobs and endpoints run in a VPC of yours.")
@click.option("--region", help="AWS region.  [default: the one that is set, or any: *]")
@click.option("--profile", help="AWS profile, for its region.")
@click.option("--document", type=click.Choice(DOCUMENTS), help="Print one document alone, as `aws iam` takes it.")
def command(
    *,
    role: str,
    bucket: str | None,
    prefix: str,
    account: str | None,
    key: str | None,
    network: bool,
    region: str | None,
    profile: str | None,
    document: str | None,
) -> None:
    """Print the least that has to be allowed, as IAM's JSON. Calls nothing.

    `trust` and `role` are the documents of the role that SageMaker assumes, `caller` of whoever runs launch.py and
    build_and_push.sh.

    \b
      launch.py iam --document trust > trust.json
      launch.py iam --document role --bucket photos --account 123456789012 > role.json
      aws iam create-role --role-name byoc-sagemaker --assume-role-policy-document file://trust.json
      aws iam put-role-policy --role-name byoc-sagemaker --policy-name byoc --policy-document file://role.json
    """
    from launcher.aws.policies import find_scope, for_caller, for_role, trust
    from launcher.aws.session import find_region
    from launcher.cli.console import print_json

    scope = find_scope(
        role=role, bucket=bucket, prefix=prefix, account=account, key=key, network=network,
        region=find_region(region, profile),
    )  # fmt: skip
    documents = {"trust": trust(scope), "role": for_role(scope), "caller": for_caller(scope)}
    print_json(documents[document] if document else documents)
