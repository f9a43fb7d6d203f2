"""The paper's Table 1: a baseline of n dimensions, and what gates that start with 2n come to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.seeds import Spread
from analysis.study_data import Study
from trainer.verdict import Status

READ_AT = (1.0, 1.5, 2.0)
"""When the gates are read, in steps of the baseline (the paper's 200K, 300K and 400K)."""

WIDER = 2
"""The gated trial's initial width, in baselines."""

LOST = (Status.DIVERGED, Status.FAILED)
"""The statuses of baselines that leave no error to hold, whatever number they ended with."""

WAITING = "waiting"
"""The status of a gated trial that has not ended."""


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
    if its status is one of `LOST`."""
    baseline_status: str
    width: int
    """The dimensions that the gated trial starts with."""
    status: str
    """The gated trial's; before it has ended, what it waits for."""
    gates: tuple[float, ...]
    """Open gates at each of `READ_AT`; NaN where the trial did not get to."""
    held: tuple[bool, ...]
    """Whether τ was held at that step."""


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """One line of Table 1: a data set and a size n, over all seeds."""

    dataset: str
    size: int
    width: int
    steps: int
    error: Spread | None
    gates: tuple[Spread | None, ...]
    """At each of `READ_AT`; None where no seed got to."""
    held: tuple[Spread | None, ...]
    """The same of the seeds that held τ there, `count` of them; None where none did."""
    statuses: tuple[str, ...]
    """Of the gated trials, seed by seed."""

    @property
    def missed(self) -> tuple[bool, ...]:
        """Whether at each of `READ_AT` some of the seeds that were read did not hold τ."""
        return tuple(
            gates is not None and (held is None or held.count < gates.count)
            for gates, held in zip(self.gates, self.held, strict=True)
        )


def compute_pairs(study: Study) -> list[Pair]:
    """Pair every baseline with its gated sequel, sorted by data set, size and seed.

    The sequel is the trial with gates of the same data set and seed whose τ is the baseline's
    error, to the bit, and which starts with more dimensions.
    """
    trials = study.trials
    is_baseline = (trials["objective"] == "geco") & (trials["tau"] == 0)
    baselines, gated = trials[is_baseline], trials[~is_baseline]
    errors = baselines["train_sse"].mask(baselines["status"].isin(LOST))
    matches = []
    for baseline in baselines.assign(train_sse=errors).to_dict("records"):
        follows = (
            (gated["dataset"] == baseline["dataset"])
            & (gated["seed"] == baseline["seed"])
            & (gated["tau"] == baseline["train_sse"])
            & (gated["width"] > baseline["width"])
        )
        sequels = gated[follows].to_dict("records")
        matches.append((baseline, sequels[0] if sequels else None))
    curves = study.ledger.curves_of(sequel["trial_id"] for _, sequel in matches if sequel)
    pairs = [
        _pair(baseline, sequel, sequel and curves.get(sequel["trial_id"]))
        for baseline, sequel in matches
    ]
    return sorted(pairs, key=lambda pair: (pair.dataset, pair.size, pair.seed))


def _pair(baseline: dict[str, Any], sequel: dict[str, Any] | None, curve: pa.Table | None) -> Pair:
    readings = [(math.nan, False)] * len(READ_AT)
    if sequel is not None and curve is not None:
        samples, allowed = curve.to_pandas(), sequel["tau_limit"] - sequel["tau"]
        readings = [_reading(samples, mark * baseline["steps"], allowed) for mark in READ_AT]
    gates, held = zip(*readings, strict=True)
    return Pair(
        dataset=baseline["dataset"],
        size=baseline["width"],
        seed=baseline["seed"],
        steps=baseline["steps"],
        error=baseline["train_sse"],
        baseline_status=baseline["status"],
        width=WIDER * baseline["width"] if sequel is None else sequel["width"],
        status=_obstacle(baseline) if sequel is None else sequel["status"],
        gates=gates,
        held=held,
    )


def _obstacle(baseline: dict[str, Any]) -> str:
    """Say why a baseline has no sequel."""
    return f"baseline {baseline['status']}" if baseline["status"] in LOST else WAITING


def _reading(curve: pd.DataFrame, step: float, allowed: float) -> tuple[float, bool]:
    """Read the last sample of a curve up to a step; curves have one every few steps.

    A curve that ended before, or whose sample holds no number (it diverged), was not read.
    """
    before = curve[curve["step"] <= step]
    if before.empty or curve["step"].iloc[-1] < step:
        return math.nan, False
    sample = before.iloc[-1]
    if not math.isfinite(sample["constraint_ma"]):
        return math.nan, False
    return float(sample["open_gates"]), bool(sample["constraint_ma"] <= allowed)


def summarise(pairs: Iterable[Pair]) -> list[Efficiency]:
    """Join the seeds of each data set and size; `pairs` are sorted."""
    lines = []
    for (dataset, size), group in groupby(pairs, key=lambda pair: (pair.dataset, pair.size)):
        seeds = list(group)
        lines.append(
            Efficiency(
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
    """Give a row per pair, its readings in columns `gates_1x`, `held_1x` and so on."""
    return pd.DataFrame([_flat(pair) for pair in pairs])


def _flat(pair: Pair) -> dict[str, Any]:
    fields = {name: value for name, value in vars(pair).items() if name not in ("gates", "held")}
    for mark, gates, held in zip(READ_AT, pair.gates, pair.held, strict=True):
        fields |= {f"gates_{mark:g}x": gates, f"held_{mark:g}x": held}
    return fields
