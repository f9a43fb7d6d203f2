"""The processes of a run, found from outside."""

from __future__ import annotations

from pathlib import Path

RAY_PROCESSES = {
    "raylet": "/raylet/raylet",
    "gcs": "gcs_server",
    "dashboard agent": "ray::DashboardAgent",
    "runtime-env agent": "ray::RuntimeEnvAgent",
    "dashboard": "dashboard/dashboard.py",
    "log monitor": "log_monitor.py",
    "autoscaler's monitor": "autoscaler/",
}
"""Of Ray's processes: what is in the words they were called with."""


def workers_of(run: int) -> list[int]:
    """List the processes that train a trial of a run, which Ray names after it.

    Args:
        run: the process that leads the run's session.
    """
    return [
        process for process, title in processes_of(run).items() if title.startswith("ray::pareto ")
    ]


def driver_of(run: int) -> int:
    """Return the process that leads a run: the command's child if the run is on Ray.

    Args:
        run: the command's process.
    """
    children = (Path("/proc") / str(run) / "task" / str(run) / "children").read_text().split()
    return int(children[0]) if children else run


def processes_of(run: int) -> dict[int, str]:
    """Return the processes of a run's session, with how they were called."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            state, _, _, session = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:4]
            title = (entry / "cmdline").read_text(errors="replace")
        except OSError:
            continue  # it has ended
        if int(session) == run and state != "Z":
            found[int(entry.name)] = title
    return found


def processes_with(variable: str) -> dict[int, str]:
    """Return the processes that have this `NAME=value` in their environment, and how called."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            environment = (entry / "environ").read_bytes()
            title = (entry / "cmdline").read_text(errors="replace")
        except OSError:
            continue  # it has ended, or is another user's
        if f"\0{variable}\0".encode() in b"\0" + environment:
            found[int(entry.name)] = title
    return found
