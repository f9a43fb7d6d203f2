"""`--strict-float32`, from the command line to the process that trains, and into the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from sweeper.cli.app import app
from sweeper.ledger.ledger import Ledger
from trainer.hardware import set_precision

pytestmark = pytest.mark.usefixtures("precision")

SHORT = ("--steps", "40", "--layers", "16", "--device", "cpu")


def _set() -> set[str]:
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    return {matmul.fp32_precision, conv.fp32_precision}


@pytest.mark.parametrize(("flags", "name"), [((), "tf32"), (("--strict-float32",), "ieee")])
def test_the_flag_reaches_the_process_that_trains(
    flags: tuple[str, ...], name: str, tmp_path: Path
) -> None:
    set_precision(strict=not flags)
    command = ("run", "pareto", "--taus", "2", "--backend", "local", *SHORT)
    ran = CliRunner().invoke(app, [*command, "--study", str(tmp_path / "s"), *flags])
    assert ran.exit_code == 0, ran.output
    assert _set() == {name}
    assert Ledger(tmp_path / "s").rows()["precision"].to_pylist() == ["float32"]
