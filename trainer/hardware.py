"""The device a trial is trained on."""

from __future__ import annotations

import torch

from trainer.errors import UserError


def choose_device(name: str) -> torch.device:
    """Choose a device: `cpu`, `cuda`, or `auto` for a GPU where there is one.

    Raises:
        UserError: if `cuda` is asked for and there is none, or the name is another.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"unknown device {name!r} (known: auto, cpu, cuda)")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "no GPU found: torch sees no CUDA device; use --device cpu, or install a CUDA build "
            "of torch and check the driver"
        )
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")


def device_name(device: torch.device) -> str:
    """Name a device as results record it, for example `cuda (NVIDIA H200)`."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type
