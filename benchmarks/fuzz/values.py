"""Values that somebody, or some script, may give: for options, names, addresses and JSON fields.

`{case}` stands for the folder of the case, wherever it lies.
"""

from __future__ import annotations

from random import Random
from typing import Any

SECRET = "CANARY-b7e1"
"""In every credential; nothing that a run writes or prints may have it."""
ESCAPE = "\x1b]0;FUZZ-TITLE\x07\x1b[2JFUZZ\x1b[31m"
"""What would change a terminal's title and clear it."""
FORMULAS = ("=cmd|'/C calc'!A1", "@SUM(1+1)*cmd|' /C calc'!A0", "+1+cmd", '=HYPERLINK("http://x")')
MARKUP = ("[/red]x[bold]", "[link=file:///]x[/link]", "<script>FUZZ()</script>", "{{7*7}}", "%s%n")

NUMBERS = (
    "0", "-0", "-1", "1", "2", "7", "1e3", "1e308", "-1e308", "1e999", "1e-320", "nan", "inf",
    "-inf", "NaN", "0x10", "1_000", "٣", "³", "1.5", ".5", "5.", "+3", " 3", "3 ", "1,000", "1e",
    "9" * 30, str(2**31), str(2**63), str(2**64), "65536", "65537", "100000", "0.0000001", "true",
)  # fmt: skip
RANGES = (
    "1..3", "3..1", "..", "1..", "..3", "1..2..0", "1..2..-1", "1..1e6", "0.1..0.7..0.1",
    "3..30@10", "3..30@1", "3..30@0", "3..30@1000000000", "3..3@2", "0..5@3", "1..2..1e-9",
    "paper", "auto", "1,,2", ",", "1;2", "1 2", "1..100000", "1..99999..0.001", "1e300..1e308@5",
    "1" + ",1" * 5000,
    "1,2,2,1", "-3..3", "nan..3", "1..inf", "0,7,9", "1@2", "1..2@3@4", "1..2..3..4", "²..3",
    ",".join(map(str, range(1, 3000))), "65536,65536,65536", "4", "16,8", "1,2",
)  # fmt: skip
TEXTS = (
    "", " ", "\t", "\n", "a\nb", "error: no\nerror: yes", "\r", "\x00"[:0] + "\x01\x02", "\x7f",
    "\x85", "\x9b31m", "\u202egnp.exe", "\u2028", "\ufeffx", "é" * 300, "日本語", "\U0001f600",
    "bad\udcff", "x" * 300, "x" * 20000, "-", "--", "-x", "--help", "~", "~/x", "$HOME",
    "`id`", ";ls", "*", "?", "'", '"', "a b", "..", ".", "../x", "CON", "a/b/c", "a//b", "x/", "/",
    "[]", "{}", "null", "digits", "Digits", "dígits", "mnist", "digits,", "digits,digits", "auto",
    ESCAPE, *FORMULAS, *MARKUP,
)  # fmt: skip
PLACES = (
    "s", "./s", "s/", "{case}/work/new", "new/deep/er", "studies", ".", "..", "{case}/decoys",
    "{case}/decoys/file", "{case}/decoys/file/x", "{case}/decoys/full", "{case}/work/link",
    "file://{case}/work/byuri", "file://relative", "file:", "~/x", "~nobody/x", "", " ", "\n",
    "a\nb", "bad\udcff", "[/red]x[bold]", "[bold]x", "日本語", "x" * 255, "x" * 256, "é" * 200,
    "x/" * 2000, "C:\\x", "nul\x01", ESCAPE, "-", "s?x=1", "s#x", "%2e%2e/x", "a%00b",
)  # fmt: skip
STORAGES = (
    "s3://", "s3:///x", "s3://b", "s3://no-such-bucket/x", "s3://B A D/x", "s3:/x", "://x", "x://y",
    "gs://some-bucket/x", "gcs://", "abfs://c@account.dfs.core.windows.net/x", "hdfs://h:1/x",
    "viewfs://x", "http://127.0.0.1:9/x", "mock://x", "memory://x", "file://host/x", "s3://b/x?y=z",
    f"s3://AKIA:{SECRET}@bucket/x?endpoint_override=127.0.0.1:9&scheme=http",
    "s3://b/x?endpoint_override=127.0.0.1:9&scheme=http", "s3://b/x?region=nowhere", "s3://[/x",
    f"gs://{SECRET}@bucket/x?retry_limit_seconds=1", "s3://b/\n", "s3://b/../../x",
)  # fmt: skip
ADDRESSES = (
    "", "auto", "local", "127.0.0.1:1", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x",
    "localhost:9",
    "no.such.host:6379", "192.0.2.1:6379", "[::1]:6379", "ray://127.0.0.1:10001", "http://x", "\n",
    f"ray://user:{SECRET}@127.0.0.1:1", "a b", "x" * 300, "bad\udcff", ":6379", "-",
)  # fmt: skip

JSON_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 10**30, 2**63, 1e308, float("nan"), float("inf"), 1.5, "", "x",
    "yesterday", "2026-01-01", "2026-01-01T00:00:00", "9999-12-31T23:59:59+14:00", "x" * 100_000,
    "0001-01-01T00:00:00-14:00", [], [None], [[]], [{}], {}, {"": None}, [1, "x"], "../../x",
    "{case}/decoys/file", "\ud800", "\u0000", "\u202egnp", [0] * 20_000, "-", "1e30",
    ESCAPE, *FORMULAS, *MARKUP,
)  # fmt: skip


def words(help_text: str) -> list[str]:
    """List the examples and choices that an option's help has; a new option brings its own."""
    stripped = (word.strip(".,;:()`'") for word in help_text.split())
    return [word for word in stripped if word and word.isascii()]


def any_value(random: Random) -> str:
    """Return a value of any kind."""
    return random.choice(random.choice((NUMBERS, RANGES, TEXTS, PLACES)))


def nested(random: Random) -> str:
    """Return JSON so deep that a recursive reader gives up."""
    depth = random.choice((500, 5_000, 200_000))
    return random.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth))
