"""What root changes so that a service can read and write what its configuration names, and what it leaves alone."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from branchloop.daemon.needs import Needs
from branchloop.daemon.rights import Account, ensure_environment, ensure_read, ensure_written, may
from branchloop.errors import ConfigError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")

OTHER = 54321


class Told(list[tuple[str, str]]):
    """What was said."""

    def __call__(self, word: str, what: str) -> None:
        self.append((word, what))

    @property
    def words(self) -> list[str]:
        return [word for word, _ in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def nobody() -> Account:
    """A user that every system has, with a group of its own."""
    entry = pwd.getpwnam("nobody")
    return Account("nobody", entry.pw_uid, entry.pw_gid)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, as /etc is; pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def write(path: Path, mode: int, group: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.chown(path, 0, group)
    path.chmod(mode)
    return path


def rights(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def test_a_service_reads_its_files_and_owns_its_secrets(folder: Path, nobody: Account, told: Told) -> None:
    """Copied by root with no rights for others: the file stays root's, the secret becomes the service's alone."""
    config, ca = write(folder / "etc/b.toml", 0o600), write(folder / "etc/tls/ca.pem", 0o644)
    secret = write(folder / "etc/password", 0o644)
    config.parent.chmod(0o700)
    needs = Needs(writes=[], reads=[str(ca)], secrets=[str(secret)])
    ensure_read(nobody, config, needs, told)
    assert rights(config.parent) == (0, nobody.gid, 0o750)
    assert rights(config) == (0, nobody.gid, 0o640)
    assert rights(ca) == (0, 0, 0o644)
    assert rights(secret) == (nobody.uid, nobody.gid, 0o600)
    assert told.words == ["changed"] * 3
    told.clear()
    ensure_read(nobody, config, needs, told)
    assert told == []


def test_what_lies_elsewhere_keeps_its_rights(folder: Path, nobody: Account, told: Told) -> None:
    """A bank's key outside the configuration's folder is told, with the folder that is in the way."""
    config, key = write(folder / "etc/b.toml", 0o644), write(folder / "keys/hub.key", 0o600)
    key.parent.chmod(0o700)
    with pytest.raises(ConfigError, match=rf"may not read {key}.*may not enter {key.parent}"):
        ensure_read(nobody, config, Needs(writes=[], secrets=[str(key)]), told)
    assert (rights(key), rights(key.parent)) == ((0, 0, 0o600), (0, 0, 0o700))
    assert told == []


def test_a_file_that_is_named_and_missing_is_told(folder: Path, nobody: Account, told: Told) -> None:
    config = write(folder / "b.toml", 0o644)
    with pytest.raises(ConfigError, match=r"password, which .* names, is not there"):
        ensure_read(nobody, config, Needs(writes=[], secrets=[f"{folder}/password"]), told)


def test_another_service_s_rights_are_not_taken_away(folder: Path, nobody: Account, told: Told) -> None:
    """Two services share a folder: the second may pass through, and a file of the first's group is not given away."""
    config, theirs = write(folder / "etc/d.toml", 0o644), write(folder / "etc/b.toml", 0o640, OTHER)
    os.chown(config.parent, 0, OTHER)
    config.parent.chmod(0o750)
    ensure_read(nobody, config, Needs(writes=[]), told)
    assert rights(config.parent) == (0, OTHER, 0o751)
    with pytest.raises(ConfigError, match="may not read"):
        ensure_read(nobody, config, Needs(writes=[], reads=[str(theirs)]), told)
    assert rights(theirs) == (0, OTHER, 0o640)


def test_a_link_to_a_file_elsewhere_gives_nothing_away(folder: Path, nobody: Account, told: Told) -> None:
    """Where a service may write to its folder, a link in it must not make another's file the service's."""
    config, shadow = write(folder / "etc/b.toml", 0o644), write(folder / "shadow", 0o600)
    link = config.parent / "password"
    link.symlink_to(shadow)
    with pytest.raises(ConfigError, match="may not read"):
        ensure_read(nobody, config, Needs(writes=[], secrets=[str(link)]), told)
    assert rights(shadow) == (0, 0, 0o600)


def test_a_data_folder_is_made_and_given(folder: Path, nobody: Account, told: Told) -> None:
    data = folder / "var/data"
    ensure_written(nobody, data, told)
    assert rights(data) == (nobody.uid, nobody.gid, 0o750)
    assert rights(data.parent) == (0, 0, 0o755)
    assert may(nobody, data, os.W_OK)
    ensure_written(nobody, data, told)
    assert told.words == ["made", "unchanged"]


def test_a_folder_of_others_is_not_given_away(folder: Path, nobody: Account, told: Told) -> None:
    """A mistyped data_dir must not make the system's files the service's."""
    theirs = write(folder / "var/theirs", 0o644)
    with pytest.raises(ConfigError, match="may hold what belongs to other programs"):
        ensure_written(nobody, theirs.parent, told)
    assert (rights(theirs), rights(theirs.parent)) == ((0, 0, 0o644), (0, 0, 0o755))


def test_what_root_left_in_a_data_folder_is_given_back(folder: Path, nobody: Account, told: Told) -> None:
    """A program that ran as root left its files; links lead to nothing else, and neither does a file's second name."""
    data, shadow = folder / "data", write(folder / "shadow", 0o600)
    ours = [write(data / name, 0o600) for name in (".lock", "outbox.db", "views/hall.npz")]
    (data / "link").symlink_to(shadow)
    (data / "hard").hardlink_to(shadow)
    (data / "out").symlink_to(folder)
    ensure_written(nobody, data, told)
    assert {rights(path)[0] for path in (data, data / "views", *ours)} == {nobody.uid}
    assert rights(shadow) == (0, 0, 0o600)
    assert rights(folder)[0] == 0
    assert told.words == ["changed"]


def test_logins_are_roots_and_may_be_read_by_the_service(folder: Path, nobody: Account, told: Told) -> None:
    file = write(folder / "cameras.env", 0o666)
    ensure_environment(nobody, file, told)
    assert rights(file) == (0, nobody.gid, 0o640)
    ensure_environment(nobody, file, told)
    assert told.words == ["changed", "unchanged"]
