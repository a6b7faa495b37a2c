"""`branchloop acceptance`: a site's reports: made where the edge is installed, verified anywhere, without the edge's libraries."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import click

from branchloop import exits
from branchloop.cli import Program, replace
from branchloop.clock import iso
from branchloop.errors import DependencyError, InputError, UsageError

KEY_PEM = "acceptance.pem"
KEY_PUBLIC = "acceptance.pub"
_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Acceptance reports of a site: measured, signed, and valid for a time."""
    if importlib.util.find_spec("cryptography") is None:
        raise DependencyError(
            "acceptance reports need the library cryptography.", hint="Install it: pip install cryptography."
        )


@cli.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def make(args: tuple[str, ...]) -> None:
    """Measure a site against its truth and sign the report."""
    replace(Program("edge.main", ("acceptance",), ""), args)


@cli.command()
@click.argument("folder", type=_FILE)
@_JSON
def key(folder: Path, as_json: bool) -> None:
    """Make a key for reports: FOLDER/acceptance.pem (keep it) and FOLDER/acceptance.pub (give it away)."""
    from branchloop.keys.box import name, new_private, private_pem
    from branchloop.keys.root import write_private
    from branchloop.keys.sealing import encode, raw_public

    fresh = new_private()
    public = encode(raw_public(fresh.public_key()))
    path = folder / KEY_PEM
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, private_pem(fresh))
        (folder / KEY_PUBLIC).write_text(public + "\n", encoding="ascii")
    except FileExistsError as error:
        raise UsageError(f"{path} is there already.", hint="Choose another folder for a new one.") from error
    except OSError as error:
        raise DependencyError(f"{folder} cannot be written: {error.strerror}.") from error
    exits.report({"key": str(path), "public": public, "fingerprint": name(fresh)}, as_json=as_json)


@cli.command()
@click.argument("file", type=_FILE)
@click.option("--public", "public_file", type=_FILE, required=True, help="acceptance.pub or root.pub")
@_JSON
def verify(file: Path, public_file: Path, as_json: bool) -> None:
    """Say whether a report FILE is what was signed and still valid; exit with 4 if not."""
    from branchloop.acceptance.report import digest, lines_counted, read_tree
    from branchloop.acceptance.signing import verify_report

    text = _read(file)
    public = read_public(public_file)
    report = verify_report(text, public, time.time_ns() // 1_000_000)
    if as_json:
        exits.report(
            {
                "site": report.site,
                "verdict": report.verdict,
                "digest": digest(read_tree(text)),
                "measured_by": report.measured_by,
                "made_at": iso(report.made_at_ms),
                "expires_at": iso(report.expires_at_ms),
            },
            as_json=True,
        )
        return
    said = {"pass": "passed", "fail": "did not pass", "undecided": "is undecided", "stated": "set no limits"}
    part = lines_counted(((figure.key, figure.subject) for figure in report.figures), report.not_counted)
    lines = f" ({part[0]} of {part[1]} lines)" if part else ""
    click.echo(
        f"{file}: sound; {report.site} {said[report.verdict]}{lines}, measured by {report.measured_by} "
        f"on {iso(report.made_at_ms)[:10]}, valid until {iso(report.expires_at_ms)[:10]}."
    )


@cli.command()
@click.argument("file", type=_FILE)
@click.option("--public", "public_file", type=_FILE, required=True, help="acceptance.pub or root.pub")
@click.option("--out", type=_FILE, required=True, help="the HTML page to write")
def page(file: Path, public_file: Path, out: Path) -> None:
    """Write a verified report FILE as a page to read."""
    from branchloop.acceptance.files import check_free
    from branchloop.acceptance.page import page as html
    from branchloop.acceptance.report import digest, read_tree
    from branchloop.acceptance.signing import verify_report
    from branchloop.outfile import write_whole

    check_free(None, out, (file, public_file))
    text = _read(file)
    report = verify_report(text, read_public(public_file), time.time_ns() // 1_000_000)
    write_whole({out: html(report, digest(read_tree(text))).encode()})


def read_public(path: Path) -> bytes:
    """A public key (65 bytes) from a .pub file. Raises InputError when it holds none."""
    from branchloop.keys.root import check_point
    from branchloop.keys.sealing import decode

    try:
        raw = decode(_read(path).strip())
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint="Give an acceptance.pub or root.pub.") from error
    check_point(raw, path)
    return raw


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text.", hint="Give the file as it was made.") from error


if __name__ == "__main__":
    exits.run(cli, prog="branchloop acceptance")
