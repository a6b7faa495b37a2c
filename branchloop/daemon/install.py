"""`branchloop install-service edge|hub|dashboard CONFIG`: from a right configuration to a service that runs."""

from __future__ import annotations

import grp
import os
import re
import secrets as random
import subprocess
import sys
from pathlib import Path

import click

from branchloop import exits
from branchloop.check import room_of
from branchloop.cli import ROOM_NEEDS, installed
from branchloop.config import read_text
from branchloop.daemon import start as service_start
from branchloop.daemon.image import sysusers, tmpfiles
from branchloop.daemon.needs import Needs
from branchloop.daemon.rights import (
    Tell,
    ensure_environment,
    ensure_read,
    ensure_runs,
    ensure_user,
    ensure_written,
)
from branchloop.daemon.unit import KINDS, Service, below, device, difference, edited, render
from branchloop.errors import AccessError, ConfigError, DependencyError, UsageError

UNITS = Path("/etc/systemd/system")
_MODE = 0o644
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_OF = {"edge": "box", "hub": "hub", "dashboard": "dashboard"}
_PATH = click.Path(path_type=Path)


class Report:
    """Says what was done, a line each, and remembers whether anything was."""

    def __init__(self) -> None:
        self.changed = False

    def __call__(self, word: str, what: str) -> None:
        """`word` is made, changed, unchanged or mind."""
        self.changed |= word in {"made", "changed"}
        click.echo(f"{word:<9}  {what}")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("room", metavar="edge|hub|dashboard", type=click.Choice(list(KINDS)))
@click.argument("config", type=_PATH)
@click.option(
    "--user", default="branchloop", show_default=True, help="the system user it runs as; made if absent"
)
@click.option(
    "--environment-file", type=_PATH, help="file of NAME=VALUE lines: logins of cameras and the like"
)
@click.option(
    "--root", type=_PATH, help="write into the image below this folder; nothing is made or started here"
)
@click.option("--print", "only_print", is_flag=True, help="print the unit and do nothing")
@click.option("--start/--no-start", default=True, help="enable and start it (of an image: at its first boot)")
@click.option("--force", is_flag=True, help="replace a unit that was edited by hand")
def install_service(
    room: str,
    config: Path,
    user: str,
    environment_file: Path | None,
    root: Path | None,
    only_print: bool,
    start: bool,
    force: bool,
) -> None:
    """Run the box, hub or dashboard of CONFIG as a service of systemd: user, rights, unit, start."""
    if not _USER.fullmatch(user) or user == "root":
        raise UsageError(
            f"--user: {user[:40]!r} cannot be the user of a service.",
            hint="Write a-z, 0-9, - and _, at most 31 letters; not root.",
        )
    if root is not None and not root.is_dir():
        raise UsageError(f"--root: there is no folder {root}.", hint="Make the image first, or name another.")
    config = _absolute(config)
    needs = _judged(room, config, quiet=only_print)
    image = None if root is None else str(_absolute(root))
    file = None if environment_file is None else str(_absolute(environment_file))
    service = _service(room, config, user, file, needs, image)
    text = render(service)
    if only_print:
        click.echo(text, nl=False)
        return
    unit = service.kind.unit
    path = UNITS / f"{unit}.service"
    if file is not None and not Path(file).is_file():
        raise ConfigError(
            f"--environment-file: there is no file {file}.", hint="Write it first, or leave it out."
        )
    tell = Report()
    if image is not None:
        _into_image(Path(image), service, text, needs, tell, start=start, force=force)
    else:
        _refuse_early(start=start)
        old = _former(path, text, unit, force=force)
        _allow(service, config, needs, tell)
        _put(path, text, old, tell)
        changed = old not in {None, text}
        if old != text and service_start.available():
            service_start.reload_units()
        if start:
            service_start.start(unit, path, changed=changed, tell=tell)
        else:
            tell("mind", service_start.postponed(unit, path, changed=changed))
    _advise(service, needs, file, tell)
    if not tell.changed:
        click.echo("nothing was changed")
    click.echo(f"its journal: journalctl -u {unit} -f")


