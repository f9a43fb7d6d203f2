"""Command lines, made from the commands and options that the command line has at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import typer

from fuzz import values
from sweeper.cli.app import app

TOO_DEAR = {"--compile": {"on"}, "--backend": {"ray"}}
"""Half a minute each, and valid: those of Ray have a kind of case of their own."""
QUESTION = ("--taus", "1,2,3", "--seeds", "2", "--steps", "120", "--layers", "16")
"""Of the small study; to go on with it takes two trials of a moment."""
KEPT_RUN = ("pareto", "--taus", "4", "--widths", "8", "--layers", "16", "--steps", "6000")
"""Goes on with the kept trial that was interrupted at step 2,505, which takes some seconds."""
LOCAL = ("--backend", "local", "--compile", "off", "--checkpoint-seconds", "1")


def commands() -> dict[tuple[str, ...], list[Any]]:
    """Return the parameters (Typer's) of each command, by its words."""
    return dict(_walk(typer.main.get_command(app), ()))


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, [each for each in command.params if "--help" not in each.opts]
        return
    for name, each in sorted(below.items()):
        yield from _walk(each, (*path, name))


def command_line(random: Random) -> list[str]:
    """Make a command line that is wrong in one place or several, or only unusual."""
    known = commands()
    path = random.choice(sorted(known))
    if path[0] == "run" and random.random() < 0.5:
        path = ("run", "pareto")
    line = list(path)
    if path[0] == "run":
        line += _run_words(random)
    chosen = random.sample(known[path], min(len(known[path]), random.choice((0, 1, 1, 1, 2, 3))))
    for parameter in chosen:
        line += _parameter(random, parameter)
    if random.random() < 0.08:
        place = random.randint(0, len(line))
        line[place:place] = [random.choice(("--no-such", "extra", "", "--", "-h", "--json"))]
    if random.random() < 0.03:
        del line[random.randrange(len(line))]
    return _affordable(line)


def study_commands(random: Random, study: str, run: tuple[str, ...] | None) -> list[list[str]]:
    """Choose what is done with a study that has been damaged: mostly looked at, then run.

    Args:
        random: chooses.
        study: its name below `studies/`.
        run: the study's own command, if it may be given again.
    """
    looks = [["status", study], ["status", study, "--json"], ["list"], ["list", "--json"],
             ["report", study]]  # fmt: skip
    chosen = random.sample(looks, random.choice((1, 2, 3)))
    if run is None:
        return chosen
    line = ["run", *run, *LOCAL, "--study", f"studies/{study}"]
    if random.random() < 0.3:
        chosen.append([*line, "--dry-run"])
    if random.random() < 0.7:
        chosen.append(line)
        chosen.append(["status", study])
    return chosen


def ray_command(random: Random) -> list[str]:
    """Make a command that goes to Ray: a small sweep, or one with an address of no cluster."""
    line = ["run", "pareto", *QUESTION, "--study", "studies/new"]
    if random.random() < 0.5:
        return [*line, "--address", random.choice(values.ADDRESSES)]
    return [*line, "--workers", random.choice(("1", "2"))]


def _run_words(random: Random) -> list[str]:
    """Keep a run small, and mostly away from Ray; what is drawn after this overrules it."""
    how = ["--dry-run"] if random.random() < 0.6 else []
    return ["--steps", "30", *LOCAL, *how]


def _parameter(random: Random, parameter: Any) -> list[str]:
    """Return the words of a parameter with a value where it takes one."""
    if parameter.param_type_name == "argument":
        return [random.choice((values.any_value(random), "s", "digits", "{case}/work/studies"))]
    flag = random.choice(parameter.opts)
    if parameter.is_flag:
        return [flag]
    value = random.choice(_pool(random, flag, parameter))
    return [f"{flag}={value}"] if random.random() < 0.2 else [flag, value]


def _pool(random: Random, flag: str, parameter: Any) -> list[str]:
    """Return what is likely for an option, by its name, its type and its help."""
    likely = values.words(parameter.help or "")
    number = parameter.metavar in ("<int>", "<float>")
    if flag in ("--study", "--out", "--data-dir"):
        likely = [*values.PLACES, *(values.STORAGES if random.random() < 0.1 else ())]
    elif flag == "--address":
        likely += values.ADDRESSES
    elif number:
        likely += values.NUMBERS
    else:
        likely += random.choice((values.RANGES, values.NUMBERS, values.TEXTS))
    return [*likely, values.any_value(random)]


def _affordable(line: list[str]) -> list[str]:
    """Leave out what is valid and takes long."""
    kept: list[str] = []
    for word in line:
        flag, _, value = word.partition("=")
        dear = word in TOO_DEAR.get(kept[-1] if kept else "", ()) or value in TOO_DEAR.get(flag, ())
        kept += (
            [f"{flag}=off" if value else "local" if word == "ray" else "off"] if dear else [word]
        )
    return kept
