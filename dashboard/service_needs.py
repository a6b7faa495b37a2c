"""What the dashboard touches when it runs as a service."""

from __future__ import annotations

from pathlib import Path

from branchloop.daemon.needs import Needs, gather
from dashboard.config import read_config


def needs(config: Path) -> Needs:
    """Raises ConfigError when the file is wrong."""
    settings = read_config(config)
    return gather([settings], config.parent, listens=[settings.listen])
