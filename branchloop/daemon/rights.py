"""The user of a service, and that it may read and write what its configuration names; as root.

Rights are changed in the folder of the configuration and in what the service writes, nowhere else.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from branchloop.daemon.needs import Needs
from branchloop.daemon.unit import below
from branchloop.errors import ConfigError, DependencyError

Tell = Callable[[str, str], None]
"""Takes a word (`made`, `changed`, `unchanged`, `mind`) and what it is said of."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user of a service."""

    name: str
    uid: int
    gid: int

    @classmethod
    def find(cls, name: str) -> Account | None:
        """None when the system has no such user."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(name, entry.pw_uid, entry.pw_gid)

    @property
    def groups(self) -> list[int]:
        """All its groups."""
        return os.getgrouplist(self.name, self.gid)


def ensure_user(name: str, groups: Sequence[str], tell: Tell) -> Account:
    """Make the system user unless it is there, and put it into groups. Raises DependencyError."""
    found = Account.find(name)
    if found is None:
        home, shell = f"/var/lib/{name}", shutil.which("nologin", path="/usr/sbin:/sbin") or "/bin/false"
        _run(
            [
                "useradd",
                "--system",
                "--user-group",
                "--home-dir",
                home,
                "--no-create-home",
                "--shell",
                shell,
                name,
            ]
        )
        found = Account.find(name)
        if found is None:
            raise DependencyError(
                f"useradd made no user {name}.", hint="Make it by hand, then run this again."
            )
        tell("made", f"the system user {name}, without a login")
    else:
        tell("unchanged", f"the user {name}")
    for group in groups:
        try:
            member = grp.getgrnam(group).gr_gid in found.groups
        except KeyError as error:
            raise DependencyError(
                f"there is no group {group}, to which the devices belong.",
                hint=f"Make it: groupadd --system {group}.",
            ) from error
        if not member:
            _run(["usermod", "--append", "--groups", group, name])
            tell("changed", f"the user {name}: now in the group {group}")
    return found


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DependencyError(
            f"{command[0]} cannot be run: {error.strerror}.",
            hint="Make the user by hand, then run this again.",
        ) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise DependencyError(
            f"`{' '.join(command)}` failed: {said}.", hint="Mend that, then run this again."
        )


@contextmanager
def acting_as(account: Account) -> Iterator[None]:
    """What `os.access(…, effective_ids=True)` says here is what the account may do, its groups and ACLs included."""
    own, own_gid = os.getgroups(), os.getegid()
    os.setgroups(account.groups)
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(own_gid)
        os.setgroups(own)


def may(account: Account, path: Path, mode: int) -> bool:
    """Whether the account may use a path so (os.R_OK, …)."""
    with acting_as(account):
        return os.access(path, mode, effective_ids=True)


def ensure_written(account: Account, folder: Path, tell: Tell) -> None:
    """Make a folder that the service writes to, and all in it the service's. Raises ConfigError, DependencyError."""
    try:
        fresh = not folder.exists()
        if fresh:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o750)
            os.chown(folder, account.uid, account.gid)
        foreign = sum(1 for _ in _foreign(account, folder))
        # `.lock` is in every data directory of a program that ran there.
        if foreign and not (folder / ".lock").exists() and any(folder.iterdir()):
            raise ConfigError(
                f"{folder} is not {account.name}'s alone, and may hold what belongs to other programs.",
                hint=f"Name a folder of its own; or, if it is, run: chown -R {account.name}: {folder}.",
            )
        for name, descriptor in _foreign(account, folder):
            os.chown(name, account.uid, account.gid, dir_fd=descriptor, follow_symlinks=False)
    except OSError as error:
        raise DependencyError(
            f"{folder} cannot be made: {error.strerror}.", hint="Check the disk."
        ) from error
    if not may(account, folder, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(
            f"{account.name} may not write to {folder}.", hint=_way(account, folder, "let it write there")
        )
    if fresh:
        tell("made", f"{folder}, of {account.name}")
    elif foreign:
        tell("changed", f"{folder}: {foreign} file(s) and folder(s) now of {account.name}")
    else:
        tell("unchanged", f"{folder}")


def _foreign(account: Account, folder: Path) -> Iterator[tuple[str, int | None]]:
    """Names in a tree that are not the account's, each with the descriptor of its folder: no link leads out of it."""
    if folder.stat().st_uid != account.uid:
        yield str(folder), None
    for _, folders, files, descriptor in os.fwalk(folder):
        for name in (*folders, *files):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            linked = (
                stat.S_ISREG(found.st_mode) and found.st_nlink > 1
            )  # it may be another's file, under a second name
            if found.st_uid != account.uid and not linked:
                yield name, descriptor


def ensure_read(account: Account, config: Path, needs: Needs, tell: Tell) -> None:
    """Let the service read its configuration and what that names. Raises ConfigError for what it may not change."""
    own = config.parent
    for name in [str(config), *needs.reads, *needs.secrets]:
        path, secret = Path(name), name in needs.secrets
        if below(name, *needs.writes):
            continue
        if not path.exists():
            raise ConfigError(
                f"{path}, which {config} names, is not there.", hint="Put it there, then run this again."
            )
        if below(name, str(own)):
            _open_folders(account, own, path, tell)
            _own(account, path, tell) if secret else _share(account, path, tell)
        if not may(account, path, os.R_OK):
            raise ConfigError(
                f"{account.name} may not read {path}.", hint=_way(account, path, "let it read the file")
            )


def _open_folders(account: Account, own: Path, path: Path, tell: Tell) -> None:
    for folder in reversed([parent for parent in path.parents if below(str(parent), str(own))]):
        if may(account, folder, os.X_OK) or not may(account, folder.parent, os.X_OK):
            continue
        if _opened_to_another(folder):
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o001)
            tell("changed", f"{folder}: may be passed through, not listed, by everybody")
        else:
            os.chown(folder, -1, account.gid)
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o050)
            tell("changed", f"{folder}: its group is now {_group(account)}, which may look into it")


