"""The credentials of storage, which workers on other machines need as this process does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeAlias

Credentials: TypeAlias = Mapping[str, str]
"""Environment variables. They travel as arguments through Ray's object store, which is memory:
runtime environments, job configurations and command lines end up in Ray's logs."""

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")
"""Those that replace what a node has; all else that its storage needs, a node has to have."""


def find_credentials() -> Credentials:
    """Return those of this process."""
    return {name: os.environ[name] for name in NAMES if name in os.environ}


def use_credentials(credentials: Credentials) -> None:
    """Make them this process's, before it opens any storage."""
    os.environ.update(credentials)
