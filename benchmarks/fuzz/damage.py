"""What may have happened to the files of a study, or somebody may have done to them.

Each kind of damage is a function (folder, random, case) that says what it did. `case` is the
case's own folder, whose `decoys` nothing may touch.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeAlias

from fuzz import crafted
from fuzz.values import ESCAPE

Damage: TypeAlias = Callable[[Path, Random, Path], str]

FOLDERS = ("trials", "curves", "models", "samples", "checkpoints", "report", "damaged")
FILES = ("lock", "study.json", "report/report.html", "report/trials.csv", "report/front.png",
         "report/answer.json", ".study.json.x.part", "stop-1", "trials/.x.part")  # fmt: skip


def damage(folder: Path, random: Random, case: Path, *, contents: bool) -> list[str]:
    """Damage a study, in one place mostly; gives what was done.

    Args:
        folder: the study.
        random: chooses.
        case: the folder of the case.
        contents: whether to craft what is in files, rather than to break the files.
    """
    kinds = crafted.KINDS if contents else KINDS
    done: list[str] = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        kind = random.choice(kinds)
        try:
            done.append(kind(folder, random, case))
        except (OSError, IndexError, KeyError, ValueError, TypeError) as error:
            done.append(f"{kind.__name__}: not possible here ({type(error).__name__})")
    return done


def _file(folder: Path, random: Random) -> Path:
    """Choose a file: each folder as often as the next, however many it has."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    places = sorted({path.parent for path in files})
    place = random.choice(places)
    return random.choice([path for path in files if path.parent == place])


def _place(folder: Path, random: Random) -> Path:
    """Choose a file or a folder of a study, that is there or might be."""
    likely = [folder / name for name in (*FOLDERS, *FILES)]
    path = random.choice((_file(folder, random), random.choice(likely)))
    return path.parent if random.random() < 0.1 and path.parent != folder else path


def _emptied(path: Path) -> Path:
    """Make room for something else under a name."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def truncated(folder: Path, random: Random, case: Path) -> str:
    path = _file(folder, random)
    length = random.choice((0, 1, random.randrange(path.stat().st_size + 1)))
    os.truncate(path, length)
    return f"{path.relative_to(folder)} cut to {length} bytes"


def flipped(folder: Path, random: Random, case: Path) -> str:
    path = _file(folder, random)
    content = bytearray(path.read_bytes())
    bits = [random.randrange(8 * len(content)) for _ in range(random.choice((1, 1, 8)))]
    for bit in bits:
        content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return f"{path.relative_to(folder)}: bits {bits} flipped"


def overwritten(folder: Path, random: Random, case: Path) -> str:
    path = _file(folder, random)
    content = random.choice(
        (b"\n", b"null", b"[]", b"{}", b"\xff\xfe{\0}\0", bytes(4096), random.randbytes(300),
         b"PAR1", b"{" * 10, b"PK\5\6" + bytes(18), b" " * 20_000_000)
    )  # fmt: skip
    path.write_bytes(content)
    return f"{path.relative_to(folder)} is now {content[:12]!r}…, {len(content)} bytes"


def lengthened(folder: Path, random: Random, case: Path) -> str:
    path = _file(folder, random)
    with path.open("ab") as file:
        file.write(random.randbytes(random.choice((1, 100))))
    return f"{path.relative_to(folder)} has random bytes at its end"


def deleted(folder: Path, random: Random, case: Path) -> str:
    path = random.choice(
        (_file(folder, random), folder / "study.json", _file(folder, random).parent)
    )
    if path == folder:
        path = folder / "study.json"
    _emptied(path)
    return f"{path.relative_to(folder)} deleted"


def swapped(folder: Path, random: Random, case: Path) -> str:
    path, other = _file(folder, random), _file(folder, random)
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)
    return f"{path.relative_to(folder)} and {other.relative_to(folder)} swapped"


def linked(folder: Path, random: Random, case: Path) -> str:
    path = _place(folder, random)
    decoys = case / "decoys"
    targets: list[Path | str] = [decoys / "file", decoys / "study", decoys / "no-such", "..", "."]
    targets += [path.name, "/dev/zero", "/dev/full", "/proc/self/mem", "/dev/stdin"]
    inside = decoys / "study" / path.relative_to(folder)
    target = random.choice((random.choice(targets), inside, inside))
    _emptied(path).symlink_to(target)
    return f"{path.relative_to(folder)} is a symbolic link to {target}"


def hard_linked(folder: Path, random: Random, case: Path) -> str:
    path = _place(folder, random)
    twin = case / "decoys" / "study" / path.relative_to(folder)
    target = twin if twin.is_file() else case / "decoys" / "file"
    _emptied(path).hardlink_to(target)
    return f"{path.relative_to(folder)} is a hard link to {target.relative_to(case)}"


def special(folder: Path, random: Random, case: Path) -> str:
    path = _emptied(_place(folder, random))
    kind = random.choice(("FIFO", "directory", "full directory", "socket", "file"))
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = os.open(path.parent, os.O_RDONLY)  # a socket's address is short
            server.bind(f"/proc/self/fd/{here}/{path.name}")
            os.close(here)
    elif kind == "file":
        path.write_bytes(b"x")
    else:
        path.mkdir()
        if kind == "full directory":
            (path / "x").write_bytes(b"x")
            (path / "a.part").write_bytes(b"x")
    return f"{path.relative_to(folder)} is a {kind}"


def locked_up(folder: Path, random: Random, case: Path) -> str:
    path = _place(folder, random)
    path = path if path.exists() else folder / random.choice(("trials", "study.json", "."))
    mode = random.choice((0o000, 0o200, 0o400, 0o500))
    path.chmod(mode)
    return f"{path.relative_to(folder)} has mode {mode:03o}"


def strange_names(folder: Path, random: Random, case: Path) -> str:
    name = random.choice(
        ("a\nb.parquet", f"{ESCAPE.replace('/', '')}.parquet", "[/red]x.parquet", "x" * 250, "-rf",
         "bad\udcff.parquet", "volume-x-y.parquet", ".parquet", f"{'0' * 16}.parquet", "0" * 16)
    )  # fmt: skip
    path = folder / random.choice((*FOLDERS, ".")) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if random.random() < 0.5:
        path.write_bytes(b"x")
    else:
        path.mkdir()
    return f"{os.fsencode(path.relative_to(folder))!r} is there"


def repeated(folder: Path, random: Random, case: Path) -> str:
    path = _file(folder, random)
    copy = path.with_name(f"{random.randbytes(8).hex()}{path.suffix}")
    shutil.copy(path, copy)
    return f"{path.relative_to(folder)} is there again as {copy.name}"


def left_running(folder: Path, random: Random, case: Path) -> str:
    """Have the lock name a process that there is not, or something worse."""
    words = ("process 1 on vm", "process 999999 on elsewhere", ESCAPE, "[/x]", "x" * 10**6,
             "\0\n\n", "")  # fmt: skip
    (folder / "lock").write_text(random.choice(words))
    return "lock has been written by somebody else"


KINDS: tuple[Damage, ...] = (
    truncated, flipped, overwritten, lengthened, deleted, swapped, linked, linked, linked,
    hard_linked, special, special, locked_up, strange_names, repeated, left_running,
)  # fmt: skip
