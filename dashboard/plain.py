"""Text from elsewhere, shown as it is: Streamlit reads Markdown in titles, messages and buttons."""

from __future__ import annotations

import re

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&^=])")
_ADDRESS = re.compile(r"(?i):(?=//)|w(?=ww\.)|@")
_JOINER = "\u2060"
"""Cannot be seen; what it parts is no address."""


def plain(text: str) -> str:
    r"""Such as `\*not bold\*`: no mark of Markdown counts, no address becomes a link, and it is one paragraph."""
    parted = _ADDRESS.sub(lambda found: found[0] + _JOINER, " ".join(text.split()))
    return _MARKS.sub(r"\\\1", parted)
