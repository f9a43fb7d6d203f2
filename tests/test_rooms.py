"""Which room may import which: the arrows of docs/architecture.md, and no others."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

TRAINER = {"trainer"}
LEDGER = TRAINER | {"sweeper.ledger"}
LEAVES = LEDGER | {"sweeper.options", "sweeper.messages", "sweeper.environment"}

MAY_IMPORT = {
    "trainer": set(),
    "sweeper": set(),
    "sweeper.ledger": TRAINER,
    "analysis": LEDGER,
    "sweeper.environment": set(),
    "sweeper.options": TRAINER,
    "sweeper.messages": TRAINER | {"sweeper.options"},
    "sweeper.status": LEDGER,
    "sweeper.studies": LEDGER | {"sweeper.options"},
    "sweeper.worker": LEAVES,
    "sweeper.planning": LEDGER | {"sweeper.options", "sweeper.studies", "sweeper.worker"},
    "sweeper.backends": LEAVES | {"sweeper.worker"},
    "sweeper.run": LEAVES | {"sweeper.studies", "sweeper.planning", "sweeper.backends"},
    "sweeper.cli": LEAVES
    | {
        "analysis",
        "sweeper.status",
        "sweeper.studies",
        "sweeper.planning",
        "sweeper.backends",
        "sweeper.run",
    },
    "sweeper.__main__": {"sweeper.cli"},
}
"""For each room, and each file that stands alone, the others that its files may import."""

THIRD_PARTY = {
    "ray": {"sweeper.backends.ray"},
    "torch": {"trainer", "sweeper.worker", "sweeper.planning", "sweeper.backends"},
    "typer": {"sweeper.cli"},
    "rich": {"sweeper.cli"},
    "pandas": {"analysis"},
    "matplotlib": {"analysis"},
    "jinja2": {"analysis"},
}
"""Which packages may be imported below which modules alone."""

HEAVY = {
    "sweeper": {"torch", "ray", "pandas", "matplotlib", "rich", "typer"},
    "sweeper.ledger.ledger": {"torch", "ray", "pandas", "matplotlib", "rich", "typer"},
    "sweeper.studies": {"torch", "ray", "pandas", "matplotlib", "rich", "typer"},
    "sweeper.cli.app": {"torch", "ray", "matplotlib"},
    "sweeper.run.run": {"ray", "matplotlib", "rich", "typer"},
    "sweeper.backends.local": {"ray", "matplotlib", "rich", "typer"},
    "analysis.report": {"torch", "ray", "matplotlib.pyplot"},
    "analysis.figures.contact_sheet": {"torch", "ray", "matplotlib.pyplot"},
    "trainer": {"torch", "ray", "pandas", "pyarrow", "matplotlib"},
    "trainer.data": {"torch", "ray", "pandas", "sklearn"},
    "trainer.training.loop": {"ray", "pandas", "matplotlib", "pyarrow", "sweeper"},
    "trainer.__main__": {"ray", "pandas", "matplotlib", "pyarrow", "sweeper"},
}
"""For each module, what must not be loaded with it."""


def _modules() -> Iterator[tuple[str, Path]]:
    for package in ("trainer", "sweeper", "analysis"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


def _room(module: str) -> str:
    """Return the room of a module: its own entry in `MAY_IMPORT`, or the nearest around it."""
    parts = module.split(".")
    return next(
        name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in MAY_IMPORT
    )


def _imported(module: str, path: Path, modules: set[str]) -> Iterator[str]:
    """Yield the project's modules that a file imports, also inside its functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            if node.module in modules:
                names = (f"{node.module}.{alias.name}" for alias in node.names)
                yield from (name if name in modules else node.module for name in names)


MODULES = list(_modules())


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_follow_the_arrows(module: str, path: Path) -> None:
    modules = {name for name, _ in MODULES}
    room = _room(module)
    entered = {_room(name) for name in _imported(module, path, modules)} - {room}
    assert entered <= MAY_IMPORT[room], f"{module} imports {entered - MAY_IMPORT[room]}"


@pytest.mark.parametrize(("package", "below"), THIRD_PARTY.items())
def test_a_package_is_imported_in_its_rooms_alone(package: str, below: set[str]) -> None:
    importing = {name for name, path in MODULES if package in _third_party(path)}
    assert importing
    assert {name for name in importing if not _is_below(name, below)} == set()


def test_what_ray_does_not_promise_is_imported_in_one_file() -> None:
    private = re.compile(r"^\s*(?:from|import) ray\.(?:_|core)", re.MULTILINE)
    found = {name for name, path in MODULES if private.search(path.read_text())}
    assert found == {"sweeper.backends.ray.private"}


def _third_party(path: Path) -> set[str]:
    """Return the top-level names that a file imports, also inside its functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def _is_below(module: str, rooms: set[str]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def test_the_arrows_run_one_way() -> None:
    done: set[str] = set()
    while left := [room for room in MAY_IMPORT if room not in done]:
        ready = {room for room in left if MAY_IMPORT[room] <= done}
        assert ready, f"a circle among {left}"
        done |= ready


def test_run_options_enter_six_rooms_at_most() -> None:
    """They never come back to a room, since the arrows run one way."""
    named = {_room(name) for name, path in MODULES if "RunOptions" in path.read_text()}
    assert {"sweeper.cli", "sweeper.run", "sweeper.backends"} < named
    assert len(named - {"sweeper.options"}) <= 6


@pytest.mark.parametrize(("module", "barred"), HEAVY.items())
def test_a_module_loads_only_what_it_needs(module: str, barred: set[str]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert barred.isdisjoint(loaded)
    assert module.split(".")[0] in loaded
