"""The hub's command line: `branchloop hub …`, `branchloop audit …`, `branchloop broker-config …`."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from branchloop import exits
from branchloop.errors import ConfigError, DependencyError, UsageError
from branchloop.processes import stop_event
from hub.cli.backup import backup, restore
from hub.cli.desired import desired
from hub.cli.documents import verify_document
from hub.cli.embed import embed
from hub.cli.scenes import notes, scenes
from hub.config.hub import HubConfig, read_config

_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """The hub of a bank: broker, ingest and API."""


@cli.command()
@click.argument("config", type=_FILE)
@click.option(
    "--json-ready", "ready_file", type=_FILE, help="write addresses and process ids here once ready"
)
def run(config: Path, ready_file: Path | None) -> None:
    """Run the hub of CONFIG until it is stopped."""
    from hub.api.issuing import issuer_of
    from hub.doctor.tls import forewarning
    from hub.store.customers.keyring import check_key
    from hub.supervise import run_hub

    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        raise UsageError(f"--json-ready: there is no folder {ready_file.absolute().parent}.")
    settings = read_config(config)
    if settings.documents is not None:
        issuer_of(settings)
    check_key(settings)  # else each of the children says it, in its own log, again and again
    if (warned := forewarning(settings)) is not None:
        exits.log(f"hub: {warned}")
    run_hub(settings, stop_event(), ready_file)


@cli.command()
@click.argument("config", type=_FILE)
@click.argument("name")
@click.option("--role", help="device, kiosk, staff, manager, core, head_office, auditor or partner")
@click.option("--site", "sites", multiple=True, help="a branch it may see; repeat it")
@click.option("--partner", help="of role partner: which [[partner]]")
@click.option("--revoke", is_flag=True, help="revoke all tokens of NAME instead")
@_JSON
def token(
    config: Path,
    name: str,
    role: str | None,
    sites: tuple[str, ...],
    partner: str | None,
    revoke: bool,
    as_json: bool,
) -> None:
    """Make a bearer token for NAME. It is shown this once; only its digest is kept."""
    from hub.store.tokens import Tokens

    settings = read_config(config)
    for site in sites:
        _site(settings, site)
    if partner is not None and partner not in settings.partners:
        names = ", ".join(settings.partners) or "none"
        raise UsageError(f"{config} has no [[partner]] {partner!r}.", hint=f"It has: {names}.")
    tokens = Tokens(settings.data_dir)
    try:
        if revoke:
            exits.report({"revoked": tokens.revoke(name, _now_ms())}, as_json=as_json)
            return
        if role is None:
            raise UsageError("--role is missing.", hint="A token needs one; only --revoke does without.")
        made = tokens.add(name, role, list(sites), _now_ms(), partner)
    finally:
        tokens.close()
    exits.report({"name": name, "role": role, "sites": list(sites), "token": made}, as_json=as_json)


@cli.command("import")
@click.argument("config", type=_FILE)
@click.argument("file", type=_FILE)
@click.option("--site", "site_id", required=True, help="the branch it belongs to")
@click.option("--device", required=True, help="the device it is said to come from")
@click.option("--shift-to-today", is_flag=True, help="move it by whole days so that it ends today")
@_JSON
def import_(config: Path, file: Path, site_id: str, device: str, shift_to_today: bool, as_json: bool) -> None:
    """Import a history FILE (.ndjson or .ndjson.xz) through the hub's own apply."""
    from branchloop.processes import lock_directory
    from hub.ingest.apply import Applier
    from hub.ingest.importing import import_items
    from hub.store.sqlite import SqliteStore

    settings = read_config(config)
    site = _site(settings, site_id)
    with lock_directory(settings.data_dir / "import"):  # two at once would both be counted
        store = SqliteStore(settings.data_dir)
        try:
            applier = Applier(store, settings.sites, _now_ms)
            imported = import_items(
                file,
                settings.sites[site],
                device,
                store=store,
                applier=applier,
                now_ms=_now_ms(),
                shift_to_today=shift_to_today,
            )
        finally:
            store.close()
    exits.report(imported.as_json(), as_json=as_json)


@cli.command()
@click.argument("config", type=_FILE)
@click.option("--check", is_flag=True, help="only compare; exit with 4 on a difference")
@_JSON
def recompute(config: Path, check: bool, as_json: bool) -> None:
    """Recompute the roll-ups from the messages that are kept; mend them unless --check."""
    from hub.ingest.recompute import recompute as compare
    from hub.store.branches.inforce import follow
    from hub.store.branches.opening import OpeningHistory
    from hub.store.sqlite import SqliteStore

    settings = follow(_with_data(read_config(config)))
    store = SqliteStore(settings.data_dir)
    try:
        with store.transaction() as transaction:
            for site in settings.sites.values():
                OpeningHistory(transaction.db).check_zone(site)
        found = compare(store, settings.sites, write=not check)
    finally:
        store.close()
    exits.report(found, as_json=as_json)
    if check and not found["equal"]:
        sys.exit(4)


@cli.command()
@click.argument("config", type=_FILE)
@_JSON
def stats(config: Path, as_json: bool) -> None:
    """How much came from each device, what is in quarantine, what is missing."""
    from hub.store.figures.stats import stats as gather

    exits.report(gather(_with_data(read_config(config)).data_dir), as_json=as_json)


cli.add_command(desired)
cli.add_command(scenes)
cli.add_command(embed)
cli.add_command(verify_document)
cli.add_command(backup)
cli.add_command(restore)


