"""A server that speaks S3's protocol, in a process of its own, and asks for a key if it shall."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from study import free_port, wait_for

REGION = {"AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
"""What its clients have in their environment beside a key."""


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Start it; gives its host and port. Any key will do for it."""
    pytest.importorskip("moto", reason="moto[server,s3] is not installed")
    port = free_port()
    address = f"127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        try:
            urllib.request.urlopen(f"http://{address}/moto-api/", timeout=5).close()
        except OSError:
            return False
        return True

    try:
        wait_for(answers)
        yield address
    finally:
        server.kill()
        server.wait()


def only_with_key(address: str, bucket: str) -> tuple[str, str]:
    """Make a bucket and a key, without which the server answers nothing more; gives the key."""
    import boto3

    anybody = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    how = {"endpoint_url": f"http://{address}", "region_name": REGION["AWS_REGION"], **anybody}
    boto3.client("s3", **how).create_bucket(Bucket=bucket)
    users = boto3.client("iam", **how)
    users.create_user(UserName="user")
    key = users.create_access_key(UserName="user")["AccessKey"]
    may = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    users.put_user_policy(UserName="user", PolicyName="all", PolicyDocument=policy)
    from_now_on = urllib.request.Request(
        f"http://{address}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"}, method="POST"
    )
    urllib.request.urlopen(from_now_on, timeout=60).close()
    return key["AccessKeyId"], key["SecretAccessKey"]
