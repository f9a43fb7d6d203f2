"""The paper's Table 1: baselines of n dimensions, and the gates left open of 2n."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa

from analysis.seeds import Spread
from trainer.verdict import Status

READ_AT = (1.0, 1.5, 2.0)
"""When the gates are read, in steps of the baseline (the paper's 200K, 300K and 400K)."""

LOST_STATUSES = (Status.DIVERGED, Status.FAILED)
"""The statuses of baselines without an error to hold, whatever their `train_sse` says."""

WAITING = "waiting"
"""The status of a gated trial that has not ended."""

_Row: TypeAlias = dict[Hashable, Any]
"""A trial, by column."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A baseline, and the gated trial that has to hold its error."""

    dataset: str
    size: int
    """n, the baseline's dimensions."""
    seed: int
    steps: int
    """The baseline's."""
    error: float
    """The baseline's (the paper's MSE): moving average (keep-rate 0.95) of the training sse; NaN
    if its status is one of `LOST_STATUSES`."""
    baseline_status: str
    width: int
    """The dimensions that the gated trial starts with."""
    status: str
    """The gated trial's; if there is none, the reason."""
    gates: tuple[float, ...]
    """Open gates at each of `READ_AT`; NaN where the trial ended before."""
    held: tuple[bool, ...]
    """Whether τ was held at that step."""


@dataclass(frozen=True, kw_only=True)
class TableLine:
    """One line of Table 1: a data set and a size n, over all seeds."""

    dataset: str
    size: int
    width: int
    steps: int
    error: Spread | None
    gates: tuple[Spread | None, ...]
    """At each of `READ_AT`; None where every seed ended before."""
    held: tuple[Spread | None, ...]
    """The same over the seeds that held τ at that step; None where none did."""
    statuses: tuple[str, ...]
    """Of the gated trials, seed by seed."""

    @property
    def missed(self) -> tuple[bool, ...]:
        """Whether at each of `READ_AT` some of the seeds that were read did not hold τ."""
        return tuple(
            gates is not None and (held is None or held.count < gates.count)
            for gates, held in zip(self.gates, self.held, strict=True)
        )


def is_baseline(trials: pd.DataFrame) -> pd.Series:
    """Mark the trials without gates, which find the error that n dimensions can reach."""
    return (trials["objective"] == "geco") & (trials["tau"] == 0)


def compute_pairs(trials: pd.DataFrame, curves: Mapping[str, pa.Table]) -> list[Pair]:
    """Pair every baseline with its gated trial, sorted by data set, size and seed.

    The gated trial is the one whose `parent` is the baseline. Rows written before there was such
    a column have none: there it is the trial of the same data set and seed that starts with more
    dimensions and whose τ is the baseline's error, to the bit.

    Args:
        trials: as `read_trials` returns them.
        curves: of the gated trials, with `CURVE_SCHEMA`, by trial id.
    """
    baselines = trials[is_baseline(trials)]
    errors = baselines["train_sse"].mask(baselines["status"].isin(LOST_STATUSES))
    find = _matcher(trials[~is_baseline(trials)])
    pairs = []
    for baseline in baselines.assign(train_sse=errors).to_dict("records"):
        gated = find(baseline)
        pairs.append(_pair(baseline, gated, gated and curves.get(gated["trial_id"])))
    return sorted(pairs, key=lambda pair: (pair.dataset, pair.size, pair.seed))


def _matcher(gated: pd.DataFrame) -> Callable[[_Row], _Row | None]:
    """Return a function that finds the first gated trial of a baseline, or None."""
    by_parent: dict[str, list[_Row]] = {}
    by_error: dict[tuple[str, int, float], list[_Row]] = {}
    for trial in gated.to_dict("records"):
        if isinstance(trial["parent"], str):
            by_parent.setdefault(trial["parent"], []).append(trial)
        else:
            by_error.setdefault((trial["dataset"], trial["seed"], trial["tau"]), []).append(trial)

    def find(baseline: _Row) -> _Row | None:
        if math.isnan(baseline["train_sse"]):
            return None
        question = baseline["dataset"], baseline["seed"], baseline["train_sse"]
        wider = [
            trial for trial in by_error.get(question, []) if trial["width"] > baseline["width"]
        ]
        return next(iter([*by_parent.get(baseline["trial_id"], []), *wider]), None)

    return find


def _pair(baseline: _Row, gated: _Row | None, curve: pa.Table | None) -> Pair:
    readings = [(math.nan, False)] * len(READ_AT)
    if gated is not None and curve is not None:
        samples, allowed = curve.to_pandas(), gated["tau_limit"] - gated["tau"]
        readings = [_reading(samples, mark * baseline["steps"], allowed) for mark in READ_AT]
    gates, held = zip(*readings, strict=True)
    return Pair(
        dataset=baseline["dataset"],
        size=baseline["width"],
        seed=baseline["seed"],
        steps=baseline["steps"],
        error=baseline["train_sse"],
        baseline_status=baseline["status"],
        # It will start with as many times the dimensions as it will take the steps.
        width=round(READ_AT[-1] * baseline["width"]) if gated is None else gated["width"],
        status=_obstacle(baseline) if gated is None else gated["status"],
        gates=gates,
        held=held,
    )


def _obstacle(baseline: _Row) -> str:
    """Describe why a baseline has no gated trial."""
    lost = baseline["status"] in LOST_STATUSES
    return f"baseline {baseline['status']}" if lost else WAITING


def _reading(curve: pd.DataFrame, step: float, allowed: float) -> tuple[float, bool]:
    """Return the open gates at the last sample up to a step, and whether τ was held there.

    (NaN, False) if the curve ended before, or if its sample is not finite (it diverged).
    """
    before = curve[curve["step"] <= step]
    if before.empty or curve["step"].iloc[-1] < step:
        return math.nan, False
    sample = before.iloc[-1]
    if not math.isfinite(sample["constraint_ma"]):
        return math.nan, False
    return float(sample["open_gates"]), bool(sample["constraint_ma"] <= allowed)


def summarise(pairs: Iterable[Pair]) -> list[TableLine]:
    """Join the seeds of each data set and size; `pairs` are sorted by these."""
    lines = []
    for (dataset, size), group in groupby(pairs, key=lambda pair: (pair.dataset, pair.size)):
        seeds = list(group)
        lines.append(
            TableLine(
                dataset=dataset,
                size=size,
                width=seeds[0].width,
                steps=seeds[0].steps,
                error=Spread.of(pair.error for pair in seeds),
                gates=tuple(
                    Spread.of(pair.gates[mark] for pair in seeds) for mark in range(len(READ_AT))
                ),
                held=tuple(
                    Spread.of(pair.gates[mark] for pair in seeds if pair.held[mark])
                    for mark in range(len(READ_AT))
                ),
                statuses=tuple(pair.status for pair in seeds),
            )
        )
    return lines


def as_table(pairs: Iterable[Pair]) -> pd.DataFrame:
    """Return a row per pair, its readings in columns `gates_1x`, `held_1x` and so on."""
    return pd.DataFrame([_flat(pair) for pair in pairs])


def _flat(pair: Pair) -> dict[str, Any]:
    fields = {name: value for name, value in vars(pair).items() if name not in ("gates", "held")}
    for mark, gates, held in zip(READ_AT, pair.gates, pair.held, strict=True):
        fields |= {f"gates_{mark:g}x": gates, f"held_{mark:g}x": held}
    return fields
