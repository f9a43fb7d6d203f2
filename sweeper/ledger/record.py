"""What the ledger keeps of a trial."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from sweeper.ledger.columns import TRIAL_SCHEMA
from sweeper.ledger.digests import NO_DIGESTS, Digests
from trainer.result import TrialResult
from trainer.spec import TrialSpec


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """Everything the ledger keeps of a finished trial."""

    study: str
    spec: TrialSpec
    result: TrialResult
    attempts: int
    started_at: datetime
    finished_at: datetime
    versions: dict[str, str]
    pack_size: int = 1
    parent: str | None = None
    """The id of the trial that this one follows from; in `compression`, its baseline."""
    curves: pa.Table | None = None
    """With `CURVE_SCHEMA`; None for a trial that failed before its first step."""
    model: bytes | None = None
    """A safetensors file."""
    samples: dict[str, np.ndarray] | None = None
    """`images` and `reconstructions`, uint8 of shape [count, channels, height, width]."""

    def row(self, digests: Digests = NO_DIGESTS) -> pa.Table:
        """Return the one row of `TRIAL_SCHEMA` that stands for this trial.

        Args:
            digests: of what is kept beside the row.
        """
        spec, result = self.spec, self.result
        values: dict[str, Any] = {
            "trial_id": spec.trial_id,
            "study": self.study,
            "lambda": result.multiplier,
            "pack_size": self.pack_size,
            "parent": self.parent,
            "attempts": self.attempts,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "versions": json.dumps(self.versions, sort_keys=True),
            "layers": list(spec.layers),
            "spec": spec.to_json(),
            **digests._asdict(),
        }
        for name in TRIAL_SCHEMA.names:
            if name not in values:
                values[name] = getattr(spec if hasattr(spec, name) else result, name)
        values["status"] = result.status.value
        return pa.Table.from_pylist([values], schema=TRIAL_SCHEMA)
