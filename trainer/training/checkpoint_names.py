"""How a trial's checkpoints are named: by their step and the hash of their content.

A file that was damaged is so recognised. Who only looks how far a trial is needs no torch.
"""

from __future__ import annotations

import hashlib
import re

from trainer.files import Folder

NAME = re.compile(r"(\d{12})-([0-9a-f]{16})\.safetensors")


def checkpoint_name(step: int, content: bytes) -> str:
    """Name the checkpoint of a step."""
    return f"{step:012d}-{hashlib.sha256(content).hexdigest()[:16]}.safetensors"


def newest_first(folder: Folder) -> list[str]:
    """List a trial's checkpoints."""
    return sorted(filter(NAME.fullmatch, folder.names()), reverse=True)


def step_of(name: str) -> int:
    """Say at which step the checkpoint of this name was saved."""
    return int(name.partition("-")[0])