@cli.command()
@click.argument("customer")
@click.option(
    "--config",
    type=_FILE,
    envvar="BRANCHLOOP_HUB",
    default=Path("hub.toml"),
    show_default=True,
    help="the hub's file; BRANCHLOOP_HUB without it",
)
@_JSON
def erase(customer: str, config: Path, as_json: bool) -> None:
    """Forget CUSTOMER: consents withdrawn, boxes asked to delete; tells what each has confirmed."""
    from hub.store.audit import AuditLog
    from hub.store.book.entries import Book
    from hub.store.customers.erasure import erase_customer
    from hub.store.customers.holders import People
    from hub.store.customers.keyring import Keyring

    settings = _with_data(read_config(config))
    keyring = Keyring.of(settings)
    log = AuditLog(settings.data_dir)
    try:
        log.append(_now_ms(), "operator", "command line", "erase", None, f"customer {customer}")
        found = erase_customer(settings.data_dir, customer, _now_ms(), People(Book(keyring), keyring))
    finally:
        log.close()
    pending = sum(each.holder == "erasing" for each in found)
    if as_json:
        exits.report(
            {"customer": customer, "pending": pending, "consents": [asdict(each) for each in found]},
            as_json=True,
        )
        return
    for each in found:
        where = f"{each.site}/{each.device}" if each.device else "no box"
        click.echo(f"{each.consent}  {each.state:<10} {where:<40} {each.holder or ''}")
    click.echo(f"{pending} box(es) still to confirm." if pending else "Everything is deleted.")


@cli.group()
def audit() -> None:
    """The hash-chained log of who saw what."""


@audit.command()
@click.argument("config", type=_FILE)
@click.option(
    "--head", "head_text", metavar="SEQ:HASH", help="a head exported earlier, to find a cut-off log"
)
@_JSON
def verify(config: Path, head_text: str | None, as_json: bool) -> None:
    """Verify the chain; exit with 4 when it is broken."""
    from hub.store.audit import AuditLog, Head

    exported = None
    if head_text is not None:
        seq, colon, digest = head_text.partition(":")
        if not (colon and seq.isdigit()):
            raise UsageError(f"--head {head_text!r} is not SEQ:HASH.")
        exported = Head(int(seq), digest)
    log = AuditLog(_with_data(read_config(config)).data_dir)
    try:
        verdict = log.verify(exported)
    finally:
        log.close()
    intact = verdict.broken_seq is None
    exits.report({"intact": intact, **asdict(verdict)}, as_json=as_json)
    if not intact:
        sys.exit(4)


@cli.command("broker-config")
@click.argument("broker", type=click.Choice(["nats", "mosquitto"]))
@click.argument("config", type=_FILE)
@click.option("--out", type=_FILE, required=True, help="folder for the broker's files")
@click.option("--listen", help="HOST:PORT of the broker; without it hub.broker, or hub.broker_listen")
@click.option("--run-as", help="account that mosquitto runs as and that gets the files; you without it")
def broker_config(broker: str, config: Path, out: Path, listen: str | None, run_as: str | None) -> None:
    """Write a broker's configuration: one user per device, nothing allowed that is not listed."""
    from hub.broker.files import write_mosquitto, write_nats, write_readme

    settings = read_config(config)
    listen = listen or settings.external_broker or settings.hub.broker_listen
    if broker == "nats":
        if run_as is not None:
            raise UsageError("--run-as is for mosquitto: nats-server runs as whoever starts it.")
        path = write_nats(settings, out, listen)
    else:
        path = write_mosquitto(settings, out, listen, run_as)
    click.echo(f"Wrote {path}; {write_readme(broker, settings, path, listen)} tells how to go on.")


@cli.command("check-config")
@click.argument("config", type=_FILE)
def check_config(config: Path) -> None:
    """Say whether a hub file and the site files it names are right."""
    from hub.api.issuing import issuer_of
    from hub.doctor.address import address_missing

    settings = read_config(config)
    if settings.documents is not None:
        issuer_of(settings)
    click.echo(f"{config}: right; {len(settings.sites)} site(s): {', '.join(sorted(settings.sites))}.")
    doubts = (address_missing(settings), settings.rollout.misnamed(settings.sites))
    for sentence in [*(each for each in doubts if each is not None), *notes(settings)]:
        click.echo(f"note: {sentence}")


@cli.command("service-needs", hidden=True)
@click.argument("config", type=_FILE)
def service_needs(config: Path) -> None:
    """What the service of CONFIG reads, writes and listens on; `branchloop install-service` asks it."""
    from hub.service_needs import needs

    click.echo(needs(config).to_json())


@cli.command()
@click.argument("config", type=_FILE, required=False)
@_JSON
def doctor(config: Path | None, as_json: bool) -> None:
    """Say whether this machine can run a hub."""
    from hub.doctor.machine import examine

    findings = examine(read_config(config) if config else None)
    click.echo(
        json.dumps(findings) if as_json else "\n".join(f"{f['state']:>5}  {f['text']}" for f in findings)
    )
    if any(finding["state"] == "bad" for finding in findings):
        sys.exit(5)


def _with_data(settings: HubConfig) -> HubConfig:
    """A mistyped directory must not pass for an empty, faultless hub."""
    from hub.store.schema.core import DATABASE

    if not (settings.data_dir / DATABASE).exists():
        raise DependencyError(
            f"{settings.data_dir} holds no hub's data.", hint="Check hub.data_dir, or start the hub once."
        )
    return settings


def _site(settings: HubConfig, site: str) -> str:
    if site not in settings.sites:
        raise ConfigError(
            f"site {site!r} is not in {settings.path}.",
            hint=f"Its sites: {', '.join(sorted(settings.sites))}.",
        )
    return site


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    exits.run(cli, prog="branchloop hub")
