"""Train one trial and print its result: `python -m trainer --dataset digits --tau 1.5`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from trainer.data import DATASETS, load
from trainer.errors import UserError
from trainer.hardware import choose_device, set_precision
from trainer.networks import NETWORKS, choose_layers
from trainer.objectives import OBJECTIVES
from trainer.objectives.measures import CurvePoint
from trainer.result import TrialResult
from trainer.spec import TrialSpec
from trainer.step.trial import Trial
from trainer.training.loop import Hooks, train


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        print(_report(_run(options), as_json=options.json))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer", description="Train one trial and print its result."
    )
    parser.add_argument("--dataset", default="digits", help="default: %(default)s")
    parser.add_argument("--tau", type=float, required=True, help="tolerated sse per image")
    parser.add_argument("--width", type=int, help="initial latent dimensions")
    parser.add_argument("--architecture", help="default: the data set's")
    parser.add_argument("--layers", help="for example 128,64; default: the architecture's")
    parser.add_argument("--objective", default="geco-l0-arm", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--steps", type=int, help="default: the data set's standard budget")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda; default: %(default)s")
    parser.add_argument(
        "--strict-float32", action="store_true", help="no TF32 on a GPU: slower, more exact"
    )
    parser.add_argument("--data-dir", type=Path, help="where the data sets' files are")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _run(options: argparse.Namespace) -> TrialResult:
    torch.set_num_threads(1)
    device = choose_device(options.device)
    set_precision(strict=options.strict_float32)
    row = DATASETS.find(options.dataset)
    network = NETWORKS.find(options.architecture or row.architecture)
    OBJECTIVES.find(options.objective)
    dataset = load(options.dataset, options.data_dir)
    spec = TrialSpec(
        dataset=dataset.name,
        dataset_sha256=dataset.sha256,
        architecture=network.name,
        layers=choose_layers(network, options.layers, dataset.image_shape),
        objective=options.objective,
        tau=options.tau,
        width=row.width if options.width is None else options.width,
        seed=options.seed,
        steps=row.budgets["standard"] if options.steps is None else options.steps,
    )
    hooks = Hooks(on_point=_printer(spec.steps))
    return train(Trial(spec, dataset, device), hooks).result


def _printer(steps: int) -> Callable[[CurvePoint], None]:
    def show(point: CurvePoint) -> None:
        if point.step % max(1, steps // 10) == 0:
            print(
                f"step {point.step:>7,} of {steps:,}  sse {point.sse:7.3f}  "
                f"open gates {point.open_gates:>3}  λ' {point.multiplier:.3g}",
                file=sys.stderr,
            )

    return show


def _report(result: TrialResult, *, as_json: bool) -> str:
    fields = dataclasses.asdict(result)
    if as_json:
        return json.dumps(
            {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in fields.items()
            }
        )
    return "\n".join(f"{name:18}{_shown(value)}" for name, value in fields.items() if value != "")


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
