"""Secrets made at first use: one for everybody, whole, and nothing left beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from branchloop.keys.file import kept
from hub.broker import passwords


def test_who_makes_a_secret_second_takes_the_first_one(tmp_path: Path) -> None:
    """Also in one process: the other request made one while this one did, and both go on with the same."""
    path, others = tmp_path / "data" / "key", []

    def make() -> bytes:
        others.append(kept(path, lambda: b"the other's"))
        return b"mine, longer"

    assert kept(path, make) == b"the other's"
    assert others == [b"the other's"] == [path.read_bytes()]
    assert [each.name for each in path.parent.iterdir()] == ["key"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def make() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path / "key", make)
    assert list(tmp_path.iterdir()) == []


def test_a_broker_s_password_made_meanwhile_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API asks for its own while `broker-config` makes it: neither finds an empty file."""
    real, others = passwords.new_password, []

    def make() -> str:
        if not others:
            others.append("")
            others[0] = passwords.ensure_password(tmp_path, "hub/api")
        return real()

    monkeypatch.setattr(passwords, "new_password", make)
    mine = passwords.ensure_password(tmp_path, "hub/api")
    assert others == [mine] == [passwords.read_password(tmp_path, "hub/api")]
