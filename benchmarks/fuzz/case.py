"""One case: what is done, in which environment, to what. Its number and the seed determine it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from fuzz import commands, environments
from fuzz.world import KEPT, SMALL

KINDS = {
    "command lines": 41, "environments": 11, "broken files": 22, "crafted content": 20, "data": 4,
    "Ray": 2,
}  # fmt: skip
"""What is out of the ordinary, and how often of a hundred."""


@dataclass(kw_only=True)
class Case:
    """A case, before it is run. `{case}` in its words is the folder that it gets."""

    seed: int
    number: int
    kind: str
    commands: list[list[str]]
    study: str = SMALL
    """Which of the studies of the round lies in its `studies/s`."""
    variables: dict[str, str | None] = field(default_factory=dict)
    streams: str = "files"
    limits: dict[str, int] = field(default_factory=dict)
    umask: int = 0o022
    own_process: bool = False
    """Whether each command starts a Python of its own: slower, and just as a user does it."""
    folder_gone: bool = False
    """Whether the working folder is deleted first."""
    expected: int | None = None
    """The exit code of its command, where nothing is wrong with it."""
    ray_folder: str | None = None
    """Where Ray has its files: the paths of its sockets are limited. Only the sandbox has it."""

    @property
    def random(self) -> Random:
        """What the damage is drawn from."""
        return Random(f"{self.seed}/{self.number}/damage")

    def words(self, command: list[str], folder: Path) -> list[str]:
        """Return a command's words in the folder of the case."""
        return [word.replace("{case}", str(folder)) for word in command]

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the whole environment in the folder of the case."""
        whole: dict[str, str | None] = {**environments.plain(str(folder)), **self.variables}
        return {
            name: value.replace("{case}", str(folder))
            for name, value in whole.items()
            if value is not None
        }

    def describe(self) -> dict[str, Any]:
        """Return what is unusual about it, as JSON has it."""
        return {
            "case": self.number,
            "kind": self.kind,
            "commands": [shlex.join(["sweeper", *command]) for command in self.commands],
            "study": self.study,
            "variables": self.variables,
            "streams": self.streams,
            "limits": self.limits,
            "umask": f"{self.umask:03o}",
            "own process": self.own_process,
            "working folder deleted": self.folder_gone,
        }


def make_case(seed: int, number: int, kinds: dict[str, int] | None = None) -> Case:
    """Return the case of this number; the same options of the command line give the same case."""
    random = Random(f"{seed}/{number}")
    weights = kinds or KINDS
    kind = random.choices(list(weights), list(weights.values()))[0]
    made: Case = _MAKERS[kind](random, {"seed": seed, "number": number, "kind": kind})
    if random.random() < 0.1:
        made.umask = random.choice((0o077, 0o000, 0o027))
    return made


def _command_lines(random: Random, base: dict[str, Any]) -> Case:
    lines = [commands.command_line(random)]
    if random.random() < 0.2:
        lines.append(lines[0] if random.random() < 0.5 else ["list"])
    streams = "terminal" if random.random() < 0.1 else "files"
    return Case(**base, commands=lines, streams=streams)


def _environments(random: Random, base: dict[str, Any]) -> Case:
    run = ["run", "pareto", *commands.QUESTION, *commands.LOCAL, "--study"]
    lines = (
        ["status", "s"], ["status", "s", "--json"], ["list"], ["report", "s"], ["data", "list"],
        ["data", "show", "digits"], ["run", "pareto", "--help"], [*run, "studies/s"],
        [*run, "studies/new"], [*run, "studies/new", "--dry-run"], ["run", "pareto", "--taus", "x"],
    )  # fmt: skip
    what, command, variables = (
        random.random(),
        random.choice(lines),
        environments.environment(random),
    )
    plain = what >= 0.5 and not variables and command != lines[-1]
    return Case(
        **base,
        commands=[command],
        variables=variables,
        expected=0 if plain else None,
        streams=random.choice(environments.STREAMS) if what < 0.35 else "files",
        limits=random.choice(environments.LIMITS) if 0.35 < what < 0.45 else {},
        folder_gone=0.45 < what < 0.5,
        own_process=True,
    )


def _studies(random: Random, base: dict[str, Any]) -> Case:
    name = SMALL if random.random() < 0.7 else random.choice(KEPT)
    run = ("pareto", *commands.QUESTION) if name == SMALL else None
    if name == "pareto" and random.random() < 0.5:
        run = commands.KEPT_RUN
    return Case(
        **base,
        study=name,
        commands=commands.study_commands(random, "s", run),
        streams="terminal" if random.random() < 0.1 else "files",
    )


def _data(random: Random, base: dict[str, Any]) -> Case:
    run = ["run", "pareto", "--dataset", "letters", "--taus", "50", "--steps", "20",
           "--layers", "4", *commands.LOCAL]  # fmt: skip
    lines = (run, [*run, "--dry-run"], ["data", "show", "letters"], ["data", "fetch", "letters"],
             [*run, "--data-dir", "{case}/data"])  # fmt: skip
    return Case(**base, commands=[list(random.choice(lines)) for _ in range(random.choice((1, 2)))])


def _ray(random: Random, base: dict[str, Any]) -> Case:
    command, folder = commands.ray_command(random), f"/tmp/r{base['number']}"
    return Case(
        **base,
        commands=[command],
        variables={"RAY_TMPDIR": folder},
        own_process=True,
        expected=2 if "--address" in command else 0,
        ray_folder=folder,
    )


_MAKERS = {
    "command lines": _command_lines,
    "environments": _environments,
    "broken files": _studies,
    "crafted content": _studies,
    "data": _data,
    "Ray": _ray,
}


def as_json(value: Any) -> str:
    """Write what may hold any text, as ASCII."""
    return json.dumps(value, indent=1, default=str)
