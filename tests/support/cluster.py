"""A Ray cluster on this machine, as if its nodes were machines of their own.

Each node is a raylet with its own home, cache and temporary folder, started by `ray start` in a
session of its own, by which all of its processes are found and killed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from study import wait_for

RAY = (sys.executable, "-m", "ray.scripts.scripts")


@dataclass
class Node:
    """One node of a cluster."""

    home: Path
    process: subprocess.Popen[bytes]

    def kill_raylet(self) -> None:
        """Kill the process by which it is a node, without a warning."""
        (raylet,) = [pid for pid, title in self.processes().items() if "/raylet/raylet " in title]
        os.kill(raylet, signal.SIGKILL)

    def kill(self) -> None:
        """Kill all of its processes, without a warning."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has ended meanwhile
        self.process.wait()

    def processes(self) -> dict[int, str]:
        """Return the command lines of its processes, by their ids."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                session = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[3])
            except OSError:
                continue  # it has ended
            if session == self.process.pid:
                found[int(entry.name)] = title
        return found


@dataclass
class Cluster:
    """A head that trains nothing and nodes of one core each."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ray-")))
    """Short, since Ray puts sockets below it."""
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    port: int = field(default_factory=lambda: free_port())
    dashboard: int = field(default_factory=lambda: free_port())
    has_dashboard: bool = True
    """Jobs are submitted there."""
    head: Node = field(init=False)
    workers: list[Node] = field(default_factory=list)

    def start(self, workers: int = 2) -> Cluster:
        """Start the head, then the others; returns when all have joined."""
        self.head = self._node(
            "head",
            "--head",
            *("--port", str(self.port), "--num-cpus", "0"),
            *("--include-dashboard", str(self.has_dashboard)),
            *("--dashboard-port", str(self.dashboard)),
            *("--ray-client-server-port", str(free_port())),
        )
        self._wait_for(self.head)
        self.add(workers)
        return self

    def add(self, workers: int) -> None:
        """Start more nodes; returns when they have joined."""
        numbers = range(len(self.workers), len(self.workers) + workers)
        new = [
            self._node(f"worker{number}", "--address", f"127.0.0.1:{self.port}", "--num-cpus", "1")
            for number in numbers
        ]
        self.workers += new
        for node in new:
            self._wait_for(node)

    def stop(self) -> None:
        """Kill all nodes and remove what they left."""
        for node in [*self.workers, self.head]:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self, node: Node) -> dict[str, str]:
        """Return the environment of a command that is run on a node."""
        ours = {name: value for name, value in os.environ.items() if name != "SWEEPER_DATA"}
        return {
            **ours,
            "HOME": str(node.home),
            "XDG_CACHE_HOME": str(node.home / "cache"),
            "RAY_ADDRESS": f"127.0.0.1:{self.port}",
            "RAY_AUTH_MODE": "token",
        }

    def sweeper(self, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
        """Start the command line on the head."""
        return subprocess.Popen(
            [sys.executable, "-m", "sweeper", *arguments],
            cwd=cwd,
            env=self.environment(self.head),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _node(self, name: str, *arguments: str) -> Node:
        home = self.folder / name
        (home / ".ray").mkdir(parents=True)
        (home / ".ray" / "auth_token").write_text(self.token)
        node = Node(home, None)  # type: ignore[arg-type]
        environment = self.environment(node)
        del environment["RAY_ADDRESS"]
        with (home / "log").open("wb") as log:
            node.process = subprocess.Popen(
                [
                    *RAY,
                    *("start", "--block", "--disable-usage-stats", *arguments),
                    *("--temp-dir", str(home), "--object-store-memory", str(80 * 2**20)),
                    *("--min-worker-port", "0", "--max-worker-port", "0"),
                    *("--dashboard-agent-listen-port", "0"),
                ],
                cwd=home,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return node

    def _wait_for(self, node: Node) -> None:
        log = node.home / "log"
        try:
            wait_for(lambda: "Ray runtime started" in log.read_text(), seconds=90)
        except AssertionError as error:
            raise AssertionError(log.read_text()) from error


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
