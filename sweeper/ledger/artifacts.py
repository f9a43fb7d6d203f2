"""What a trial leaves beside its row: a model, samples and curves, each in a file of its own.

The curves of trials that were compacted lie in volumes. Nothing is returned that is not what the
trial's row has the digest of.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from sweeper.ledger.compaction import Volumes
from sweeper.ledger.digests import Digests, curve_digest, file_digest
from sweeper.ledger.integrity import decode_curve, encode
from sweeper.ledger.record import TrialRecord
from sweeper.ledger.rows import Rows
from sweeper.ledger.samples import decode_samples, encode_samples
from trainer.files import Folder

logger = logging.getLogger(__name__)


class Artifacts:
    """The models, samples and curves of a study.

    Args:
        study: the study's folder.
        volumes: its volumes.
        rows: the rows of its trials, which have the digests.
    """

    def __init__(self, study: Folder, volumes: Volumes, rows: Rows) -> None:
        self.models = study.folder("models")
        self.samples = study.folder("samples")
        self.curves = study.folder("curves")
        self._volumes = volumes
        self._rows = rows

    def write(self, record: TrialRecord) -> Digests:
        """Write what a trial leaves, and return the digests for its row."""
        trial_id = record.spec.trial_id
        model = samples = curves = None
        if record.curves is not None:
            self.curves.write(curve_file(trial_id), encode(record.curves))
            curves = curve_digest(record.curves)
        if record.model is not None:
            self.models.write(model_file(trial_id), record.model)
            model = file_digest(record.model)
        if record.samples is not None:
            content = encode_samples(record.samples)
            self.samples.write(samples_file(trial_id), content)
            samples = file_digest(content)
        return Digests(model, samples, curves)

    def curves_of(self, trial_ids: Iterable[str]) -> dict[str, pa.Table]:
        """Read the curves of those of these trials that have any that can be read.

        To ask once for many is much faster than to ask for each, since they lie in volumes.
        """
        wanted = set(trial_ids)
        digests = self._rows.digests_of(wanted)

        def fits(trial_id: str, curve: pa.Table) -> bool:
            known = digests.get(trial_id)
            written = known.curves_sha256 if known else None
            if written is None or curve_digest(curve) == written:
                return True
            logger.warning("the curve of trial %s is not what was written", trial_id)
            return False

        single = {trial_id: self._single_curve(trial_id) for trial_id in wanted}
        found = {
            trial_id: curve
            for trial_id, curve in single.items()
            if curve is not None and fits(trial_id, curve)
        }
        compacted = self.compacted_curves(wanted - found.keys())
        return found | {key: curve for key, curve in compacted.items() if fits(key, curve)}

    def compacted_curves(self, trial_ids: Iterable[str]) -> dict[str, pa.Table]:
        """Read the curves of those of these trials that are in a volume, whatever their digest."""
        found: dict[str, pa.Table] = {}
        for volume, wanted in self._rows.by_volume(trial_ids).items():
            with _warn_of_damage(f"the curves of {volume}"):
                found |= self._volumes.curves(volume, wanted)
        return found

    def _single_curve(self, trial_id: str) -> pa.Table | None:
        name = curve_file(trial_id)
        with _warn_of_damage(self.curves.at(name)), contextlib.suppress(FileNotFoundError):
            return decode_curve(self.curves.read(name))
        return None

    def sample(self, trial_id: str) -> dict[str, np.ndarray]:
        """Read one trial's sample images; empty if it has none that can be read."""
        name = samples_file(trial_id)
        with _warn_of_damage(self.samples.at(name)), contextlib.suppress(FileNotFoundError):
            content = self.samples.read(name)
            known = self._rows.digests_of([trial_id]).get(trial_id)
            if known and known.samples_sha256 not in (None, file_digest(content)):
                raise ValueError("its content is not what was written")
            return decode_samples(content)
        return {}


def model_file(trial_id: str) -> str:
    """Return the name of a trial's model in `models/`."""
    return f"{trial_id}.safetensors"


def samples_file(trial_id: str) -> str:
    """Return the name of a trial's sample images in `samples/`."""
    return f"{trial_id}.npz"


def curve_file(trial_id: str) -> str:
    """Return the name of a trial's curve in `curves/`, unless it was compacted."""
    return f"{trial_id}.parquet"


@contextlib.contextmanager
def _warn_of_damage(what: str) -> Iterator[None]:
    """Log what cannot be read; no result depends on it."""
    try:
        yield
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be read: %s", what, error)
