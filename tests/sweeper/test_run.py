"""Runs of a study by the in-process backend: once, again, wider, disturbed."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import study
from study import here, kill_all, start, wait_for

from sweeper.ledger.ledger import Ledger
from sweeper.messages import Job, Pack
from sweeper.options import RunOptions
from sweeper.worker.worker import Reporter, record_failure, run_pack
from trainer import TrialSpec

LOCAL = ("--backend", "local", "--layers", "16")
LONG = ("run", "pareto", "--taus", "2,3", "--steps", "3000", *LOCAL)
OFTEN = ("--checkpoint-seconds", "0.2")


def _json(ran: Any) -> dict[str, Any]:
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of `LONG`, run without a disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ran = here(*LONG, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder / "studies" / "pareto-digits"


def test_a_study_holds_every_file_of_the_contract(finished: Path) -> None:
    ids = {row["trial_id"] for row in study.rows(finished)}
    assert len(ids) == 2
    for folder, ending in (
        ("trials", "parquet"), ("curves", "parquet"), ("models", "safetensors"), ("samples", "npz"),
    ):  # fmt: skip
        assert {path.name for path in (finished / folder).iterdir()} == {
            f"{trial_id}.{ending}" for trial_id in ids
        }
    report = {path.name for path in (finished / "report").iterdir()}
    assert {"report.html", "front.csv", "trials.csv", "front.svg", "front.png"} <= report
    assert not list((finished / "checkpoints").iterdir())
    assert not list(finished.rglob("*.part"))
    manifest = json.loads((finished / "study.json").read_text())
    assert manifest["request"] == {"taus": [2.0, 3.0], "widths": [16], "seeds": [0]}
    (run,) = manifest["runs"]
    assert run["outcome"] == "done"
    assert run["overhead"] == pytest.approx(run["wall_seconds"] / run["trial_seconds"])
    assert run["versions"]["torch"]


def test_the_same_command_again_trains_nothing(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    before = {path: path.read_bytes() for path in (folder / "trials").iterdir()}
    command = ("run", "pareto", "--taus", "2,3", "--steps", "400", *LOCAL, "--study", str(folder))
    answer = _json(here(*command, "--json", cwd=tmp_path))
    assert (answer["run"]["trained"], answer["run"]["reused"]) == (0, 2)
    assert {path: path.read_bytes() for path in (folder / "trials").iterdir()} == before
    assert len(json.loads((folder / "study.json").read_text())["runs"]) == 1


def test_asking_for_more_trains_only_what_is_missing(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    command = ("run", "pareto", "--steps", "400", *LOCAL, "--study", str(folder), "--json")
    wider = _json(here(*command, "--taus", "2..4", cwd=tmp_path))
    assert (wider["run"]["trained"], wider["run"]["reused"]) == (1, 2)
    seeded = _json(here(*command, "--taus", "3", "--seeds", "2", cwd=tmp_path))
    assert (seeded["run"]["trained"], seeded["run"]["reused"]) == (1, 1)
    assert len(study.rows(folder)) == 4
    told = _json(here("status", str(folder), "--json", cwd=tmp_path))
    assert (told["finished"], told["asked"]) == (4, 4)
    assert "have not finished" not in (folder / "report" / "report.html").read_text()
    request = json.loads((folder / "study.json").read_text())["request"]
    assert request == {"taus": [2.0, 3.0, 4.0], "widths": [16], "seeds": [0, 1]}


def test_a_study_of_the_first_schema_is_upgraded_and_widened(
    finished: Path, tmp_path: Path
) -> None:
    """It had the setting of its only data set beside that one's name."""
    folder = shutil.copytree(finished, tmp_path / "s")
    manifest = json.loads((folder / "study.json").read_text())
    ((dataset, setting),) = manifest.pop("settings").items()
    del manifest["waiting"], manifest["digest"]
    old = {"schema_version": 1, "dataset": dataset, "setting": {"dataset": dataset, **setting}}
    (folder / "study.json").write_text(json.dumps(manifest | old))
    told = _json(here("status", str(folder), "--json", cwd=tmp_path))
    assert (told["datasets"], told["finished"], told["asked"]) == (["digits"], 2, 2)
    command = ("run", "pareto", "--taus", "2..4", *LOCAL, "--study", str(folder), "--json")
    refused = here(*command, "--steps", "500", cwd=tmp_path)
    assert "steps = 400, asked for 500" in refused.stderr
    wider = _json(here(*command, "--steps", "400", cwd=tmp_path))
    assert (wider["run"]["trained"], wider["run"]["reused"]) == (1, 2)
    manifest = json.loads((folder / "study.json").read_text())
    assert manifest["schema_version"] == 2
    assert manifest["settings"] == {dataset: setting}
    assert "setting" not in manifest


