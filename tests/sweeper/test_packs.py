"""Packs: how trials are grouped, and that a study of packs is a study of trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import study
from study import here, kill_all, start, starts_ray, sweeper, wait_for

from sweeper.ledger.ledger import Ledger
from sweeper.options import parse_pack
from sweeper.planning.packs import form_packs
from trainer import TrialSpec, UserError

SHORT = ("run", "pareto", "--taus", "2..4", "--widths", "8,16", "--layers", "16", "--pack", "4")
LOCAL = ("--backend", "local")


def _spec(**changes: Any) -> TrialSpec:
    fields: dict[str, Any] = {
        "dataset": "digits",
        "dataset_sha256": "ab" * 32,
        "architecture": "dense",
        "layers": (16,),
        "tau": 1.0,
        "width": 16,
        "seed": 0,
        "steps": 100,
    }
    return TrialSpec(**(fields | changes))


def _sizes(packs: tuple[tuple[TrialSpec, ...], ...]) -> list[int]:
    return [len(pack) for pack in packs]


def test_trials_of_a_kind_are_spread_evenly_over_the_workers() -> None:
    specs = [_spec(seed=seed) for seed in range(28)]
    assert _sizes(form_packs(specs, most=16, workers=2)) == [14, 14]
    assert _sizes(form_packs(specs, most=8, workers=2)) == [7, 7, 7, 7]
    assert _sizes(form_packs(specs[:7], most=16, workers=2)) == [3, 4]
    assert _sizes(form_packs(specs[:2], most=16, workers=4)) == [1, 1]
    assert _sizes(form_packs([], most=16, workers=4)) == []
    for most in (1, 3, 8, 100):
        packs = form_packs(specs, most=most, workers=2)
        assert sorted(spec.seed for pack in packs for spec in pack) == list(range(28))
        assert max(_sizes(packs)) <= most


def test_a_pack_has_one_network_data_set_and_number_of_steps() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"steps": 200}, {"layers": (8,)}, {"dataset": "mnist"}, {"objective": "geco"},
        {"batch_size": 32}, {"tau": 2.0}, {"width": 8}, {"learning_rate": 1e-2},
    ]  # fmt: skip
    packs = form_packs([_spec(**change) for change in changes], most=9, workers=1)
    assert sorted(_sizes(packs)) == [1, 1, 1, 1, 1, 4]


def test_trials_of_similar_width_are_packed_together() -> None:
    specs = [_spec(seed=seed, width=width) for seed in range(4) for width in (8, 32)]
    packs = form_packs(specs, most=4, workers=1)
    assert [{spec.width for spec in pack} for pack in packs] == [{8}, {32}]


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "many", "", "100000", "9" * 50])
def test_a_bad_pack_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--pack must be auto or a whole number from 1 to 99999"):
        parse_pack(text)
    assert parse_pack("auto") is None
    assert parse_pack("16") == 16


@starts_ray
def test_a_study_of_packs_is_a_study_of_trials(tmp_path: Path) -> None:
    """By either backend: a row, curve, model and picture of each trial, of its own width."""
    for run, folder, backend in ((here, "local", LOCAL), (sweeper, "ray", ("--workers", "1"))):
        command = (*SHORT, "--steps", "300", "--study", folder, *backend)
        ran = run(*command, "--json", cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["run"]["trained"] == 6
    assert study.contents(tmp_path / "local") == study.contents(tmp_path / "ray")
    rows = Ledger(tmp_path / "local").rows().to_pylist()
    assert sorted(row["pack_size"] for row in rows) == [3] * 6
    assert {(row["tau"], row["width"]) for row in rows} == {
        (tau, width) for tau in (2.0, 3.0, 4.0) for width in (8, 16)
    }
    run = json.loads((tmp_path / "local" / "study.json").read_text())["runs"][-1]
    assert run["pack"] == 4


@pytest.mark.slow
def test_killed_in_the_middle_of_a_pack_it_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "pareto-digits"
    command = (*SHORT, "--steps", "3000", *LOCAL)
    process = start(*command, "--checkpoint-seconds", "0.2", cwd=tmp_path)
    wait_for(lambda: len(list(folder.glob("checkpoints/*/*.safetensors"))) >= 3)
    kill_all(process)
    ended = here(*command, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    rows = Ledger(folder).rows().to_pylist()
    assert len(rows) == 6
    assert sorted(row["attempts"] for row in rows) == [1, 1, 1, 2, 2, 2]
    assert not list((folder / "checkpoints").iterdir())


def test_each_trial_of_a_pack_that_fails_is_tried_alone(tmp_path: Path) -> None:
    """A file lies where one of the trials wants to keep its checkpoints."""
    folder = tmp_path / "s"
    command = ("run", "pareto", "--taus", "2..4", "--layers", "16", "--steps", "200", *LOCAL,
               "--pack", "3", "--study", str(folder))  # fmt: skip
    assert here(*command, cwd=tmp_path).returncode == 0
    failing, *others = study.rows(folder)
    for kept in ("trials", "checkpoints"):
        for path in (folder / kept).iterdir():
            path.unlink()
    (folder / "checkpoints" / failing["trial_id"]).touch()
    ran = here(*command, cwd=tmp_path)
    assert ran.returncode == 1, ran.stderr
    assert "a pack of 3 trials failed, each is tried alone: " in ran.stderr
    statuses = {row["trial_id"]: row["status"] for row in study.rows(folder)}
    assert statuses.pop(failing["trial_id"]) == "failed"
    assert sorted(statuses) == [row["trial_id"] for row in others]
    assert "failed" not in statuses.values()
