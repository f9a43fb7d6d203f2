"""`study.json`: what was asked of a study, and what each run did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sweeper.ledger.columns import SCHEMA_VERSION
from sweeper.ledger.fields import FieldError, Fields
from trainer import bounded_json
from trainer.errors import UserError
from trainer.files import Folder
from trainer.spec import TrialSpec

RUNNING, KILLED, INTERRUPTED = "running", "killed", "interrupted"
"""Outcomes of a run: still under way, ended without saying so, or stopped by a signal."""

MANIFEST = "study.json"
FORMAT = "bottleneck-sweeper-study"
DIGEST = "digest"
"""The field with the hash of all others; files of older versions have none."""

SWEPT_FIELDS = ("tau", "width", "seed")
"""The fields in which the trials of one study on one data set may differ."""


class DamagedManifestError(ValueError):
    """A `study.json` that holds nothing that can be relied on; the message names what is wrong."""


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """One run of a study. What an older version did not write is None."""

    command: str
    """As it can be typed again."""
    budget: str | None = None
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str
    backend: str | None = None
    hardware: str | None = None
    host: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    device: str | None = None
    workers: int | None = None
    pack: int | None = None
    trained: int | None = None
    reused: int | None = None
    failed: int | None = None
    wall_seconds: float | None = None
    trial_seconds: float | None = None
    overhead: float | None = None
    lost: str | None = None
    """How its process died, if its parent saw that."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """Fields that only another version knows."""

    @classmethod
    def of(cls, entry: Fields) -> RunEntry:
        """Read an entry.

        Raises:
            FieldError: if a field is not what it should be.
        """
        texts = ("budget", "backend", "hardware", "host", "git_commit", "device", "lost")
        counts = ("workers", "pack", "trained", "reused", "failed")
        sizes = ("wall_seconds", "trial_seconds", "overhead")
        versions = entry.optional("versions", entry.group)
        optional: dict[str, Any] = {
            **{name: entry.optional(name, entry.text) for name in texts},
            **{name: entry.optional(name, entry.whole) for name in counts},
            **{name: entry.optional(name, entry.size) for name in sizes},
        }
        return cls(
            command=entry.text("command"),
            outcome=entry.text("outcome"),
            started_at=entry.moment("started_at"),
            finished_at=entry.optional("finished_at", entry.moment),
            versions={name: versions.text(name) for name in versions.values} if versions else {},
            **optional,
            others=entry.rest(),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as `study.json` has it."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        del values["others"]
        for name in ("started_at", "finished_at"):
            values[name] = values[name] and values[name].isoformat()
        if self.lost is None:
            del values["lost"]
        return {**values, "versions": dict(self.versions), **self.others}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What was asked of a study, and what each run did."""

    study: str
    """Which study it is, for example `pareto`."""
    settings: Mapping[str, Mapping[str, Any]]
    """What all trials on a data set have in common: by data set, by field of `TrialSpec`."""
    request: Mapping[str, Sequence[Any]]
    """What was asked for, value by value, as the report names it."""
    asked: tuple[str, ...]
    """The ids of the trials asked for, as far as they can be named."""
    waiting: tuple[str, ...] = ()
    """What stands for each of those that cannot be named yet."""
    runs: tuple[RunEntry, ...] = ()
    """In their order."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """Fields that only another version knows."""
    rebuilt: str = ""
    """Why it had to be rebuilt from the study's rows; empty if it was not. Not written."""

    @classmethod
    def of(cls, manifest: Fields) -> Manifest:
        """Read a manifest in the present form.

        Raises:
            FieldError: if a field is not what it should be.
        """
        manifest.whole("schema_version", least=1)
        manifest.text("format")
        return cls(
            study=manifest.text("study"),
            settings=_settings(manifest.group("settings")),
            request=_request(manifest.group("request")),
            asked=manifest.texts("asked"),
            waiting=manifest.texts("waiting"),
            runs=tuple(map(RunEntry.of, manifest.groups("runs"))),
            others=manifest.rest(),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as `study.json` has it, without its digest."""
        return {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "study": self.study,
            "settings": self.settings,
            "request": self.request,
            "asked": list(self.asked),
            "waiting": list(self.waiting),
            "runs": [run.to_json() for run in self.runs],
            **self.others,
        }


def read_manifest(folder: Folder) -> Manifest:
    """Read a study's manifest, in the present form.

    Raises:
        OSError: if it cannot be read; FileNotFoundError if there is none.
        DamagedManifestError: if it is damaged, or no manifest of this program.
        UserError: if it is of a newer schema.
    """
    content, path = folder.read(MANIFEST), folder.at(MANIFEST)
    try:
        manifest = bounded_json.parse_object(content)
    except ValueError as error:
        raise DamagedManifestError(f"{path} cannot be read: {error}") from error
    if manifest.get("format") != FORMAT:
        raise DamagedManifestError(f"{path} is not a study of this program")
    version = manifest.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError(
            f"{folder} was written with schema {version}, this version reads up to "
            f"{SCHEMA_VERSION}; upgrade bottleneck-sweeper"
        )
    written = manifest.pop(DIGEST, None)
    if written is not None and written != _digest(manifest):
        raise DamagedManifestError(
            f"{path} is damaged: it is not what was written (whoever changed it by hand removes "
            f"its {DIGEST!r} too)"
        )
    try:
        return Manifest.of(Fields(_upgrade(manifest)))
    except FieldError as error:
        raise DamagedManifestError(f"{path} is damaged: {error}") from error


def write_manifest(folder: Folder, manifest: Manifest) -> None:
    """Replace a study's manifest."""
    # Parsed again, so that the digest is of what will be read, whatever was typed.
    values = bounded_json.parse_object(json.dumps(manifest.to_json()))
    values[DIGEST] = _digest(values)
    folder.write(MANIFEST, (json.dumps(values, indent=2) + "\n").encode())


def settings_of(spec: TrialSpec) -> dict[str, Any]:
    """Return what the trials of a study on one data set have in common, as JSON has it."""
    values = {each.name: getattr(spec, each.name) for each in fields(spec)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if name not in (*SWEPT_FIELDS, "dataset")
    }


def _settings(by_dataset: Fields) -> dict[str, dict[str, Any]]:
    """Check the settings that this version knows, and keep the others."""
    found = {}
    for dataset in by_dataset.values:
        settings = by_dataset.group(dataset)
        takes: dict[str, Callable[[str], Any]] = {
            "str": settings.text,
            "int": settings.whole,
            "float": settings.number,
            "tuple[int, ...]": settings.wholes,
        }
        for each in fields(TrialSpec):
            settings.optional(each.name, takes[str(each.type)])
        found[dataset] = dict(settings.values)
    return found


def _request(by_name: Fields) -> dict[str, list[Any]]:
    for name in by_name.values:
        for place, value in enumerate(by_name.items(name)):
            if not isinstance(value, str | int | float):
                raise by_name.error(f"{name}[{place}]", value, "a number or a string")
    return dict(by_name.values)


def _upgrade(manifest: dict[str, Any]) -> dict[str, Any]:
    """Bring what an older version wrote to the present form."""
    if manifest.get("schema_version") != 1:
        return manifest
    kept = {key: value for key, value in manifest.items() if key not in ("dataset", "setting")}
    setting = manifest.get("setting")
    if isinstance(setting, dict):  # which was of the only data set
        setting = {name: value for name, value in setting.items() if name != "dataset"}
        kept["settings"] = {str(manifest.get("dataset")): setting}
    return {"waiting": [], **kept}


def _digest(manifest: Mapping[str, Any]) -> str:
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
