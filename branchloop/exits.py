"""How every program of the house ends: one sentence on standard error, one exit code per class."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
from typing import Any

import click

from branchloop.errors import BranchloopError, DependencyError


class _UnwritableError(Exception):
    """Standard output failed: no OSError, which a full disk or a broken connection elsewhere raises as well."""


class _Output(io.FileIO):
    def write(self, content: Any, /) -> int:
        """As FileIO has it, but for the error."""
        try:
            return super().write(content)
        except OSError as error:
            raise _UnwritableError from error


def run(cli: click.Command, args: list[str] | None = None, prog: str = "branchloop") -> None:
    """Run a click command; a BranchloopError becomes `error: …` and its exit code."""
    _open_closed()
    _watch_output()
    try:
        code = _run(cli, args, prog)
        sys.stdout.flush()
    except _UnwritableError as failed:
        error = failed.__cause__
        _write_nowhere()
        code = 0  # whoever reads, as `head` does, has read enough
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            log(f"error: standard output cannot be written: {error.strerror}.")
            code = DependencyError.exit_code
    try:
        sys.stderr.flush()
    except OSError:
        _write_nowhere(2)  # what `log` left there, lest it changes the exit code
    sys.exit(code)


def _run(cli: click.Command, args: list[str] | None, prog: str) -> int:
    streams = sys.stdout, sys.stderr
    try:
        code = cli.main(args=args, prog_name=prog, standalone_mode=False)
    except BranchloopError as error:
        log(f"error: {error}")
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        log("interrupted")
        return 130
    except SystemExit as end:
        if sys.stdout is not streams[0]:  # click takes any connection that breaks for the output, quietly
            sys.stdout, sys.stderr = streams
            log("error: internal fault: a connection broke.")
            return BranchloopError.exit_code
        if not isinstance(end.code, int):
            raise
        code = end.code
    except _UnwritableError:
        raise
    except Exception:  # noqa: BLE001 - the border of the program: nothing above would report it
        log(f"{traceback.format_exc()}error: internal fault; the lines above belong into a bug report.")
        return BranchloopError.exit_code
    return code if isinstance(code, int) else 0


def tell(text: str) -> None:
    """Print what a service says when it has begun; it goes on where that cannot be written."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (_UnwritableError, OSError):
        _write_nowhere()


def log(text: str) -> None:
    """A line to standard error; where it cannot be written, as on the full disk that it tells of, the work goes on."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _write_nowhere(number: int = 1) -> None:
    """Have what is left in the buffer go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _open_closed() -> None:
    """Put /dev/null where standard output or error is closed, lest a file takes its number."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                opened = os.open(os.devnull, os.O_WRONLY)
                os.dup2(opened, number)
                os.set_inheritable(number, True)
                if opened not in (1, 2):
                    os.close(opened)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for good


def _watch_output() -> None:
    plain = sys.stdout
    if plain is not sys.__stdout__ or not isinstance(plain, io.TextIOWrapper):
        return
    plain.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(1, "w", closefd=False)),
        encoding=plain.encoding,
        errors=plain.errors,
        line_buffering=plain.line_buffering,
        write_through=plain.write_through,
    )


def report(figures: dict[str, Any], *, as_json: bool) -> None:
    """Print figures for people, or as one JSON object on the last line of standard output."""
    if as_json:
        click.echo(json.dumps(figures, allow_nan=False))
        return
    for key, value in figures.items():
        click.echo(f"{key:>24}  {value:.4f}" if isinstance(value, float) else f"{key:>24}  {value}")
