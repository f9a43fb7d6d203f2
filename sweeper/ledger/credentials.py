"""Credentials that are part of an address, such as `s3://KEY:SECRET@bucket/study`."""

from __future__ import annotations

import re

HIDDEN = "***"

_NAME_AND_PASSWORD = re.compile(r"(?<=://)[^\s/?#@:]*:[^\s@]*(?=@)")
_OPTION = re.compile(
    r"([?&][^\s=&#]*(?:secret|password|token|key|credential|sig)[^\s=&#]*=)[^\s&#'\"]+",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """Return a text, such as a command line, with those of the addresses in it hidden.

    What is recorded, printed or written into a log has none; whoever gives a recorded command again
    fills them in, or has them in the environment.
    """
    return _OPTION.sub(rf"\g<1>{HIDDEN}", _NAME_AND_PASSWORD.sub(HIDDEN, text))
