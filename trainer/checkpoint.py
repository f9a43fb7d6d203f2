"""A trial's complete state on disk, from which it continues to the identical end.

Safetensors files, never pickle. A file's name carries the hash of its content, so that a file
that was damaged is recognised and the one before it is used.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.curve import CurvePoint
from trainer.files import write_atomic
from trainer.functional.adam import AdamState
from trainer.state import TrainState

KEPT = 2
"""Checkpoints kept, so that one that turns out damaged has a predecessor."""

logger = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """Where a trial was."""

    state: TrainState
    step: int
    seconds: float
    """Training time so far."""
    curve: list[CurvePoint]


class CheckpointFolder:
    """The checkpoints of one trial.

    Args:
        folder: made when the first checkpoint is saved.
        trial_id: checkpoints of another trial are not continued from.
    """

    def __init__(self, folder: Path, trial_id: str) -> None:
        self.folder = folder
        self._trial_id = trial_id

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint whole, then remove all but the newest two.

        Raises:
            OSError: if the disk is full or not writable; the earlier ones are then untouched.
        """
        content = _encode(checkpoint, self._trial_id)
        digest = hashlib.sha256(content).hexdigest()[:16]
        write_atomic(self.folder / f"{checkpoint.step:012d}-{digest}.safetensors", content)
        for path in self._newest_first()[KEPT:]:
            path.unlink(missing_ok=True)  # a worker whose run was killed may be a step behind

    def latest(self, device: torch.device) -> Checkpoint | None:
        """Read the newest checkpoint that is undamaged, or None."""
        for path in self._newest_first():
            try:
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest()[:16] != path.stem.split("-")[1]:
                    raise ValueError("its content is damaged")
                return _decode(content, self._trial_id, device)
            except (OSError, ValueError, KeyError, TypeError) as error:
                logger.warning(
                    "checkpoint %s cannot be continued from (%s); taking the one before",
                    *(path, error),
                )
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("*-*.safetensors"), reverse=True)


def state_tensors(state: TrainState) -> dict[str, Tensor]:
    """Give the state's tensors by name, for example `adam.first_moment`."""
    return dict(_named(state))


def _named(state: TrainState) -> Iterator[tuple[str, Tensor]]:
    for name, value in state._asdict().items():
        if isinstance(value, Tensor):
            yield name, value
        else:
            parts = value._asdict() if isinstance(value, AdamState) else value
            yield from ((f"{name}.{part}", tensor) for part, tensor in parts.items())


def _encode(checkpoint: Checkpoint, trial_id: str) -> bytes:
    import safetensors.torch  # here, so that training without checkpoints does not need it

    tensors = {name: tensor.contiguous() for name, tensor in _named(checkpoint.state)}
    tensors["curve"] = torch.tensor(checkpoint.curve, dtype=torch.float64)
    metadata = {"trial_id": trial_id, "seconds": json.dumps(checkpoint.seconds)}
    return safetensors.torch.save(tensors, metadata | {"step": str(checkpoint.step)})


def _decode(content: bytes, trial_id: str, device: torch.device) -> Checkpoint:
    metadata = _metadata(content)
    if metadata["trial_id"] != trial_id:
        raise ValueError(f"a checkpoint of trial {metadata['trial_id']} lies with {trial_id}'s")
    import safetensors.torch

    tensors = safetensors.torch.load(content)
    curve = tensors.pop("curve").tolist()
    fields: dict[str, dict[str, Tensor] | Tensor] = {"buffers": {}}
    for name, tensor in sorted(tensors.items()):
        field, _, part = name.partition(".")
        if part:
            group = fields.setdefault(field, {})
            assert isinstance(group, dict)
            group[part] = tensor.to(device)
        else:
            fields[field] = tensor.to(device)
    moments = fields.pop("adam")
    assert isinstance(moments, dict)
    state = TrainState(**fields, adam=AdamState(**moments))  # type: ignore[arg-type]
    step = int(metadata["step"])
    return Checkpoint(state, step, json.loads(metadata["seconds"]), [_point(row) for row in curve])


def _metadata(content: bytes) -> dict[str, str]:
    header_size = int.from_bytes(content[:8], "little")
    header: dict[str, dict[str, str]] = json.loads(content[8 : 8 + header_size])
    return header["__metadata__"]


def _point(row: list[float]) -> CurvePoint:
    point = CurvePoint(*row)  # type: ignore[arg-type]
    return point._replace(step=int(point.step), open_gates=int(point.open_gates))
