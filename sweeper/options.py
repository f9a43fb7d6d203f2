"""Options, each written once: name, default, help and how it is read from text.

A group of options is a frozen dataclass whose fields are made by `option`. Python builds it by its
fields; the command line makes its flags from the same fields (`sweeper.cli.flags`).
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import UserError, shortened

STUDIES_FOLDER = Path("studies")
"""Where studies are, unless a place is given."""

ATTEMPTS = 3
"""How often a trial that raises, or whose worker dies, is tried in one run; a pack likewise, and
then each of its trials alone."""

TRIALS_PER_GPU = 4
"""How many trials share a GPU unless the user says otherwise."""

MAX_PACK = 99_999

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, of surrogates, which stand for bytes that are not
UTF-8, and of the ends of lines and paragraphs."""

LONGEST_NAME, LONGEST_PATH = 255, 3900
"""Bytes, characters: what file systems take, less room for a study's own files."""

DATA_DIR_HELP = "Where the data sets' files are. Default: $SWEEPER_DATA."

AUTO = "auto"
COMPILE_CHOICES: Mapping[str, bool | None] = {AUTO: None, "on": True, "off": False}


@dataclass(frozen=True, kw_only=True)
class Option:
    """What the command line needs to know of a field, beside its name, type and default."""

    help: str
    flag: str | None = None
    """Its name on the command line, where that is not the field's."""
    minimum: float | None = None
    panel: str | None = None
    """The heading it stands under in the help, where that is not its group's."""
    parse: Callable[[str], Any] | None = None
    """Reads the field's value from text; None where the field's type says how."""
    text: str | None = None
    """The default as one would type it, where `parse` is given."""


def option(default: Any = dataclasses.MISSING, /, **about: Any) -> Any:
    """Make a field of a group of options; `about` are the fields of `Option`."""
    return dataclasses.field(default=default, metadata={"option": Option(**about)})


def parse_pack(text: str) -> int | None:
    """Read `--pack`: the most trials that are trained together, or None for `auto`.

    Raises:
        UserError: if it is neither.
    """
    if text == AUTO:
        return None
    if re.fullmatch("0*[1-9][0-9]{0,4}", text):
        return int(text)
    raise UserError(f"--pack must be auto or a whole number from 1 to 99999, found {text!r}")


def parse_compile(text: str) -> bool | None:
    """Read `--compile`: all, none, or (None, for `auto`) those trials that are long enough.

    Raises:
        UserError: if it is something else.
    """
    if text not in COMPILE_CHOICES:
        raise UserError(f"--compile must be {', '.join(COMPILE_CHOICES)}, found {text!r}")
    return COMPILE_CHOICES[text]


def parse_place(text: str, name: str = "--study") -> str:
    """Read where a study lies: a path, in which `~` is a home folder, or a URI.

    Args:
        text: as typed.
        name: what an error calls it.

    Raises:
        UserError: if it is empty, or cannot be written, printed and given again in one line.
    """
    if not text.strip():
        raise UserError(f"{name} is empty, as a variable that is not set is; name a folder")
    shown = ascii(shortened(text))
    if any(unicodedata.category(character) in UNPRINTABLE for character in text):
        raise UserError(f"{name} {shown} has characters that cannot be printed; name another")
    if "://" in text:
        return text
    if text.startswith("~"):  # and a folder of that name is ./~
        try:
            text = str(Path(text).expanduser())
        except RuntimeError as error:
            raise UserError(f"{name} {shown}: there is no such home folder") from error
    longest = max((len(part.encode()) for part in Path(text).parts), default=0)
    if longest > LONGEST_NAME or len(text) > LONGEST_PATH:
        raise UserError(f"{name} {shown} is too long: {len(text):,} characters; name another")
    return text


def parse_folder(text: str, name: str = "--data-dir") -> Path:
    """Read a folder of this machine; as `parse_place`, but refuses URIs."""
    place = parse_place(text, name)
    if "://" in place:
        raise UserError(f"{name} must be on this machine, found a URI; name a path")
    return Path(place)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and with what a study is run; its results depend on it in their rounding at most."""

    folder: str | None = option(
        None,
        flag="--study",
        parse=parse_place,
        help="Its folder, or storage as s3://bucket/name. Default: studies/, and the study's name.",
    )
    backend: str = option("ray", help="ray, or local for one trial at a time in this process.")
    address: str | None = option(
        None, help="Join the Ray cluster there, e.g. auto. Default: start Ray."
    )
    device: str = option("auto", help="auto, cpu or cuda.")
    workers: int | None = option(
        None, minimum=1, help="Trials at a time. Default: one a core, or four a GPU."
    )
    pack: int | None = option(
        None,
        parse=parse_pack,
        text=AUTO,
        help="Trials that a worker trains together, as one program: a number, or auto, which is 1 "
        "on a CPU and on a GPU what its memory allows (16 on a cluster).",
    )
    data_dir: Path | None = option(None, parse=parse_folder, help=DATA_DIR_HELP)
    checkpoint_seconds: float = option(
        20.0, minimum=0.0, help="Least seconds between two checkpoints of a trial."
    )
    strict_float32: bool = option(False, help="No TF32 on a GPU: slower, more exact.")
    compile: bool | None = option(
        None,
        parse=parse_compile,
        text=AUTO,
        help="Compile the training step, on a CPU: on, off, or auto, for trials long enough to "
        "make up for it.",
    )
    repair: bool | None = option(
        None,
        flag="--repair/--no-repair",
        help="Train those trials again whose model, samples or curve is damaged or lost, or keep "
        "them as they are. Default: train them again, unless a whole folder is missing.",
    )
    command: str = ""
    """What to give again to go on, for the record and for people; no option of the command line."""

    def __post_init__(self) -> None:
        """Refuse numbers that nothing can be run with."""
        if self.workers is not None and self.workers < 1:
            raise UserError(f"workers must be 1 or more, found {self.workers}")
        if self.pack is not None and not 1 <= self.pack <= MAX_PACK:
            raise UserError(f"pack must be from 1 to {MAX_PACK}, found {self.pack}")
        if not self.checkpoint_seconds >= 0:
            raise UserError(
                f"checkpoint_seconds must be 0 or more, found {self.checkpoint_seconds}"
            )