def _absolute(path: Path) -> Path:
    """Without `..`, but with its links: what an upgrade points elsewhere stays what the unit names."""
    return Path(os.path.normpath(path.absolute()))


def _judged(room: str, config: Path, *, quiet: bool) -> Needs:
    """What the service of a configuration needs; whatever is wrong with it ends this command as `check-config` does."""
    try:
        own: str = room_of(read_text(config))
    except ConfigError:
        own = room  # check-config says what is wrong
    if own != room:
        raise ConfigError(
            f"{config} is the configuration of a {_OF[own]}, not of a {_OF[room]}.",
            hint=f"Run: branchloop install-service {own} {config}.",
        )
    if not installed(room):
        raise DependencyError(
            f"the {room} room is not installed here ({ROOM_NEEDS[room]} is missing).",
            hint=f"Install it: pip install 'branchloop[{room}]'.",
        )
    checked = _asked("branchloop.check", str(config))
    if not quiet:
        click.echo(checked, nl=False)
    return Needs.of_json(_asked(f"{room}.main", "service-needs", str(config)).splitlines()[-1])


def _asked(module: str, *args: str) -> str:
    done = subprocess.run([sys.executable, "-m", module, *args], capture_output=True, text=True, check=False)
    if done.returncode:
        click.echo(done.stderr, err=True, nl=False)
        sys.exit(done.returncode)
    return done.stdout


def _service(
    room: str, config: Path, user: str, environment_file: str | None, needs: Needs, image: str | None
) -> Service:
    def seen(path: str) -> str:
        """A path as the service will see it: without the folder of an image."""
        inside = image is not None and image != "/" and below(path, image)
        return f"/{os.path.relpath(path, image)}" if inside else path

    program = Path(sys.executable).with_name("branchloop")
    if not program.is_file():
        raise DependencyError(
            f"there is no {program}.", hint="Install branchloop with pip, then use its own command."
        )
    return Service(
        kind=KINDS[room],
        user=user,
        program=seen(str(program)),
        config=seen(str(config)),
        environment_file=None if environment_file is None else seen(environment_file),
        writes=[seen(path) for path in needs.writes],
        reads=[seen(path) for path in (*needs.reads, *needs.secrets)],
        devices=needs.devices,
        groups=sorted({_group(path, here=image is None) for path in needs.devices}),
        ports=needs.ports,
    )


def _group(path: str, *, here: bool) -> str:
    """The group that may use a device: its own where it is plugged in here, else what it is called on Debian."""
    try:
        owner = Path(path).stat().st_gid if here else 0
        return grp.getgrgid(owner).gr_name if owner else device(path).group
    except (OSError, KeyError):
        return device(path).group


def _refuse_early(*, start: bool) -> None:
    if os.geteuid() != 0:
        raise AccessError("only root may install a service.", hint="Run it with sudo, or use --print.")
    if start and not service_start.available():
        raise DependencyError(
            "systemd does not run this machine, so nothing can be started.",
            hint="Use --no-start, --root DIR for an image, or --print for the unit alone.",
        )


def _former(path: Path, text: str, unit: str, *, force: bool) -> str | None:
    """The unit that is there. Raises ConfigError, and shows what differs, when a hand changed it."""
    try:
        old = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DependencyError(f"{path} cannot be read: {error.strerror}.", hint="Check the file.") from error
    if old != text and edited(old) and not force:
        for line in difference(old, text):
            click.echo(line)
        raise ConfigError(
            f"{path} was edited or made by hand; the lines with - would go, those with + come.",
            hint=f"Put your own into a drop-in (systemctl edit {unit}), then run this again with --force.",
        )
    return old


