"""The ledger's rows as a tidy table."""

from __future__ import annotations

import math

import pandas as pd
import pyarrow as pa

from analysis import axes
from sweeper.ledger.ledger import Ledger
from trainer.spec import TrialSpec


def read_trials(ledger: Ledger) -> pd.DataFrame:
    """Read one row per finished trial, as `tabulate` returns them."""
    return tabulate(ledger.rows())


def tabulate(rows: pa.Table) -> pd.DataFrame:
    """Return the ledger's rows as a table of trials, sorted by `axes.ORDER`.

    The columns are the ledger's (`sweeper.ledger.columns`) and three that follow from them:
    `label`, how a person tells the trial from its neighbours; `tau_limit`, the error up to which
    τ counts as held (sse); and `lambda_at_bound`, which is `"lower"` or `"upper"` if λ' ended
    at its bound, otherwise empty.
    """
    trials = rows.to_pandas()
    specs = [TrialSpec.from_json(text) for text in trials["spec"]]
    trials["error"] = trials["error"].fillna("")
    trials["label"] = pd.Series(_labels(trials), dtype="str")
    limits = [spec.tau * (1 + spec.tolerance) for spec in specs]
    trials["tau_limit"] = pd.Series(limits, dtype="float64")
    bounds = [_bound(spec, value) for spec, value in zip(specs, trials["lambda"], strict=True)]
    trials["lambda_at_bound"] = pd.Series(bounds, dtype="str")
    return trials.sort_values(axes.ORDER, ignore_index=True)


def _labels(trials: pd.DataFrame) -> list[str]:
    several = trials["dataset"].nunique() > 1
    rows = trials[axes.ORDER].to_dict("records")
    return [(f"{row['dataset']} " if several else "") + axes.trial_label(row) for row in rows]


def _bound(spec: TrialSpec, multiplier: float) -> str:
    # λ' is projected in 32-bit floats through softplus(λ)², so it meets a bound only nearly.
    if math.isclose(multiplier, spec.lambda_max, rel_tol=1e-3):
        return "upper"
    if math.isclose(multiplier, spec.lambda_min, rel_tol=1e-3):
        return "lower"
    return ""
