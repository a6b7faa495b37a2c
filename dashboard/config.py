"""The dashboard's configuration: where the hub is, and whose token it uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from branchloop.config import Part, parse_config, read_text
from branchloop.errors import ConfigError


class Dashboard(Part):
    """`token_file` signs every viewer in with one token: only behind a sign-on of the bank's own."""

    api: str = Field(pattern=r"^https?://[^\s]+$", description="address of the hub's API")
    listen: str = Field(default="127.0.0.1:8501", pattern=r"^[^\s]+:[0-9]{1,5}$")
    token_file: str | None = Field(default=None, description="file with a bearer token, mode 0600")
    refresh_s: Annotated[float, Field(ge=0.5, le=60)] = 2.0


class DashboardFile(Part):
    """The whole of dashboard.toml."""

    dashboard: Dashboard


def read_config(path: Path) -> Dashboard:
    """Read dashboard.toml. Raises ConfigError naming file, key and remedy."""
    return parse_config(read_text(path), str(path), DashboardFile).dashboard


def read_token(config: Dashboard, base_dir: Path) -> str | None:
    """The shared token, if one is configured. Raises ConfigError when others may read it."""
    if config.token_file is None:
        return None
    path = base_dir / config.token_file
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} may be read by others.", hint=f"chmod 600 {path}")
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", hint="Check token_file.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} holds no token.", hint="Write what `branchloop hub token` showed into it, as text."
        ) from error
