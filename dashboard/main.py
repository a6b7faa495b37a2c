"""The dashboard's command line: `branchloop dashboard run CONFIG`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from branchloop import exits, theme
from branchloop.errors import DependencyError
from branchloop.processes import listen_once
from dashboard.config import read_config, read_token


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """The managers' pages."""


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
def run(config: Path) -> None:
    """Serve the pages of CONFIG until stopped."""
    settings = read_config(config)
    read_token(settings, config.parent)
    host, _, port = settings.listen.rpartition(":")
    _check_free(host.strip("[]"), int(port))
    options: dict[str, object] = {
        "server.address": host.strip("[]"),
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.enableStaticServing": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "runner.postScriptGC": False,
        **_colours("light", theme.LIGHT),
        **_colours("dark", theme.DARK),
        "theme.font": "system-ui, 'Noto Sans SC', sans-serif",
        "theme.baseRadius": "8px",
        "logger.level": "warning",
    }
    os.environ["BRANCHLOOP_DASHBOARD"] = str(config.resolve())
    sys.stdout.flush()
    from dashboard.served import serve  # Streamlit takes a second: not for a configuration that is wrong

    serve(options)


def _check_free(host: str, port: int) -> None:
    """Raise DependencyError where nobody could listen there: Streamlit's own word for it names no remedy."""
    try:
        listen_once(host, port)
    except (OSError, OverflowError) as error:
        raise DependencyError(
            f"the dashboard cannot listen on {host}:{port}: it is taken, or not this machine's.",
            hint="Stop the other program or choose another address.",
        ) from error


def _colours(scheme: str, tokens: Mapping[str, str]) -> dict[str, str]:
    """Streamlit takes the scheme that the viewer's device asks for, as the pages' own style does."""
    named = {
        "primaryColor": "accent",
        "backgroundColor": "paper",
        "textColor": "ink",
        "secondaryBackgroundColor": "closed",
    }
    return {f"theme.{scheme}.{option}": tokens[token] for option, token in named.items()}


@cli.command("check-config")
@click.argument("config", type=click.Path(path_type=Path))
def check_config(config: Path) -> None:
    """Say whether a dashboard file is right."""
    settings = read_config(config)
    read_token(settings, config.parent)
    click.echo(f"{config}: right; the hub is at {settings.api}.")


@cli.command("service-needs", hidden=True)
@click.argument("config", type=click.Path(path_type=Path))
def service_needs(config: Path) -> None:
    """What the service of CONFIG reads, writes and listens on; `branchloop install-service` asks it."""
    from dashboard.service_needs import needs

    click.echo(needs(config).to_json())


if __name__ == "__main__":
    exits.run(cli, prog="branchloop dashboard")
