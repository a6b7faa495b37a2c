from __future__ import annotations

from pathlib import Path

import pytest

from branchloop.errors import UsageError
from hub.store.schema.core import DATABASE
from hub.store.tokens import Tokens


def test_a_token_is_found_until_it_is_revoked(tmp_path: Path) -> None:
    """It carries name, role and sites, and is gone at once when revoked."""
    tokens = Tokens(tmp_path)
    token = tokens.add("ann", "manager", ["hall", "annex", "hall"], 1)
    found = tokens.find(token)
    assert found is not None
    assert (found.name, found.role, found.sites, found.created_ms) == ("ann", "manager", ("annex", "hall"), 1)
    assert tokens.find(token + "x") is None
    assert tokens.find("") is None
    assert tokens.revoke("ann", 2) == 1
    assert tokens.find(token) is None
    assert [t.revoked_ms for t in tokens.all()] == [2]
    tokens.close()


def test_the_token_itself_is_stored_nowhere(tmp_path: Path) -> None:
    """Who steals the database gets no token."""
    tokens = Tokens(tmp_path)
    token = tokens.add("ann", "head_office", [], 1)
    tokens.close()
    for file in tmp_path.iterdir():
        assert token.encode() not in file.read_bytes()
    assert (tmp_path / DATABASE).exists()


@pytest.mark.parametrize(
    ("name", "role", "sites"),
    [
        ("", "manager", ["hall"]),
        ("ann", "king", ["hall"]),
        ("ann", "manager", []),
        ("ann", "auditor", ["hall"]),
    ],
)
def test_a_scope_that_makes_no_sense_is_refused(
    tmp_path: Path, name: str, role: str, sites: list[str]
) -> None:
    """No name, an unknown role, and a role whose sites do not fit it are errors that say what to do."""
    tokens = Tokens(tmp_path)
    with pytest.raises(UsageError) as error:
        tokens.add(name, role, sites, 1)
    assert error.value.hint
    tokens.close()
