"""Paces count by the minute of the clock; a test's requests are to fall into one."""

from __future__ import annotations

from types import ModuleType

import pytest

from branchloop.clock import MINUTE_MS
from hub.api.state import now_ms


def within_a_minute(patch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """Let no minute end between a test's requests: by the clock of `module` it began now."""
    begun_ms = now_ms()
    patch.setattr(module, "now_ms", lambda: begun_ms // MINUTE_MS * MINUTE_MS + (now_ms() - begun_ms))
