"""How every program of the house ends: one sentence on standard error, one exit code per class."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import click

from branchloop.errors import BranchloopError


def run(cli: click.Command, args: list[str] | None = None, prog: str = "branchloop") -> None:
    """Run a click command; a BranchloopError becomes `error: …` and its exit code."""
    try:
        code = cli.main(args=args, prog_name=prog, standalone_mode=False)
    except BranchloopError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception:  # noqa: BLE001 - the border of the program: nothing above would report it
        traceback.print_exc()
        click.echo("error: internal fault; the lines above belong into a bug report.", err=True)
        sys.exit(BranchloopError.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def report(figures: dict[str, Any], *, as_json: bool) -> None:
    """Print figures for people, or as one JSON object on the last line of standard output."""
    if as_json:
        click.echo(json.dumps(figures, allow_nan=False))
        return
    for key, value in figures.items():
        click.echo(f"{key:>24}  {value:.4f}" if isinstance(value, float) else f"{key:>24}  {value}")