def test_another_question_in_the_same_folder_is_refused(finished: Path, tmp_path: Path) -> None:
    command = ("run", "pareto", "--taus", "2", *LOCAL, "--study", str(finished))
    ran = here(*command, "--steps", "500", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "steps = 400, asked for 500" in ran.stderr


@pytest.mark.slow
def test_a_run_killed_in_the_middle_ends_as_if_it_had_not_been(
    undisturbed: Path, tmp_path: Path
) -> None:
    """Killed once in each trial, after a checkpoint from which it is to go on."""
    folder = tmp_path / "studies" / "pareto-digits"
    for done in (0, 1):
        process = start(*LONG, *OFTEN, cwd=tmp_path)
        wait_for(
            lambda n=done: (
                list(folder.glob("checkpoints/*/*.safetensors"))
                and len(list(folder.glob("trials/*.parquet"))) == n
            )
        )
        kill_all(process)
    ended = here(*LONG, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert study.contents(folder) == study.contents(undisturbed)
    outcomes = [run["outcome"] for run in json.loads((folder / "study.json").read_text())["runs"]]
    assert outcomes == ["killed", "killed", "done"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_saves_its_state_and_says_how_to_go_on(
    number: signal.Signals, undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "studies" / "pareto-digits"
    process = start(*LONG, cwd=tmp_path)
    wait_for(lambda: list(folder.glob("checkpoints/*/attempt.json")))
    began = time.monotonic()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 20
    assert "sweeper run pareto --taus 2,3 --steps 3000" in stderr
    assert list(folder.glob("checkpoints/*/*.safetensors"))
    assert json.loads((folder / "study.json").read_text())["runs"][-1]["outcome"] == "interrupted"
    ended = here(*LONG, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert study.contents(folder) == study.contents(undisturbed)


def test_a_trial_that_raises_is_recorded_and_does_not_stop_the_others(
    finished: Path, tmp_path: Path
) -> None:
    """A file lies where the trial wants to keep its checkpoints."""
    failing = study.rows(finished)[0]["trial_id"]
    folder = tmp_path / "s"
    command = ("run", "pareto", "--taus", "2,3", "--steps", "400", *LOCAL, "--study", str(folder))
    shutil.copytree(finished, folder)
    for kept in ("trials", "checkpoints"):
        shutil.rmtree(folder / kept)
    (folder / "checkpoints").mkdir()
    obstacle = folder / "checkpoints" / failing
    obstacle.touch()
    ran = here(*command, cwd=tmp_path)
    assert ran.returncode == 1, ran.stderr
    assert "failed: " in ran.stderr
    statuses = {row["trial_id"]: row["status"] for row in study.rows(folder)}
    assert statuses.pop(failing) == "failed"
    assert "failed" not in statuses.values()
    assert len(statuses) == 1
    obstacle.unlink()
    again = here(*command, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert study.rows(folder) == study.rows(finished)


def test_a_damaged_row_is_trained_again(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    row = next((folder / "trials").iterdir())
    row.write_bytes(row.read_bytes()[:100])
    command = ("run", "pareto", "--taus", "2,3", "--steps", "400", *LOCAL, "--study", str(folder))
    ran = here(*command, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "cannot be read; what it held is trained again" in ran.stderr
    assert study.contents(folder) == study.contents(finished)


def test_a_trial_alone_is_the_trial_of_the_study(finished: Path) -> None:
    """`python -m trainer` gives what the study's row says."""
    row = next(row for row in study.rows(finished) if row["tau"] == 3.0)
    ran = subprocess.run(
        [sys.executable, "-m", "trainer", "-"],
        input=row["spec"], capture_output=True, text=True, check=True,
    )  # fmt: skip
    alone = json.loads(ran.stdout)
    assert alone["test_sse_sampled"] == row["test_sse_sampled"]
    assert alone["open_gates"] == row["open_gates"]


def test_a_recorded_trial_is_neither_trained_again_nor_overwritten(
    finished: Path, tmp_path: Path
) -> None:
    """As when a worker dies after recording its trial, before it could say so."""
    folder = shutil.copytree(finished, tmp_path / "s")
    ledger = Ledger(folder)
    spec = TrialSpec.from_json(ledger.rows()["spec"][0].as_py())
    before = study.contents(folder)
    pack = Pack((spec,), {})
    options = RunOptions(device="cpu")
    job = Job(study="pareto", folder=str(folder), datasets={}, options=options)

    def never(*_: object) -> None:
        raise AssertionError("trained again")

    seconds: list[float] = []
    reporter = Reporter(
        progress=never,
        ended=lambda spec, outcome: seconds.append(outcome.seconds),
        should_stop=lambda: False,
    )
    run_pack(pack, job, reporter)
    assert seconds == [0]
    assert record_failure(spec, pack, job, "its worker died") is not None
    assert study.contents(folder) == before


def test_a_study_that_was_killed_says_so(undisturbed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(undisturbed, tmp_path / "s")
    manifest = json.loads((folder / "study.json").read_text())
    manifest["runs"][-1]["outcome"] = "running"
    del manifest["digest"]
    (folder / "study.json").write_text(json.dumps(manifest))
    told = _json(here("status", str(folder), "--json", cwd=tmp_path))
    assert told["last_run"]["outcome"] == "killed"
    with Ledger(folder).locked():
        told = _json(here("status", str(folder), "--json", cwd=tmp_path))
    assert told["last_run"]["outcome"] == "running"
