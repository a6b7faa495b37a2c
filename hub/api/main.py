"""The API's process: `python -m hub.api.main CONFIG`."""

from __future__ import annotations

import resource
from pathlib import Path

import click
import uvicorn

from branchloop import exits
from hub.api.app import create_app
from hub.api.dots import Dots
from hub.api.state import State
from hub.config.hub import read_config
from hub.runtime import read
from hub.store.audit import AuditLog
from hub.store.book.entries import Book
from hub.store.branches.inforce import follow
from hub.store.customers.holders import People
from hub.store.customers.keyring import Keyring
from hub.store.tokens import Tokens

MOST_FILES = 65_536


def allow_readers() -> None:
    """Let as many files be open as the system allows: every reader of a stream is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
def main(config: Path) -> None:
    """Serve the API of the hub CONFIG."""
    allow_readers()
    settings = follow(read_config(config))
    runtime = read(settings)
    keyring = Keyring.of(settings)
    book = Book(keyring)
    state = State(
        settings, Tokens(settings.data_dir), AuditLog(settings.data_dir), Dots(), People(book, keyring), book
    )
    state.dots.connect(settings, runtime)
    try:
        uvicorn.run(
            create_app(state),
            host=runtime.api_host,
            port=runtime.api_port,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    finally:
        state.dots.close()


if __name__ == "__main__":
    exits.run(main)
