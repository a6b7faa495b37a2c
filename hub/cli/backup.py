"""`branchloop hub backup` and `branchloop hub restore`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from branchloop.errors import DependencyError, InputError, UsageError
from branchloop.keys.file import guarded
from hub.backup.manifest import Manifest
from hub.config.hub import read_config

NICE = 10
"""Customers come first."""
_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")


@click.command()
@click.argument("config", type=_FILE)
@click.option("--out", type=_FILE, required=True, help="the backup, a new file")
@_JSON
def backup(config: Path, out: Path, as_json: bool) -> None:
    """Back up the hub of CONFIG into one file, while it runs."""
    from hub.backup.making import make_backup
    from hub.store.schema.core import DATABASE

    settings = read_config(config)
    if not (settings.data_dir / DATABASE).exists():
        raise DependencyError(
            f"{settings.data_dir} holds no hub's data.", hint="Check hub.data_dir, or start the hub once."
        )
    os.nice(NICE)
    manifest = make_backup(settings, out, _say)
    if as_json:
        _print(manifest, out)
        return
    click.echo(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB), read back and whole.")
    click.echo(f"Audit head: {manifest.audit.seq}:{manifest.audit.hash}")
    if settings.backup.public is None:
        click.echo(
            "It is not encrypted and holds the keys to customers' names: whoever has the file has them. "
            "Set [backup] public to seal it.",
            err=True,
        )
    if manifest.photos_left_out:
        click.echo(f"{manifest.photos_left_out} photo(s) on their way to a kiosk are left out.")


@click.command()
@click.argument("config", type=_FILE)
@click.option("--from", "file", type=_FILE, required=True, help="the backup")
@click.option("--key", type=_FILE, help="the private key it is sealed to, backup.pem")
@click.option("--forgotten", type=_FILE, help="the hub's forgotten.log, from where it was kept")
@click.option(
    "--no-forgotten", is_flag=True, help="that journal is lost: who was forgotten since may come back"
)
@click.option("--set-aside", is_flag=True, help="move a database that is there into a folder beside")
@click.option("--check", is_flag=True, help="only look through the backup; touch nothing")
@_JSON
def restore(
    config: Path,
    file: Path,
    key: Path | None,
    forgotten: Path | None,
    no_forgotten: bool,
    set_aside: bool,
    check: bool,
    as_json: bool,
) -> None:
    """Restore the data directory of CONFIG from a backup; the hub must not run."""
    from hub.backup.restoring import Options, check_backup, restore as put_back

    if forgotten is not None and no_forgotten:
        raise UsageError("--forgotten and --no-forgotten exclude each other.", hint="Give one of them.")
    settings = read_config(config)
    private = None if key is None else _private(key)
    if check:
        manifest = check_backup(settings, file, private, _say)
        if as_json:
            _print(manifest, file)
            return
        click.echo(
            f"{file} is whole: made {manifest.made_at} by {manifest.version}; {len(manifest.parts)} parts, "
            f"audit log up to line {manifest.audit.seq}."
        )
        return
    told = put_back(settings, file, private, Options(forgotten, no_forgotten, set_aside), _say)
    if as_json:
        click.echo(json.dumps(told))
        return
    for sentence in _sentences(told):
        click.echo(sentence)


def _sentences(told: dict[str, Any]) -> list[str]:
    """What was done, and what a restore cannot bring back."""
    again = told["ended_again"]
    found = [f"Restored the hub as it was on {told['made_at']}."]
    if "set_aside" in told:
        found.append(f"What was here lies in {told['set_aside']}: delete it when nothing of it is needed.")
    found.append(
        f"Ended again: {again['customers']} customer(s) forgotten, {again['consents']} consent(s) and "
        f"{again['links']} link(s) taken back, {again['tokens']} token(s) revoked; "
        f"{again['retired']} customer(s) past their time."
    )
    if not told["journal"]:
        found.append(
            "NOT KNOWN: who was forgotten, took back a consent or lost a token since. Forget them again by hand."
        )
    elif told["journal_newest"] is not None:
        found.append(
            f"The journal's last entry is of {told['journal_newest']}; what ended later is not known."
        )
    if told["audit_lines_kept"] is not None:
        found.append(f"The audit log that was here is kept: {told['audit_lines_kept']} line(s) more.")
    else:
        found.append(
            "The audit log ends at the backup: lines written since are not here, and a line says so."
        )
    if again["enrolments"]:
        found.append(f"{again['enrolments']} photo(s) waited for a kiosk: those customers enrol again.")
    found.append(
        f"NOT RESTORED, since it came after {told['made_at']}: appointments, changes and cancellations, tickets, "
        "requests, consents, tokens and passwords that were made, configurations that were published. "
        "Webhooks and reminders of that time may go out again."
    )
    found.append(
        "Boxes send again what they still hold. What the former hub had acknowledged since is gone at the boxes: "
        "each such stretch becomes a known gap when its box next sends (`branchloop hub stats`)."
    )
    return found


def _private(path: Path) -> Any:
    from branchloop.keys.box import read_private

    try:
        return read_private(guarded(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error


def _print(manifest: Manifest, file: Path) -> None:
    told = manifest.model_dump(exclude={"parts", "migrations", "key_check"})
    told |= {
        "file": str(file), "bytes": file.stat().st_size,
        "parts": {part.name: part.bytes for part in manifest.parts},
    }  # fmt: skip
    click.echo(json.dumps(told))


def _say(text: str) -> None:
    click.echo(text, err=True)
