"""An AWS account on loopback: moto's server, and the variables that lead boto3 to it in any process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.server import ThreadedMotoServer

__all__ = ["ACCOUNT", "REGION", "account"]

REGION = "eu-west-1"


@contextmanager
def account() -> Iterator[dict[str, str]]:
    """The variables of an account that holds nothing yet."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "nobodys-key",
            "AWS_SECRET_ACCESS_KEY": "nobodys-secret",
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        server.stop()
