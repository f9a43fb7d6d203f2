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

from trainer import bounded_json
from trainer.files import Folder, read_checked
from trainer.functional.adam import AdamState
from trainer.objectives.measures import CurvePoint
from trainer.objectives.state import TrainState
from trainer.training.checkpoint_names import checkpoint_name, newest_first

CHECKPOINTS_KEPT = 2
"""Checkpoints kept, so that a damaged one has a predecessor."""

MAX_STEP = 2**53

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

    def latest(
        self, device: torch.device, like: TrainState | None = None, last_step: int = MAX_STEP
    ) -> Checkpoint | None:
        """Return the newest checkpoint that is not damaged, or None.

        Args:
            device: where to put its tensors.
            like: a state of the same trial; one of other shapes or types is taken for damaged,
            last_step: and so is one that went further than the trial will.
        """
        for name in newest_first(self.folder):
            try:
                checkpoint = _decode(read_checked(self.folder, name), self._trial_id, device)
                if like is not None:
                    _check_fits(checkpoint.state, like)
                if checkpoint.step > last_step:
                    raise ValueError(f"it is of step {checkpoint.step} of {last_step}")
                return checkpoint
            except (OSError, ValueError) as error:
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
    """Read what `_encode` wrote.

    Raises:
        ValueError: if it is damaged, or another trial's.
    """
    import safetensors.torch

    try:
        metadata = _metadata(content)
        if metadata["trial_id"] != trial_id:
            raise ValueError(f"a checkpoint of trial {metadata['trial_id']} lies with {trial_id}'s")
        tensors = safetensors.torch.load(content)
        curve = _curve(tensors.pop("curve"))
        step, seconds = int(metadata["step"]), bounded_json.parse(metadata["seconds"])
        state = _state({name: tensor.to(device) for name, tensor in tensors.items()})
    except (safetensors.SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"it is not a checkpoint of this program: {error}") from error
    if step != int(state.step) or not isinstance(seconds, float | int) or not 0 <= seconds < 1e12:
        raise ValueError(f"it is said to be of step {step}, after {seconds} s")
    return Checkpoint(state, step, float(seconds), curve)


def _state(tensors: dict[str, Tensor]) -> TrainState:
    """Put together what `_named` took apart; TypeError if it is no state."""
    fields: dict[str, dict[str, Tensor] | Tensor] = {"buffers": {}}
    groups: dict[str, dict[str, Tensor]] = {"buffers": {}, "adam": {}}
    for name, tensor in sorted(tensors.items()):
        field, _, part = name.partition(".")
        if part:
            groups[field][part] = tensor
        else:
            fields[field] = tensor
    moments = AdamState(**groups["adam"])
    return TrainState(**{**fields, "buffers": groups["buffers"], "adam": moments})  # type: ignore[arg-type]


def _check_fits(state: TrainState, like: TrainState) -> None:
    """Check that a state can go on where another one of its trial began."""
    found, wanted = dict(_named(state)), dict(_named(like))
    for name in sorted(found.keys() | wanted.keys()):
        if name not in found or name not in wanted:
            raise ValueError(f"{name} is {'missing' if name in wanted else 'of no such trial'}")
        for what in ("shape", "dtype"):
            has, needs = getattr(found[name], what), getattr(wanted[name], what)
            if has != needs:
                raise ValueError(f"{name} is of {what} {has} where {needs} is needed")


def _metadata(content: bytes) -> dict[str, str]:
    header_size = int.from_bytes(content[:8], "little")
    header = bounded_json.parse_object(content[8 : 8 + header_size])
    metadata: dict[str, str] = header["__metadata__"]
    return metadata


def _curve(points: Tensor) -> list[CurvePoint]:
    """Return the points of a curve, [points, fields]; an empty one was [0]."""
    if points.numel() == 0:
        return []
    if points.ndim != 2 or points.shape[1] != len(CurvePoint._fields):
        raise ValueError(f"its curve is of shape {tuple(points.shape)}")
    counts = points[:, [CurvePoint._fields.index(name) for name in ("step", "open_gates")]]
    if not ((counts >= 0) & (counts <= MAX_STEP)).all():
        raise ValueError("its curve has steps or gates that cannot be")
    return [_point(row) for row in points.tolist()]


def _point(row: list[float]) -> CurvePoint:
    point = CurvePoint(*row)  # type: ignore[arg-type]
    return point._replace(step=int(point.step), open_gates=int(point.open_gates))
