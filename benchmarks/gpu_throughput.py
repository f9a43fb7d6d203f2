"""Trial-steps a second on one GPU, of every way to train many small trials.

    PYTHONPATH=. python benchmarks/gpu_throughput.py --out FOLDER [--minutes 8] [--data-dir DIR]

Needs torch and numpy only. The rows come in the order of their importance, and after each the
folder has the table so far (table.md, table.csv), the raw numbers (raw.json) and what the workers
said (log.txt); a row that fails has its error in the table. `of_floor` is the share of what the
arithmetic and the memory traffic of a step allow on an H200; `of_product` that of the rate of a
large matrix product, at the row's precision, if it did the plain step's arithmetic;
`gradient_error` is that of the first step against float64. With `--device cpu`, tiny networks show
that it works.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import gpu_table
import torch
from gpu_table import Row
from gpu_worker import Case

LONGEST_ROW = 90.0
"""Seconds after which a row is given up."""

SHORTEST_ROW = 2.0
"""With less time than this left, none is begun."""

H200_FLOOR = {
    ("A", "float32"): 74e-6,
    ("A", "tf32"): 37e-6,
    ("A", "bf16"): 20e-6,
    ("C", "float32"): 578e-6,
    ("C", "tf32"): 231e-6,
    ("C", "bf16"): 116e-6,
}
"""Seconds of a trial-step there, computed: 60, 150 and 300 TFLOP/s, 4.3 TB/s."""


def cases() -> Iterator[Case]:
    """List what is measured, the most important first."""
    for pack in (16, 64):
        yield Case("A", "vmap graph", pack)
        yield Case("A", "branch graph", pack)
        yield Case("A", "im2col graph", pack)
        if pack == 16:
            yield Case("A", "solo eager", 1)
            yield Case("A", "solo graph", 1)
    for pack in (1, 16):
        yield Case("A", "solo graph" if pack == 1 else "vmap graph", pack, processes=4)
    for variant in ("vmap graph", "branch graph", "im2col graph"):
        yield Case("C", variant, 16)
    yield Case("A", "solo eager", 1, processes=8)
    for precision in ("float32", "bf16", "bf16 norm32"):
        yield Case("A", "vmap graph", 16, precision)
        yield Case("C", "vmap graph", 16, precision)
        yield Case("A", "branch graph", 16, precision)
        yield Case("A", "im2col graph", 16, precision)
    yield Case("A", "vmap eager", 16)
    yield Case("A", "im2col eager", 16)
    yield Case("C", "solo eager", 1)
    yield Case("C", "solo graph", 1)
    for variant in ("vmap graph", "branch graph"):
        yield Case("A", variant, 16, cudnn_benchmark=True)
    for pack in (32, 8, 4, 2):
        for variant in ("vmap graph", "branch graph", "im2col graph"):
            yield Case("A", variant, pack)
    for pack in (64, 4):
        for variant in ("vmap graph", "branch graph", "im2col graph"):
            yield Case("C", variant, pack)
    yield Case("A", "solo graph", 1, processes=8)
    yield Case("A", "solo graph", 1, processes=16)
    for model in ("A", "C"):
        for precision in ("float32", "bf16"):
            yield Case(model, "vmap graph", 64, precision)
            yield Case(model, "solo graph", 1, precision)
    yield Case("C", "vmap eager", 16)
    for precision in ("float32", "bf16", "bf16 norm32"):
        yield Case("A", "vmap eager", 16, precision)


def small(case: Case) -> Case:
    """Cut a case down to what a CPU computes at once."""
    return replace(case, pack=min(4, case.pack), processes=min(2, case.processes))


class Lost(Exception):  # noqa: N818 - of several kinds, errors and not
    """A worker gave an error, ended, or was too slow; it is of no use any more."""


class Worker:
    """A process that measures; see `gpu_worker.py`."""

    def __init__(self, options: argparse.Namespace, log: IO[str]) -> None:
        command = [sys.executable, str(Path(__file__).with_name("gpu_worker.py"))]
        command += ["--device", options.device]
        command += ["--data-dir", str(options.data_dir)] if options.data_dir else []
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)

    def tell(self, line: str) -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        try:
            print(line, file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise Lost("its process ended; see log.txt") from error

    def answer(self, until: float) -> dict[str, Any]:
        """Wait for its answer, until then on the monotonic clock."""
        assert self._process.stdout is not None
        timer = threading.Timer(max(0.0, until - time.monotonic()), self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            late = time.monotonic() >= until
            raise Lost("given up: out of time" if late else "its process ended; see log.txt")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Lost(answer["error"])
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@dataclass
class Bench:
    """The workers that are alive, and the rows so far."""

    options: argparse.Namespace
    log: IO[str]
    ends: float
    workers: list[Worker] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    floors: dict[tuple[str, str], float] = field(default_factory=dict)
    """Seconds in which a large product would do a plain step's arithmetic, where it is known."""

    def run(self, case: Case) -> None:
        """Measure a case, or say why not, and write it down."""
        note, answers = "", []
        if self.options.device == "cpu" and case.variant.endswith("graph"):
            note = "needs CUDA"
        elif self.ends - time.monotonic() < SHORTEST_ROW:
            note = "not begun: out of time"
        else:
            try:
                answers = self._measure(case)
            except Lost as lost:
                note = str(lost)
                self.dismiss()
        self.rows.append(self._row(case, answers, note))
        print(gpu_table.line(self.rows[-1]), flush=True)
        gpu_table.write(self.options.out, _machine(self.options), self.rows)

    def _measure(self, case: Case) -> list[dict[str, Any]]:
        """Have a case measured, by several processes at the same time if it says so."""
        self.dismiss(but=case.processes)
        while len(self.workers) < case.processes:
            self.workers.append(Worker(self.options, self.log))
        until = min(self.ends, time.monotonic() + LONGEST_ROW)
        for worker in self.workers:
            worker.tell(json.dumps(asdict(case)))
        for worker in self.workers:
            worker.answer(until)
        for worker in self.workers:
            worker.tell("go")
        return [worker.answer(until) for worker in self.workers]

    def dismiss(self, but: int = 0) -> None:
        """Stop workers that are lost, or whose memory others need."""
        for worker in self.workers[but:]:
            worker.close()
        del self.workers[but:]

    def _row(self, case: Case, answers: list[dict[str, Any]], note: str) -> Row:
        row: Row = dict.fromkeys(gpu_table.COLUMNS) | asdict(case) | {"note": note, "raw": answers}
        if not answers:
            return row
        rate, first, kind = (
            sum(answer["rate"] for answer in answers),
            answers[0],
            (case.model, case.precision),
        )
        row["trial_steps_per_second"] = rate
        row["gradient_error"] = first["gradient_error"]
        if "floor" in first:
            self.floors[kind] = first["floor"]
        if kind in self.floors:
            row["of_product"] = rate * self.floors[kind]
        if "H200" in _device(self.options.device):
            row["of_floor"] = rate * H200_FLOOR[case.model, case.precision.split()[0]]
        if "allocated" in first:
            row["allocated_mb"] = sum(answer["allocated"] for answer in answers) / 1e6
        return row


def _device(name: str) -> str:
    return torch.cuda.get_device_name() if name == "cuda" else platform.processor() or "CPU"


def _machine(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "device": _device(options.device),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "minutes": options.minutes,
        "tiny": options.device == "cpu",
    }


def main() -> int:
    options = parse(sys.argv[1:])
    if options.device == "cuda" and not torch.cuda.is_available():
        print("error: no GPU found; --device cpu runs a tiny form", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 60 * options.minutes
    print("; ".join(f"{name} {value}" for name, value in _machine(options).items()))
    print(gpu_table.head())
    with (options.out / "log.txt").open("w") as log:
        bench = Bench(options, log, ends)
        try:
            for case in cases():
                bench.run(small(case) if options.device == "cpu" else case)
        finally:
            bench.dismiss()
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder of the results")
    parser.add_argument("--minutes", type=float, default=8.0, help="default: %(default)s")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--data-dir", type=Path, help="where MNIST is, if it is not found")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
