"""A `study.json` that somebody else wrote, that was damaged, or lost."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import study
from study import here

from sweeper.ledger.ledger import Ledger
from trainer.errors import UserError

RUN = (
    "run", "pareto", "--taus", "2,3", "--steps", "400", "--layers", "16", "--backend", "local",
)  # fmt: skip
DEEP = "[" * 200_000
DEFECTS: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "no run": (("runs", 0), None, "runs[0] should be an object, found None"),
    "empty run": (("runs", 0), {}, "runs[0].command is missing"),
    "number for a date": (("runs", 0, "started_at"), 5, "runs[0].started_at should be a date"),
    "word for a date": (("runs", 0, "started_at"), "yesterday", "found 'yesterday'"),
    "no zone": (("runs", 0, "started_at"), "2026-01-01T00:00:00", "with time and zone"),
    "year 1": (("runs", 0, "finished_at"), "0001-01-01T00:00:00+14:00", "finished_at should be"),
    "word for a count": (("runs", 0, "workers"), "many", "runs[0].workers should be a whole"),
    "huge number": (("runs", 0, "wall_seconds"), 1e300, "wall_seconds should be a number from 0"),
    "list for versions": (("runs", 0, "versions"), [], "runs[0].versions should be an object"),
    "list for a command": (("runs", 0, "command"), ["sh"], "runs[0].command should be a string"),
    "object for an id": (("asked", 0), {}, "asked[0] should be a string"),
    "number for what waits": (("waiting",), [1], "waiting[0] should be a string"),
    "number for settings": (("settings", "digits"), 1, "settings.digits should be an object"),
    "word for steps": (("settings", "digits", "steps"), "x", "settings.digits.steps should be"),
    "word for layers": (("settings", "digits", "layers"), ["x"], "settings.digits.layers[0]"),
    "object asked for": (("request", "taus"), [{}], "request.taus[0] should be a number"),
    "deep": (("request", "taus"), json.loads("[" * 20 + "]" * 20), "nested too deeply"),
    "text for a version": (("schema_version",), "2", "schema_version should be a whole number"),
}


def _put(manifest: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    target: Any = manifest
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return manifest


def _written(finished: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((finished / "study.json").read_text())
    del manifest["digest"]  # as a crafted one, or one of an older version, has none
    return manifest


def _rowless(finished: Path, folder: Path, content: str) -> Path:
    shutil.copytree(finished, folder)
    shutil.rmtree(folder / "trials")
    (folder / "study.json").write_text(content)
    return folder


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_one_line_that_names_file_and_field(
    defect: str, finished: Path, tmp_path: Path
) -> None:
    path, value, words = DEFECTS[defect]
    content = json.dumps(_put(_written(finished), path, value))
    folder = _rowless(finished, tmp_path / "studies" / "s", content)
    for command in (
        ("status", str(folder)), ("report", str(folder)), ("status", str(folder), "--json"),
        (*RUN, "--study", str(folder)),
    ):  # fmt: skip
        ran = here(*command, cwd=tmp_path)
        assert ran.returncode == 2
        (line,) = ran.stderr.splitlines()
        assert line.startswith(f"error: {folder / 'study.json'} ")
        assert words in line
    listed = here("list", cwd=tmp_path)
    assert listed.returncode == 0
    assert words in listed.stderr
    assert (folder / "study.json").read_text() == content


@pytest.mark.parametrize("content", [DEEP, "", "{", "null", "[1e999]", '{"format": NaN}'])
def test_what_is_no_json_is_one_line(content: str, finished: Path, tmp_path: Path) -> None:
    folder = _rowless(finished, tmp_path / "s", content)
    ran = here("status", str(folder), cwd=tmp_path)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert "study.json cannot be read: " in ran.stderr


def test_one_bad_study_does_not_stop_the_list(finished: Path, tmp_path: Path) -> None:
    studies = tmp_path / "studies"
    shutil.copytree(finished, studies / "good")
    _rowless(finished, studies / "crafted", DEEP)
    (studies / "a folder in its place" / "study.json").mkdir(parents=True)
    listed = here("list", cwd=tmp_path)
    assert listed.returncode == 0
    assert "good" in listed.stdout
    assert len(listed.stderr.splitlines()) == 2
    assert all(line.startswith("warning: ") for line in listed.stderr.splitlines())
    told = json.loads(here("list", "--json", cwd=tmp_path).stdout)
    assert [each["finished"] for each in told] == [2]


def test_fields_of_another_version_are_kept(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    manifest = _written(folder) | {"colour": {"deep": [1]}}
    manifest["runs"][0]["mood"] = "calm"
    (folder / "study.json").write_text(json.dumps(manifest))
    ran = here(*RUN, "--seeds", "2", "--study", str(folder), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    now = _written(folder)
    assert now["colour"] == {"deep": [1]}
    assert now["runs"][0] == {**manifest["runs"][0], "mood": "calm"}
    assert len(now["runs"]) == 2


def test_a_flipped_bit_is_noticed_whichever_it_is(finished: Path, tmp_path: Path) -> None:
    """What is read is what was written, or nothing is."""
    content = (finished / "study.json").read_bytes()
    whole = Ledger(finished).manifest()
    for flip in np.random.default_rng(0).integers(0, 8 * len(content), 300):
        damaged = bytearray(content)
        damaged[flip // 8] ^= 1 << (flip % 8)
        (tmp_path / "study.json").write_bytes(damaged)
        try:
            found = Ledger(tmp_path).manifest()
            assert replace(found, others={}) == whole  # where the digest's own name was hit
        except UserError:
            continue


def _all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("damage", ["lost", "cut off", "flipped", "crafted"])
def test_a_damaged_manifest_is_rebuilt_from_the_rows(
    damage: str, finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    path, rows = folder / "study.json", study.rows(finished)
    text = path.read_text()
    left = {
        "cut off": text[:100],
        "flipped": text.replace('"steps": 400', '"steps": 401'),
        "crafted": json.dumps(_put(_written(folder), ("runs",), [None])),
    }.get(damage)
    path.unlink() if left is None else path.write_text(left)
    before = _all_bytes(folder)
    told = here("status", str(folder), "--json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert (answer["study"], answer["datasets"], answer["finished"]) == ("pareto", ["digits"], 2)
    assert "study.json" in answer["rebuilt"]
    assert "the rows of 2 trials" in answer["rebuilt"]
    assert caplog.messages == [answer["rebuilt"]]
    assert _all_bytes(folder) == before  # who only reads writes nothing

    ran = here(*RUN, "--study", str(folder), "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["run"]["trained"] == 0
    assert study.rows(folder) == rows
    now, then = Ledger(folder).manifest(), Ledger(finished).manifest()
    assert now.rebuilt == ""
    assert now.settings == then.settings
    assert sorted(now.asked) == sorted(then.asked)
    aside = [path.read_text() for path in (folder / "damaged").glob("study-*.json")]
    assert aside == ([] if left is None else [left])


def test_a_report_says_that_the_manifest_was_lost(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    (folder / "study.json").unlink()
    assert here("report", str(folder), cwd=tmp_path).returncode == 0
    page = (folder / "report" / "report.html").read_text()
    assert "study.json is lost or damaged" in page
    assert not (folder / "study.json").exists()


def test_another_question_is_refused_though_the_manifest_is_lost(
    finished: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    (folder / "study.json").unlink()
    before = _all_bytes(folder)
    ran = here(*RUN, "--learning-rate", "0.5", "--study", str(folder), cwd=tmp_path)
    assert ran.returncode == 2
    assert "learning_rate = 0.001" in ran.stderr
    assert _all_bytes(folder) == before


def test_a_manifest_that_was_lost_before_a_trial_ended_does_not_stop_its_study(
    finished: Path, tmp_path: Path
) -> None:
    """There is no row to rebuild it from, but the folder is plainly a study's."""
    folder = tmp_path / "s"
    for trial_id in Ledger(finished).finished():
        (folder / "checkpoints" / trial_id).mkdir(parents=True)
    (folder / "models").mkdir()
    ran = here(*RUN, "--study", str(folder), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert study.rows(folder) == study.rows(finished)


def test_a_compression_study_is_rebuilt_with_its_baselines_settings(tmp_path: Path) -> None:
    kept = Path(__file__).parent.parent / "kept" / "e99f3ba" / "compression"
    folder = shutil.copytree(kept, tmp_path / "s")
    then = Ledger(folder).manifest()
    (folder / "study.json").unlink()
    now = Ledger(folder).manifest()
    assert now.settings == then.settings
    assert sorted(now.asked) == sorted(then.asked)
