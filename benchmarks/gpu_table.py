"""The table of `gpu_throughput.py`: on the screen and, after every row, in a folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""A cell for each of `COLUMNS`, None where there is nothing; and `raw`, for raw.json alone."""

COLUMNS = {
    "model": (5, "{}"),
    "variant": (15, "{}"),
    "precision": (11, "{}"),
    "cudnn_benchmark": (15, "{}"),
    "pack": (4, "{}"),
    "processes": (9, "{}"),
    "trial_steps_per_second": (22, "{:,.1f}"),
    "of_floor": (8, "{:.0%}"),
    "of_product": (10, "{:.1%}"),
    "allocated_mb": (12, "{:,.0f}"),
    "gradient_error": (14, "{:.1e}"),
    "note": (80, "{}"),
}
"""Name, width on the screen, and format."""


def head() -> str:
    """Return the line of the columns' names for the screen."""
    return _aligned(list(COLUMNS))


def line(row: Row) -> str:
    """Return a row for the screen."""
    return _aligned(_cells(row))


def write(folder: Path, machine: dict[str, Any], rows: Sequence[Row]) -> None:
    """Write table.md, table.csv and raw.json anew."""
    (folder / "raw.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))
    with (folder / "table.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(COLUMNS), extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    about = "; ".join(f"{name} {value}" for name, value in machine.items())
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *map(_cells, rows)]
    table_lines = (f"| {' | '.join(map(_flat, cells))} |\n" for cells in lines)
    (folder / "table.md").write_text(f"{about}\n\n{''.join(table_lines)}")


def _cells(row: Row) -> list[str]:
    return [
        "–" if row[name] is None else form.format(row[name]) for name, (_, form) in COLUMNS.items()
    ]


def _aligned(cells: Sequence[str]) -> str:
    widths = (width for width, _ in COLUMNS.values())
    pairs = zip(map(_flat, cells), widths, strict=True)
    return "  ".join(f"{cell[:width]:{width}}" for cell, width in pairs).rstrip()


def _flat(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|")
