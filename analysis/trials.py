"""The ledger's rows as a tidy table."""

from __future__ import annotations

import math

import pandas as pd

from sweeper.ledger.ledger import Ledger
from trainer.spec import TrialSpec


def read_trials(ledger: Ledger) -> pd.DataFrame:
    """Read one row per finished trial, sorted by data set, tau, width and seed.

    The columns are the ledger's (`sweeper.ledger.columns`) and three that follow from them:
    `label`, how a person tells the trial from its neighbours; `tau_limit`, the error up to which
    τ counts as held (sse); and `lambda_at_bound`, which is `"lower"` or `"upper"` if λ' ended
    where it may not go further, otherwise empty.
    """
    trials = ledger.rows().to_pandas()
    specs = [TrialSpec.from_json(text) for text in trials["spec"]]
    trials["error"] = trials["error"].fillna("")
    several = trials["dataset"].nunique() > 1
    labels = [f"{spec.dataset} {spec.label}" if several else spec.label for spec in specs]
    trials["label"] = pd.Series(labels, dtype="str")
    limits = [spec.tau * (1 + spec.tolerance) for spec in specs]
    trials["tau_limit"] = pd.Series(limits, dtype="float64")
    bounds = [_bound(spec, value) for spec, value in zip(specs, trials["lambda"], strict=True)]
    trials["lambda_at_bound"] = pd.Series(bounds, dtype="str")
    # The id decides where all else is equal, so that a table never depends on who finished first.
    return trials.sort_values(["dataset", "tau", "width", "seed", "trial_id"], ignore_index=True)


def _bound(spec: TrialSpec, multiplier: float) -> str:
    # λ' is projected in 32-bit floats through softplus(λ)², so it meets a bound only nearly.
    if math.isclose(multiplier, spec.lambda_max, rel_tol=1e-3):
        return "upper"
    if math.isclose(multiplier, spec.lambda_min, rel_tol=1e-3):
        return "lower"
    return ""