def _allow(service: Service, config: Path, needs: Needs, tell: Tell) -> None:
    account = ensure_user(service.user, service.groups, tell)
    for folder in needs.writes:
        ensure_written(account, Path(folder), tell)
    ensure_read(account, config, needs, tell)
    if service.environment_file is not None:
        ensure_environment(account, Path(service.environment_file), tell)
    ensure_runs(account, Path(service.program), config)


def _into_image(
    image: Path, service: Service, text: str, needs: Needs, tell: Tell, *, start: bool, force: bool
) -> None:
    unit, user = service.kind.unit, service.user
    path = image / UNITS.relative_to("/") / f"{unit}.service"
    old = _former(path, text, unit, force=force)
    own = str(Path(service.config).parent)
    kept = [each for each in service.reads if below(each, own) and not below(each, *service.writes)]
    secrets = [each for each in kept if each in service.reads[len(needs.reads) :]]
    shared = [each for each in (service.config, *kept) if each not in secrets and _hidden(image, each)]
    if service.environment_file is not None:
        shared.append(service.environment_file)
    groups = "".join(f"m {user} {group}\n" for group in service.groups)
    for name, content in (
        (f"usr/lib/sysusers.d/{user}.conf", sysusers(user)),
        (f"usr/lib/sysusers.d/{unit}-devices.conf", groups),
        (f"usr/lib/tmpfiles.d/{unit}.conf", tmpfiles(service, secrets, shared)),
    ):
        file = image / name
        if content:
            _put(file, content, file.read_text(encoding="utf-8") if file.is_file() else None, tell)
    _put(path, text, old, tell)
    link = path.parent / "multi-user.target.wants" / path.name
    if start and not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(UNITS / path.name)
        tell("made", f"{link}: it starts when the image boots")
    tell("mind", f"nothing was started, and no user was made: systemd does both when {image} boots")
    for there in (service.program, service.config, *service.reads):
        if not below(there, *service.writes) and not os.path.lexists(f"{image}{there}"):
            tell("mind", f"the image has no {there} yet")


def _hidden(image: Path, path: str) -> bool:
    """Whether a file of the image is there, and not for everybody to read."""
    try:
        return not Path(f"{image}{path}").stat().st_mode & 0o004
    except OSError:
        return False


def _put(path: Path, text: str, old: str | None, tell: Tell) -> None:
    """Write a file whole or not at all, and say what became of it; `old` is what it holds. Raises DependencyError."""
    if old == text:
        tell("unchanged", f"{path}")
        return
    fresh = path.with_name(f".{path.name}.{random.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w", encoding="utf-8"
        ) as file:
            os.fchmod(file.fileno(), _MODE)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise DependencyError(
            f"{path} cannot be written: {error.strerror}.", hint="Check its folder."
        ) from error
    tell("made" if old is None else "changed", f"{path}")
    for line in [] if old is None else difference(old, text):
        click.echo(f"           {line}")


def _advise(service: Service, needs: Needs, file: str | None, tell: Tell) -> None:
    """What the command cannot do for the one who calls it."""
    missing = sorted(set(needs.variables) - _set_in(file))
    if missing:
        where = f"{file} does not set" if file is not None else "no --environment-file sets"
        tell("mind", f"{where} {', '.join(missing)}, which the configuration names")
    for path in [service.program, service.config, *service.writes, *service.reads]:
        if below(path, "/tmp", "/var/tmp"):  # noqa: S108 - asked about, not used
            tell("mind", f"{path} lies where systems throw files away; choose another place")


def _set_in(file: str | None) -> set[str]:
    """Names that systemd finds in a file of variables: it takes no `export`."""
    text = "" if file is None else Path(file).read_text(encoding="utf-8", errors="replace")
    return set(re.findall(r"^[ \t]*([A-Za-z_]\w*)=", text, re.MULTILINE))


if __name__ == "__main__":
    exits.run(install_service, prog="branchloop install-service")
