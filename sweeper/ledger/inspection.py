"""Looks for files beside a study's rows that are missing, or are not what was written."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeAlias

import pyarrow as pa

from sweeper.ledger.artifacts import Artifacts, curve_file, model_file, samples_file
from sweeper.ledger.columns import CURVE_SCHEMA
from sweeper.ledger.compaction import Volumes
from sweeper.ledger.digests import curve_digest, file_digest
from sweeper.ledger.faults import CURVES, DAMAGED, MISSING, MODELS, SAMPLES, Fault, Inspection
from sweeper.ledger.integrity import decode_curve
from sweeper.ledger.rows import Rows, digests_in
from trainer.files import Folder
from trainer.spec import TrialSpec

CHECK_SECONDS = 5.0
"""How long commands that only look at a study may take for checking its files."""

THREADS = 16
"""Files that are read at a time."""

BATCH = 256
"""Files that are read between two looks at the clock."""

VOLUMES = 2
"""Volumes whose curves are read at a time: those of 500 trials take some tens of megabytes."""


class _Claim(NamedTuple):
    """That a trial has a file of this digest."""

    kind: str
    trial_id: str
    digest: str


class _Problem(NamedTuple):
    """The last fields of a `Fault`."""

    file: str
    problem: str
    certain: bool = True


_Verdicts: TypeAlias = dict[_Claim, _Problem | None]


class Inspector:
    """Checks the files of a study's trials; what it has found to be good it does not read again.

    Args:
        study: the study's folder.
        artifacts: its files.
        volumes: its volumes.
        rows: the rows of its trials.
    """

    def __init__(self, study: Folder, artifacts: Artifacts, volumes: Volumes, rows: Rows) -> None:
        self._study = study
        self._artifacts = artifacts
        self._volumes = volumes
        self._rows = rows
        self._good: set[_Claim] = set()

    def inspect(self, rows: pa.Table, seconds: float | None = None) -> Inspection:
        """Check the files of trials, their models first.

        What seems wrong is looked at once more, by the trial's row as it is then: a run may have
        compacted the trial, or trained it again, while this was reading.

        Args:
            rows: of the trials, with `TRIAL_SCHEMA`.
            seconds: how long to take for it; None to check all.
        """
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        found, unchecked = self._judge(_claims(rows), deadline)
        if not found:
            return Inspection(unchecked=unchecked, trials=len(rows))
        now = self._rows.table()
        doubted = {(claim.kind, claim.trial_id) for claim in found}
        again = [claim for claim in _claims(now) if (claim.kind, claim.trial_id) in doubted]
        found, _ = self._judge(again, math.inf)
        labels = _labels(now, {claim.trial_id for claim in found})
        faults = tuple(
            Fault(claim.trial_id, labels[claim.trial_id], claim.kind, *problem)
            for claim, problem in found.items()
        )
        lacking = {fault.kind for fault in faults if fault.problem == MISSING}
        absent = frozenset(kind for kind in lacking if not self._study.has(kind))
        return Inspection(faults, absent, unchecked, len(rows))

    def _judge(
        self, claims: Sequence[_Claim], deadline: float
    ) -> tuple[dict[_Claim, _Problem], int]:
        """Return the problems there are, and how many trials there was no time for."""
        left = [claim for claim in claims if claim not in self._good]
        verdicts: _Verdicts = {}
        for part in self._parts(left):
            if time.monotonic() > deadline:
                break
            verdicts |= part()
        self._good.update(claim for claim, problem in verdicts.items() if problem is None)
        problems = {claim: problem for claim, problem in verdicts.items() if problem is not None}
        return problems, len({claim.trial_id for claim in left if claim not in verdicts})

    def _parts(self, claims: Sequence[_Claim]) -> Iterator[Callable[[], _Verdicts]]:
        """Divide the work: single files by the batch, and the curves of each volume."""
        curves = {claim.trial_id: claim for claim in claims if claim.kind == CURVES}
        by_volume = self._rows.by_volume(curves)
        compacted = {trial_id for trial_ids in by_volume.values() for trial_id in trial_ids}
        single = [each for each in claims if each.kind != CURVES or each.trial_id not in compacted]
        for first in range(0, len(single), BATCH):
            yield partial(self._judge_files, single[first : first + BATCH])
        volumes = [(volume, [curves[each] for each in ids]) for volume, ids in by_volume.items()]
        for first in range(0, len(volumes), VOLUMES):
            yield partial(self._judge_volumes, volumes[first : first + VOLUMES])

    def _judge_files(self, claims: Sequence[_Claim]) -> _Verdicts:
        with ThreadPoolExecutor(THREADS) as pool:
            return dict(zip(claims, pool.map(self._judge_file, claims), strict=True))

    def _judge_file(self, claim: _Claim) -> _Problem | None:
        name_of, folder, digest_of = {
            MODELS: (model_file, self._artifacts.models, file_digest),
            SAMPLES: (samples_file, self._artifacts.samples, file_digest),
            CURVES: (curve_file, self._artifacts.curves, _digest_of_curve_file),
        }[claim.kind]
        name = name_of(claim.trial_id)
        file = f"{claim.kind}/{name}"
        try:
            good = digest_of(folder.read(name)) == claim.digest
        except FileNotFoundError:
            return _Problem(file, MISSING)
        except OSError as error:
            return _unreadable(file, error)
        except ValueError:
            good = False
        return None if good else _Problem(file, DAMAGED)

    def _judge_volumes(self, volumes: Sequence[tuple[str, Sequence[_Claim]]]) -> _Verdicts:
        with ThreadPoolExecutor(VOLUMES) as pool:
            found = pool.map(lambda volume: self._judge_volume(*volume), volumes)
            return {claim: problem for each in found for claim, problem in each.items()}

    def _judge_volume(self, volume: str, claims: Sequence[_Claim]) -> _Verdicts:
        """Judge curves by their volume, or else by the file that a killed run left of one."""
        file = f"{CURVES}/{self._volumes.curves_name(volume) or volume}"
        problem = _Problem(file, DAMAGED)
        # A curve without a point leaves nothing in a volume.
        curves = {claim.trial_id: CURVE_SCHEMA.empty_table() for claim in claims}
        try:
            curves |= self._volumes.curves(volume, curves.keys())
        except FileNotFoundError:
            curves, problem = {}, _Problem(file, MISSING)
        except OSError as error:
            curves, problem = {}, _unreadable(file, error)
        except ValueError:
            curves = {}
        bad = [
            claim
            for claim in claims
            if claim.trial_id not in curves or curve_digest(curves[claim.trial_id]) != claim.digest
        ]
        verdicts: _Verdicts = dict.fromkeys(claims)
        for claim, single in self._judge_files(bad).items():
            lacking = single is not None and single.problem == MISSING
            verdicts[claim] = problem if lacking else single
        return verdicts


def _unreadable(file: str, error: OSError) -> _Problem:
    return _Problem(file, f"cannot be read: {error.strerror or error}", certain=False)


def _digest_of_curve_file(content: bytes) -> str:
    return curve_digest(decode_curve(content))


def _claims(rows: pa.Table) -> list[_Claim]:
    """Return what the rows have digests of, by kind."""
    digests = digests_in(rows)
    columns = zip((MODELS, SAMPLES, CURVES), zip(*digests.values(), strict=True), strict=False)
    return [
        _Claim(kind, trial_id, digest)
        for kind, column in columns
        for trial_id, digest in zip(digests, column, strict=True)
        if digest is not None
    ]


def _labels(rows: pa.Table, trial_ids: Collection[str]) -> dict[str, str]:
    specs = zip(rows["trial_id"].to_pylist(), rows["spec"].to_pylist(), strict=True)
    return {each: TrialSpec.from_json(text).label for each, text in specs if each in trial_ids}
