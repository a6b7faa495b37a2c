"""What all requests of one API process share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from hub.api.dots import Dots
from hub.config import HubConfig
from hub.store.audit import AuditLog
from hub.store.tokens import Tokens


@dataclass(frozen=True, slots=True)
class State:
    """Configuration, tokens, audit log and the live dots."""

    config: HubConfig
    tokens: Tokens
    audit: AuditLog
    dots: Dots

    @property
    def data_dir(self) -> Path:
        """Where the database lies."""
        return self.config.data_dir


def now_ms() -> int:
    """Wall time in UTC ms."""
    return time.time_ns() // 1_000_000
