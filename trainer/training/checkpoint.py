"""A trial's complete state on disk, from which it continues to the identical end.

Safetensors files, never pickle. A damaged file is recognised, and the one before it is used.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.files import Folder, read_checked
from trainer.functional.adam import AdamState
from trainer.objectives.measures import CurvePoint
from trainer.objectives.state import TrainState
from trainer.training.checkpoint_names import checkpoint_name, newest_first

CHECKPOINTS_KEPT = 2
"""Checkpoints kept, so that a damaged one has a predecessor."""

logger = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """A trial in the middle of its training."""

    state: TrainState
    step: int
    seconds: float
    """Training time so far."""
    curve: list[CurvePoint]


class CheckpointFolder:
    """The checkpoints of one trial.

    Args:
        folder: where they are; created with the first checkpoint.
        trial_id: checkpoints of other trials are passed over.
    """

    def __init__(self, folder: Folder, trial_id: str) -> None:
        self.folder = folder
        self._trial_id = trial_id

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, whole or not at all, then remove all but the newest two.

        Raises:
            OSError: if the disk is full or not writable; earlier checkpoints are then untouched.
        """
        content = _encode(checkpoint, self._trial_id)
        self.folder.write(checkpoint_name(checkpoint.step, content), content)
        for older in newest_first(self.folder)[CHECKPOINTS_KEPT:]:
            self.folder.remove(older)

    def latest(self, device: torch.device) -> Checkpoint | None:
        """Return the newest checkpoint that is not damaged, or None."""
        for name in newest_first(self.folder):
            try:
                return _decode(read_checked(self.folder, name), self._trial_id, device)
            except (OSError, ValueError, KeyError, TypeError) as error:
                logger.warning(
                    "checkpoint %s cannot be continued from (%s); going back to what was before it",
                    *(self.folder.at(name), error),
                )
        return None


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
