"""Which acceptance report the hub's verdict goes by: not always the newest. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def decisive(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The report of that digest, the newest where none decided, None where there is none."""
    reports = answer["reports"]
    by = answer["trust"]["report"]
    return next((each for each in reports if each["digest"] == by), reports[0] if reports else None)
