import ast
import subprocess
import sys
from pathlib import Path

import pytest

import analysis

SOURCES = sorted(Path(analysis.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize(
    "modules", ["analysis, analysis.report, analysis.figures", "sweeper.ledger.ledger"]
)
def test_neither_torch_nor_ray_nor_pyplot_is_loaded(modules):
    program = (
        f"import sys, {modules}; "
        "print([name for name in ('torch', 'ray', 'matplotlib.pyplot') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_analysis_imports_only_the_ledger_from_sweeper(path):
    imported = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported += [f"{node.module}.{alias.name}" for alias in node.names]
    ours = [name for name in imported if name.split(".")[0] == "sweeper"]
    assert all(name.startswith("sweeper.ledger.") for name in ours)


def test_there_are_sources_to_read():
    assert len(SOURCES) > 20
