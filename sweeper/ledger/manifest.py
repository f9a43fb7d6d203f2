"""`study.json`: what was asked of a study, and what each run did."""

from __future__ import annotations

import json
from typing import Any

from sweeper.ledger.columns import SCHEMA_VERSION
from trainer.errors import UserError
from trainer.files import Folder

RUNNING, KILLED, INTERRUPTED = "running", "killed", "interrupted"
"""Outcomes of a run: still under way, ended without saying so, or stopped by a signal."""

MANIFEST = "study.json"
FORMAT = "bottleneck-sweeper-study"
KEYS = {
    "schema_version": int,
    "study": str,
    "settings": dict,
    "request": dict,
    "asked": list,
    "waiting": list,
    "runs": list,
}


def read_manifest(folder: Folder) -> dict[str, Any]:
    """Read a study's manifest, in the present form.

    Raises:
        UserError: if the folder holds no study, a damaged one, or one of a newer schema.
    """
    if not folder.has(MANIFEST):
        raise UserError(f"{folder} holds no study (no {MANIFEST}); see `sweeper list`")
    path = folder.at(MANIFEST)
    try:
        manifest = json.loads(folder.read(MANIFEST))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{path} is not a study of this program")
    version = manifest.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError(
            f"{folder} was written with schema {version}, this version reads up to "
            f"{SCHEMA_VERSION}; upgrade bottleneck-sweeper"
        )
    manifest = _upgrade(manifest)
    for key, kind in KEYS.items():
        if not isinstance(manifest.get(key), kind):
            raise UserError(
                f"{path} is damaged: {key!r} is missing or of another kind; "
                "restore it, or move its folder away and run the study again"
            )
    return manifest


def write_manifest(folder: Folder, content: dict[str, Any]) -> None:
    """Replace a study's manifest."""
    manifest = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **content}
    folder.write(MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def _upgrade(manifest: dict[str, Any]) -> dict[str, Any]:
    """Bring what an older version wrote to the present form."""
    if manifest.get("schema_version") != 1:
        return manifest
    kept = {key: value for key, value in manifest.items() if key not in ("dataset", "setting")}
    setting = manifest.get("setting")
    if isinstance(setting, dict):  # which was of the only data set
        setting = {name: value for name, value in setting.items() if name != "dataset"}
        kept["settings"] = {manifest.get("dataset"): setting}
    return {"waiting": [], **kept}
