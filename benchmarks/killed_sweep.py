"""A sweep of digits that is killed at random times, again and again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kinds_of_kills import ENDED, KINDS, RAW_TEXT, WORKER, Kind
from ledger_auditor import LedgerAuditor
from processes import processes_of, processes_with

from trainer import TrialSpec, data

TAUS = (1.0, 2.0, 3.0, 4.0)
LONGEST = 5.0
"""Seconds that a run is left to train, at most, before the next kill."""
STARTING = 10.0
"""Seconds, at most, to a kill that does not wait until there is training again."""
ENDING = 90.0
"""Seconds, at most, to the end of a run without a process that it needs."""
PATIENCE = 180.0
"""Seconds without training after which a run counts as stuck."""


class Recovery(NamedTuple):
    """From a kill to training again: a new checkpoint, or a row."""

    kind: str
    seconds: float
    ray_seconds: float
    """How long Ray took to start meanwhile; 0 after a worker's death."""


@dataclass
class KilledSweep:
    """A sweep that is being killed."""

    folder: Path
    kills_left: int
    steps: int
    """Of each trial."""
    random: random.Random
    each_kind_once: bool = False
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    recoveries: list[Recovery] = field(default_factory=list)
    logs: dict[int, Path] = field(default_factory=dict)
    """What each run wrote, by its process."""

    def __post_init__(self) -> None:
        self.study, self.temporary = self.folder / "study", self.folder / "t"
        self.temporary.mkdir()
        self.auditor = LedgerAuditor(self.study)
        self.seeds = 1 + self.kills_left // 10

    @property
    def trials(self) -> dict[str, str]:
        """The sweep's trials: what a worker calls itself, and the id."""
        sha256 = data.load("digits").sha256
        specs = [
            TrialSpec(dataset="digits", dataset_sha256=sha256, architecture="dense", layers=(16,),
                      tau=tau, width=16, seed=seed, steps=self.steps)
            for tau in TAUS for seed in range(self.seeds)
        ]  # fmt: skip
        return {f"ray::pareto digits {spec.label}": spec.trial_id for spec in specs}

    def run(self) -> None:
        """Run the command and kill it, until no kills are left and the sweep is complete."""
        killed: tuple[str, float] | None = None
        while self.kills_left or self.auditor.seen != set(self.trials.values()):
            if self.auditor.seen == set(self.trials.values()):
                self.seeds += 1
            killed = self._one_run(killed)

    def undisturbed(self) -> Path:
        """Train the same sweep in another folder, in one process, without a disturbance."""
        truth = self.folder / "truth"
        process = self._start(truth, "--backend", "local")
        if process.wait():
            sys.exit(f"the undisturbed run failed:\n{self._log(process)}")
        return truth

    def left_behind(self, seconds: float) -> list[str]:
        """List by their titles the processes of killed runs that are still there after a while."""
        until = time.monotonic() + seconds
        while (left := processes_with(self._mark)) and time.monotonic() < until:
            time.sleep(0.2)
        return [title.replace("\0", " ").strip() for title in left.values()]

    def left_in_temporary_folder(self) -> list[str]:
        """List what the runs, of which the last has ended well, have left there."""
        return sorted(path.name for path in self.temporary.iterdir())

    def end(self) -> None:
        """Kill what is left of all runs."""
        WORKER.kill(list(processes_with(self._mark)))

    def _one_run(self, killed: tuple[str, float] | None) -> tuple[str, float] | None:
        """Run until it ends or is killed; gives by what and when."""
        entries = self._manifest()
        process = self._start(self.study, "--workers", "2")
        self.runs += 1
        if self.kills_left and self.random.random() < 0.25:
            self._watch(process, self.random.uniform(0, STARTING))
        else:
            ray_from = self._until(process, lambda: self._has_gcs(process))
            ray_to = self._until(process, lambda: self._manifest() != entries)
            before = self._state()
            trained = self._until(process, lambda: self._state() - before)
            if killed and trained:
                kind, moment = killed
                self.recoveries.append(Recovery(kind, trained - moment, ray_to - ray_from))
        while self.kills_left:
            self._watch(process, self.random.uniform(0, LONGEST))
            kind = self._next_kind()
            if process.poll() is not None:
                break
            victims = kind.victims(process.pid)
            if kind is WORKER:
                self._kill_worker(process, victims)
            elif victims:
                self._count(kind)
                kind.kill(victims)
                if kind.ends:
                    self._expect_end(process, kind)
                    return kind.name, time.monotonic()
        self._until(process, lambda: process.poll() is not None, patience=3600)
        self._check_end(process, ENDED)
        return None

    def _next_kind(self) -> Kind:
        """Choose what to kill next: workers as often as the rest, or what was not killed yet."""
        if self.each_kind_once:
            return self.random.choice([kind for kind in KINDS if not self.kills[kind.name]])
        return WORKER if self.random.random() < 0.5 else self.random.choice(KINDS)

    def _expect_end(self, process: subprocess.Popen[bytes], kind: Kind) -> None:
        try:
            process.wait(ENDING)
        except subprocess.TimeoutExpired:
            sys.exit(f"a run goes on without its {kind.name}:\n{self._log(process)}")
        self._check_end(process, kind.exit_codes)

    def _check_end(self, process: subprocess.Popen[bytes], exit_codes: tuple[int, ...]) -> None:
        if process.wait() not in exit_codes:
            sys.exit(f"a run ended with exit code {process.returncode}:\n{self._log(process)}")
        if RAW_TEXT.search(self._log(process)):
            sys.exit(f"a run said what is not meant for people:\n{self._log(process)}")

    def _kill_worker(self, process: subprocess.Popen[bytes], workers: list[int]) -> None:
        """Kill one that trains, and mostly wait until its trial is trained again."""
        if not workers:
            return
        victim = self.random.choice(workers)
        trial = self.trials.get(processes_of(process.pid).get(victim, "").rstrip("\0"))
        self._count(WORKER)
        before, failed = self._state(), self.auditor.failed.get(str(trial))
        WORKER.kill([victim])
        killed = time.monotonic()
        if trial is None or self.random.random() < 0.25:
            return

        def given_up() -> bool:  # which it is when it has died in each of its attempts
            return self.auditor.failed.get(trial) != failed

        again = self._until(process, lambda: self._state(trial) - before or given_up())
        if again and not given_up():
            self.recoveries.append(Recovery("worker", again - killed, 0.0))

    def _count(self, kind: Kind) -> None:
        self.kills[kind.name] += 1
        self.kills_left -= 1
        trained = len(self.auditor.seen)
        print(
            f"kill {self.kills.total():3}  {kind.name:20}  {trained} of {len(self.trials)} trials",
            flush=True,
        )

    def _start(self, folder: Path, *how: str) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-m", "sweeper", "run", "pareto", "--study", str(folder)),
            *("--taus", ",".join(map(str, TAUS)), "--seeds", str(self.seeds), "--layers", "16"),
            *("--steps", str(self.steps), "--checkpoint-seconds", "0.5", *how),
        ]
        path = self.folder / f"run-{len(self.logs)}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self._places},
            )
        self.logs[process.pid] = path
        return process

    @property
    def _mark(self) -> str:
        """What all processes of the runs have in their environment, and no others."""
        return f"RAY_TMPDIR={self.temporary}"

    @property
    def _places(self) -> dict[str, str]:
        """Where the runs have their temporary files."""
        return {"TMPDIR": str(self.temporary), "RAY_TMPDIR": str(self.temporary)}

    def _log(self, process: subprocess.Popen[bytes]) -> str:
        return self.logs[process.pid].read_text(errors="replace")

    def _watch(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """Wait for a while, or until the run ends."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and process.poll() is None:
            self.auditor.check()
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))

    def _until(
        self,
        process: subprocess.Popen[bytes],
        condition: Callable[[], object],
        patience: float = PATIENCE,
    ) -> float:
        """Wait for a condition; gives when it came about, or 0 if the run ended before."""
        latest = time.monotonic() + patience
        while not condition():
            if process.poll() is not None:
                self.auditor.check()
                return 0.0
            if time.monotonic() > latest:
                sys.exit(f"a run is stuck:\n{self._log(process)}")
            self.auditor.check()
            time.sleep(0.1)
        return time.monotonic()

    def _state(self, trial: str = "*") -> set[str]:
        """List the checkpoints that there are, and the rows."""
        checkpoints = self.study.glob(f"checkpoints/{trial}/*.safetensors")
        rows = self.auditor.seen if trial == "*" else self.auditor.seen & {trial}
        return {path.name for path in checkpoints} | rows

    def _manifest(self) -> int:
        path = self.study / "study.json"
        return path.stat().st_mtime_ns if path.exists() else 0

    def _has_gcs(self, process: subprocess.Popen[bytes]) -> bool:
        return any("gcs_server" in title for title in processes_of(process.pid).values())
