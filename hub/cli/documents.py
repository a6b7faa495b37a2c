"""`branchloop hub verify-document`: who signed a PDF, when, and whether it was changed since."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import click

from branchloop import exits
from branchloop.errors import DependencyError, InputError, UsageError
from hub.config.hub import read_config

MOST_BYTES = 20_000_000


@click.command("verify-document")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    help="certificate to trust: document-root.crt, or an authority's",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="a hub.toml; its documents.cert_file is trusted, without --trust",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
def verify_document(file: Path, trust: Path | None, config: Path | None, as_json: bool) -> None:
    """Say who signed FILE, when, and whether it was changed; exit with 4 unless it is genuine."""
    if importlib.util.find_spec("pyhanko") is None:
        raise DependencyError(
            "documents need the library pyhanko.", hint="Install it: pip install 'branchloop[documents]'."
        )
    from hub.documents.signing import read_trusted, verify

    if trust is None and config is not None:
        settings = read_config(config)
        if settings.documents is None:
            raise UsageError(f"{config} has no [documents].", hint="Give --trust.")
        trust = settings.path.parent / settings.documents.cert_file
    if trust is None:
        raise UsageError(
            "nothing says whom to trust.", hint="Give --trust document-root.crt, or --config hub.toml."
        )
    try:
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise InputError(
                f"{file} is larger than {MOST_BYTES // 1_000_000} MB.", hint="Give the document alone."
            )
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.", hint="Check the name.") from error
    found = verify(content, read_trusted(trust), time.time_ns() // 1_000_000)
    exits.report(
        {
            "genuine": found.genuine, "signer": found.signer, "signed": found.signed, "unchanged": found.unchanged,
            "trusted": found.trusted,
        },
        as_json=as_json,
    )  # fmt: skip
    if not found.genuine:
        sys.exit(4)
