"""Train one trial: its spec as JSON in, its result as JSON out. Needs torch and numpy alone.

`python -m trainer SPEC.json` reads a `TrialSpec` from a file, `python -m trainer -` from standard
input. To sweep, or to watch a trial, use `sweeper run`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from pathlib import Path

import torch

from trainer.data import open_content
from trainer.errors import UserError
from trainer.hardware import choose_device, set_precision
from trainer.local_folder import LocalFolder
from trainer.result import TrialResult
from trainer.spec import TrialSpec
from trainer.step.trial import Trial
from trainer.training.checkpoint import CheckpointFolder
from trainer.training.loop import Hooks, train


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 2 for bad input, 130 if interrupted."""
    options = _parser().parse_args(arguments)
    try:
        print(_to_json(_train(options)))
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer", description="Train one trial.")
    parser.add_argument("spec", help="a file with a trial's spec as JSON; - for standard input")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda; default: %(default)s")
    parser.add_argument("--strict-float32", action="store_true", help="no TF32 on a GPU")
    parser.add_argument("--data-dir", type=Path, help="where the data sets' files are")
    parser.add_argument(
        "--checkpoints", type=Path, help="a folder to go on from after an interruption"
    )
    return parser


def _train(options: argparse.Namespace) -> TrialResult:
    torch.set_num_threads(1)  # as a worker does: sums in several threads give other bits
    device = choose_device(options.device)
    set_precision(strict=options.strict_float32)
    spec = _read_spec(options.spec)
    dataset = open_content(spec.dataset_sha256, spec.dataset, options.data_dir)
    hooks = Hooks()
    if options.checkpoints:
        folder = LocalFolder(options.checkpoints / spec.trial_id)
        hooks = Hooks(checkpoints=CheckpointFolder(folder, spec.trial_id))
    return train(Trial(spec, dataset, device), hooks).result


def _read_spec(path: str) -> TrialSpec:
    try:
        return TrialSpec.from_json(sys.stdin.read() if path == "-" else Path(path).read_text())
    except UserError:
        raise
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is not the JSON of a TrialSpec: {error}") from error


def _to_json(result: TrialResult) -> str:
    fields = dataclasses.asdict(result)
    return json.dumps(
        {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in fields.items()
        }
    )


if __name__ == "__main__":
    sys.exit(main())
