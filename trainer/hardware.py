"""The device a trial is trained on, and its precision."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

import torch

from trainer.errors import UserError

CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where Linux says how much memory a container may use."""


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
    """Return a device's name as results record it, for example `cuda (NVIDIA H200)`."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


def memory_bytes(device: torch.device) -> int:
    """Return the most memory, in bytes, that one process may have on a device."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    limits = [limit] if limit != resource.RLIM_INFINITY else []
    with contextlib.suppress(OSError, ValueError):  # of a container; "max" if it has none
        limits.append(int(CONTAINER_LIMIT.read_text()))
    return min([machine, *limits])


def set_precision(*, strict: bool) -> None:
    """Set how this process multiplies float32 numbers on a GPU: in TF32, or (`strict`) exactly.

    TF32 keeps 10 of the 23 fraction bits of the factors of a convolution or matrix product, and
    sums in float32. Everything else is float32 either way, and so is everything on a CPU.
    """
    # The older call sets the newer flag as well: parts of torch read both, and raise where only
    # the newer is set.
    torch.set_float32_matmul_precision("highest" if strict else "high")
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    convolutions.fp32_precision = "ieee" if strict else "tf32"


def precision_name(device: torch.device) -> str:
    """Return what float32 numbers are multiplied in on a device: `float32` or `tf32`."""
    if device.type != "cuda" or not torch.cuda.is_tf32_supported():
        return "float32"
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    flags = torch.backends.cuda.matmul.fp32_precision, convolutions.fp32_precision
    return "tf32" if "tf32" in flags else "float32"
