"""The columns of the ledger's tables: a public contract with a version.

A column may be added (readers fill it with null in older rows); none is renamed, retyped or
removed without a new `SCHEMA_VERSION`. None is a list or another nest but `layers`: see
`bounded_parquet`.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 2
"""2: `study.json` has its settings by data set, and knows of trials that wait for others."""

TRIAL_SCHEMA = pa.schema(
    [
        ("trial_id", pa.string()),
        ("study", pa.string()),
        ("dataset", pa.string()),
        ("dataset_sha256", pa.string()),
        ("architecture", pa.string()),
        ("objective", pa.string()),
        ("tau", pa.float64()),  # sse: summed over pixels in [0, 1]
        ("width", pa.int64()),
        ("seed", pa.int64()),
        ("steps", pa.int64()),
        ("batch_size", pa.int64()),
        ("status", pa.string()),  # trainer.verdict.Status
        ("open_gates", pa.int64()),
        ("gate_l1", pa.float64()),
        ("train_sse", pa.float64()),
        ("test_sse_sampled", pa.float64()),
        ("test_sse_mean", pa.float64()),
        ("constraint_ma", pa.float64()),
        ("lambda", pa.float64()),
        ("kl", pa.float64()),  # nats per image
        ("settled_step", pa.int64()),
        ("seconds", pa.float64()),
        ("steps_per_second", pa.float64()),
        ("device", pa.string()),
        ("pack_size", pa.int64()),
        ("attempts", pa.int64()),
        ("error", pa.string()),
        ("started_at", pa.timestamp("us", tz="UTC")),
        ("finished_at", pa.timestamp("us", tz="UTC")),
        ("versions", pa.string()),  # JSON: package → version
        ("layers", pa.list_(pa.int64())),
        ("spec", pa.string()),  # JSON: the whole TrialSpec
        ("precision", pa.string()),  # float32 or tf32: what float32 numbers were multiplied in
        ("compiled", pa.bool_()),  # whether the training step was
        ("parent", pa.string()),  # the trial that this one follows from
        ("model_sha256", pa.string()),  # see `sweeper.ledger.digests`, as the next two
        ("samples_sha256", pa.string()),
        ("curves_sha256", pa.string()),
    ]
)
"""One row per finished trial, in `trials/<id>.parquet`."""

CURVE_SCHEMA = pa.schema(
    [
        ("step", pa.int64()),
        ("sse", pa.float64()),  # of this step's batch
        ("constraint_ma", pa.float64()),
        ("hit_rate", pa.float64()),  # share of the batch's images with sse ≤ τ
        ("gate_l1", pa.float64()),
        ("open_gates", pa.int64()),
        ("lambda", pa.float64()),
        ("kl", pa.float64()),  # of this step's batch, nats per image
        ("seconds", pa.float64()),  # training time so far
    ]
)
"""The sampled course of one trial, in `curves/<id>.parquet`."""
