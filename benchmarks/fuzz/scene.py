"""The folder of a case: how it is set up, and what it holds before and after."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

from fuzz import damage
from fuzz.case import Case
from fuzz.isolation import mount, unmount
from fuzz.values import SECRET

DECOY = f"precious, {SECRET}\n"


class Entry(NamedTuple):
    """A file, folder or whatever else there is."""

    kind: str
    mode: int
    content: str
    """A hash, or where a link leads."""
    secret: bool
    """Whether it holds a credential."""


def set_up(case: Case, folder: Path, base: Path) -> list[str]:
    """Make the folder of a case; gives how its study or data were damaged."""
    work = folder / "work"
    shutil.copytree(base / "home", folder / "home", symlinks=True)
    study = work / "studies" / "s"
    shutil.copytree(base / "studies" / case.study, study)
    _make_decoys(folder, base)
    for name in ("tmp", "output", "locked", "full"):
        (folder / name).mkdir()
    (work / "link").symlink_to("../decoys/full")
    (folder / "locked").chmod(0o500)
    if "{case}/full" in case.variables.values():
        mount("tmpfs", str(folder / "full"), "tmpfs", options="size=16k,mode=0777")
        with (folder / "full" / "ballast").open("wb") as file:
            file.write(bytes(12 * 1024))
    random = case.random
    if case.kind in ("broken files", "crafted content"):
        contents = case.kind == "crafted content"
        return damage.damage(study, random, folder, contents=contents)
    if case.kind == "data":
        shutil.copytree(base / "data", folder / "data")
        places = (folder / "home" / ".cache" / "bottleneck-sweeper", folder / "data")
        return damage.damage(random.choice(places), random, folder, contents=False)
    return []


def _make_decoys(folder: Path, base: Path) -> None:
    """Make what nothing may touch: in a study's shape too, for links that lead to it."""
    decoys = folder / "decoys"
    (decoys / "full").mkdir(parents=True)
    (decoys / "full" / "file").write_text(DECOY)
    (decoys / "file").write_text(DECOY)
    study = shutil.copytree(base / "studies" / "small", decoys / "study")
    for trial in [path.stem for path in study.glob("trials/*.parquet")]:
        (study / "checkpoints" / trial).mkdir()  # a finished trial's are removed by a run
        (study / "checkpoints" / trial / "precious").write_text(DECOY)
    for name in ("lock", "x.part", "stop-1", "trials/x.part", "models/stop-1", "damaged/x"):
        (study / name).parent.mkdir(exist_ok=True)
        (study / name).write_text(DECOY)


def take_down(folder: Path) -> None:
    """Remove what a case mounted."""
    if os.path.ismount(folder / "full"):
        unmount(folder / "full")


def contents(folder: Path) -> dict[str, Entry]:
    """Read what a case's folder holds, but for the outputs, by path; follows no link."""
    found: dict[str, Entry] = {}
    todo = [folder]
    while todo:
        here = todo.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                path = here / entry.name
                if path == folder / "output":
                    continue
                name = str(path.relative_to(folder))
                found[name] = _entry(path)
                if found[name].kind == "folder":
                    todo.append(path)
    return found


def _entry(path: Path) -> Entry:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", 0, os.fsencode(path.readlink()).hex(), False)
    if stat.S_ISREG(status.st_mode):
        content = path.read_bytes()
        return Entry("file", mode, hashlib.sha256(content).hexdigest(), SECRET.encode() in content)
    kind = "folder" if stat.S_ISDIR(status.st_mode) else "other"
    return Entry(kind, mode, "", False)
