"""The file names of a trial's checkpoints. Needs no torch, so that reading a study needs none."""

from __future__ import annotations

import re

from trainer.files import Folder, content_name

NAME = re.compile(r"(\d{12})-([0-9a-f]{16})\.safetensors")
"""The step, and the hash of the content."""


def checkpoint_name(step: int, content: bytes) -> str:
    """Return the name of the checkpoint of a step."""
    return content_name(f"{step:012d}", content, ".safetensors")


def newest_first(folder: Folder) -> list[str]:
    """List a trial's checkpoints."""
    return sorted(filter(NAME.fullmatch, folder.names()), reverse=True)


def step_of(name: str) -> int:
    """Return the step of the checkpoint of this name."""
    return int(name.partition("-")[0])