def _opened_to_another(path: Path) -> bool:
    """Whether a group other than root's has rights to it: those of another service, which are not taken away."""
    found = path.stat()
    return found.st_gid != 0 and bool(found.st_mode & 0o070)


def _own(account: Account, path: Path, tell: Tell) -> None:
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if found.st_uid == account.uid and not found.st_mode & 0o077:
            return
        os.fchown(descriptor, account.uid, account.gid)
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    tell("changed", f"{path}: now of {account.name} alone (0600)")


def _share(account: Account, path: Path, tell: Tell) -> None:
    reached = may(account, path.parent, os.X_OK) and not may(account, path, os.R_OK)
    if reached and not _opened_to_another(path):
        os.chown(path, -1, account.gid)
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o040)
        tell("changed", f"{path}: its group is now {_group(account)}, which may read it")


def _group(account: Account) -> str:
    return grp.getgrgid(account.gid).gr_name


def ensure_environment(account: Account, file: Path, tell: Tell) -> None:
    """A file of logins: root's, and the service's to read, so that `doctor` can be asked as its user."""
    found = file.stat()
    if (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, account.gid, 0o640):
        tell("unchanged", f"{file}")
        return
    os.chown(file, 0, account.gid)
    file.chmod(0o640)
    tell("changed", f"{file}: now of root, and {_group(account)} may read it (0640)")


def ensure_runs(account: Account, program: Path, config: Path) -> None:
    """Judge the configuration as the user of the service, with the program that the service runs.

    Raises ConfigError, and DependencyError when it may not run the program.
    """
    hint = _way(account, program, "install branchloop where all may read it, such as /opt/branchloop")
    try:
        shown = subprocess.run(
            [str(program), "check-config", str(config)],
            user=account.uid, group=account.gid, extra_groups=account.groups, cwd="/", umask=0o077,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": f"/var/lib/{account.name}"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except OSError as error:
        raise DependencyError(f"{account.name} cannot run {program}: {error.strerror}.", hint=hint) from error
    if shown.returncode:
        said = (shown.stderr.strip().splitlines() or ["it says nothing"])[-1].removeprefix("error: ")
        if shown.returncode == ConfigError.exit_code:
            raise ConfigError(f"asked as {account.name}: {said}")
        raise DependencyError(f"{account.name} cannot run {program}: {said}", hint=hint)


def _way(account: Account, path: Path, advice: str) -> str:
    """What is in the way: the first folder that may not be entered, or the thing itself."""
    for parent in reversed(path.parents):
        if not may(account, parent, os.X_OK):
            return f"It may not enter {parent}: choose another place, or {advice}."
    return f"{advice[0].upper()}{advice[1:]}."
