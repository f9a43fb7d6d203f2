"""The specification of one trial: plain values, no tensors."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import re
from dataclasses import dataclass

from trainer import bounded_json
from trainer.errors import UserError

MAX_UNITS = 2**16
"""A layer, width or batch above this is taken for a mistake."""

TRIAL_ID = re.compile("[0-9a-f]{16}")
"""What the id of a trial looks like."""

MAX_JSON = 2**16
"""Characters of a spec as JSON, at most."""

PACK_KEY = ("dataset", "dataset_sha256", "architecture", "layers", "objective", "batch_size")
"""The fields that trials must have in common to be trained together."""


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One training run, completely described.

    Two specs that mean the same training are equal and have the same `trial_id`. The defaults are
    the paper's (De Boom et al., section 4). The machine that trains it is not part of a spec.

    Raises:
        UserError: if a value cannot be trained with; the message names the field.
    """

    dataset: str
    """A name in `trainer.data.DATASETS`, or the label of data that is opened by its content."""
    dataset_sha256: str
    """Hash of the content trained on, so that changed data is another trial."""
    architecture: str
    """A name in `trainer.networks.NETWORKS`."""
    layers: tuple[int, ...]
    """Units (dense) or channels (convolutional) of the encoder's stages; the decoder mirrors."""
    tau: float
    """Tolerance τ: the accepted squared error, summed over an image's pixels in [0, 1]. 0, where
    the objective allows it, asks for the least error that can be reached."""
    width: int
    """Latent dimensions at the start (the paper's 2n)."""
    seed: int
    """Determines every random number of the trial."""
    steps: int
    """Optimizer steps, one batch each."""
    objective: str = "geco-l0-arm"
    """A name in `trainer.objectives.OBJECTIVES`."""
    batch_size: int = 64
    learning_rate: float = 1e-3
    """Of Adam, for network, gate logits and multiplier alike."""
    k: float = 7.0
    """Slope of the gates' sigmoid σ(kγ)."""
    alpha: float = 0.99
    """Keep-rate of the constraint's moving average."""
    lambda_init: float = 1.0
    """Start of the raw multiplier λ, of which λ' = softplus(λ)²."""
    lambda_min: float = 1e-5
    """Lower bound of λ'."""
    lambda_max: float = 5.0
    """Upper bound of λ'."""
    gate_init: float = 0.42
    """Start of the gate logits: σ(7 · 0.42) ≈ 0.95."""
    tolerance: float = 0.03
    """A trial is infeasible if its constraint's moving average ends above tolerance · τ (τ > 0)."""

    def __post_init__(self) -> None:
        """Check the values, and convert layers and floats to their types."""
        object.__setattr__(self, "layers", tuple(self.layers))
        for name in _FLOATS:  # 3 and 3.0 are the same trial
            object.__setattr__(self, name, float(getattr(self, name)))
        if not (math.isfinite(self.tau) and self.tau >= 0):
            raise UserError(f"tau must be a number from 0 up, found {self.tau!r}")
        for name in ("k", "learning_rate", "lambda_min", "tolerance"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise UserError(f"{name} must be a positive number, found {value!r}")
        for name in ("lambda_init", "lambda_max", "gate_init"):
            if not math.isfinite(getattr(self, name)):
                raise UserError(f"{name} must be a finite number, found {getattr(self, name)!r}")
        for name, most in (("width", MAX_UNITS), ("steps", 2**40), ("batch_size", MAX_UNITS)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise UserError(f"{name} must be a whole number from 1 to {most}, found {value!r}")
        if not (isinstance(self.seed, int) and 0 <= self.seed < 2**63):
            raise UserError(f"seed must be a whole number from 0 to 2^63 - 1, found {self.seed!r}")
        if not self.layers or not 1 <= min(self.layers) <= max(self.layers) <= MAX_UNITS:
            raise UserError(
                f"layers must be one or more widths from 1 to {MAX_UNITS}, found {self.layers!r}"
            )
        if not 0 <= self.alpha < 1:
            raise UserError(f"alpha must be at least 0 and below 1, found {self.alpha!r}")
        if not self.lambda_min < self.lambda_max:
            raise UserError(
                f"lambda_max must be above lambda_min = {self.lambda_min}, found {self.lambda_max}"
            )

    @functools.cached_property
    def trial_id(self) -> str:
        """Sixteen hexadecimal digits that identify this spec.

        Fields at their default are left out of the hash, so that a field that is added later,
        with the old behaviour as its default, leaves the ids of old ledgers valid.
        """
        fields = {name: getattr(self, name) for name in _DEFAULTS}
        asked = {name: value for name, value in fields.items() if value != _DEFAULTS[name]}
        canonical = _CANONICAL.encode(asked)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """A short description, for people, that is unique within a study."""
        return f"τ={self.tau:.4g} width={self.width} seed={self.seed}"

    def to_json(self) -> str:
        """Return the spec as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> TrialSpec:
        """Return the spec that `to_json` wrote.

        Raises:
            ValueError: if it is none, as somebody else may have written it.
        """
        values = bounded_json.parse_object(text, max_size=MAX_JSON)
        for name, value in values.items():
            if name not in _KINDS or type(value) not in _KINDS[name]:
                raise ValueError(f"a trial's spec has no {name} that is {type(value).__name__}")
        if set(map(type, values.get("layers", ()))) - {int}:
            raise ValueError("layers must be whole numbers")
        if missing := _REQUIRED - values.keys():
            raise ValueError(f"a trial's spec lacks its {min(missing)}")
        return cls(**values)


_FIELDS = dataclasses.fields(TrialSpec)
_JSON_TYPES: dict[str, set[type]] = {
    "str": {str},
    "int": {int},
    "float": {int, float},
    "tuple[int, ...]": {list},
}
_KINDS: dict[str, set[type]] = {field.name: _JSON_TYPES[str(field.type)] for field in _FIELDS}
_REQUIRED = {field.name for field in _FIELDS if field.default is dataclasses.MISSING}
_FLOATS = tuple(field.name for field in _FIELDS if field.type == "float")
_DEFAULTS = {field.name: field.default for field in _FIELDS}
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
