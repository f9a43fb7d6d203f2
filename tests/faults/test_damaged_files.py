"""Files that are damaged between two runs: what can be mended is, and it is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import study
from faults import LOCAL, checkpoints, damage
from study import here

from sweeper.ledger.ledger import Ledger


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    killed: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """The count of attempts beside it, damaged too, is begun anew."""
    folder = shutil.copytree(killed, tmp_path / "s")
    newest = checkpoints(folder)[-1]
    damage(newest, "truncated")
    damage(newest.parent / "attempt.json", "truncated")
    ended = here(*LOCAL, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert f"{newest.name} cannot be continued from (its content is damaged)" in ended.stderr
    assert "attempt.json cannot be read" in ended.stderr
    assert "begins again" not in ended.stderr
    assert study.contents(folder) == study.contents(undisturbed)


def test_without_its_checkpoints_a_trial_begins_again_and_says_so(
    killed: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(killed, tmp_path / "s")
    for path in checkpoints(folder):
        damage(path, "missing")
    ended = here(*LOCAL, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("begins again: attempt 2 found no checkpoint to go on from") == 1
    assert study.contents(folder) == study.contents(undisturbed)


def test_a_missing_curve_that_is_kept_so_costs_a_figure_but_no_row(
    undisturbed: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(undisturbed, tmp_path / "s")
    trial_id = study.rows(folder)[0]["trial_id"]
    damage(folder / "curves" / f"{trial_id}.parquet", "missing")
    ran = here(*LOCAL, "--no-repair", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "all 2 trials were in the ledger" in ran.stdout
    assert Ledger(folder).rows().equals(Ledger(undisturbed).rows())
    assert len(Ledger(folder).curve(trial_id)) == 0
