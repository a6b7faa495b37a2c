"""Embed tokens: what is issued is read again; whatever else is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from branchloop.errors import AccessError, InputError
from hub.loop.embedding import Embed, issue, read

NOW_MS = 1_800_000_000_000
PAGE = Embed("travel", "https://travel.example", "north", NOW_MS + 1000, "loan", "travel-visa", "user-7")


def mac(text: str) -> str:
    return hmac.new(b"key", text.encode(), hashlib.sha256).hexdigest()


def other(text: str) -> str:
    return hmac.new(b"other", text.encode(), hashlib.sha256).hexdigest()


def test_what_is_issued_is_read_again() -> None:
    assert read(issue(PAGE, mac), mac, NOW_MS) == PAGE


def test_what_is_not_said_is_not_written() -> None:
    """So an earlier version reads a page's token that says nothing new."""
    text = issue(replace(PAGE, subject=None, visit=None), mac).partition(".")[0]
    said = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert said.keys() == {"v", "partner", "origin", "site", "expires_ms", "service", "scene"}


def test_it_ends_on_time_and_with_its_key() -> None:
    token = issue(PAGE, mac)
    with pytest.raises(AccessError, match="expired"):
        read(token, mac, NOW_MS + 1000)
    with pytest.raises(AccessError, match="not made by this hub"):
        read(token, other, NOW_MS)


@pytest.mark.parametrize("letter", ["x", "客", "😀"])
def test_the_longest_names_that_are_allowed_are_read_again(letter: str) -> None:
    """Of a subject and a scene, as the API bounds them: a token that is made is never refused for its length."""
    page = replace(PAGE, origin="https://" + "o" * 240, subject=letter * 120, scene=letter * 40)
    assert read(issue(page, mac), mac, NOW_MS) == page
    with pytest.raises(InputError, match="characters, 4096 are the most"):
        issue(replace(PAGE, scene=letter * 4_000), mac)


@given(at=st.integers(0, 10_000), letter=st.characters(codec="ascii"))
def test_a_changed_token_is_refused(at: int, letter: str) -> None:
    token = issue(PAGE, mac)
    at %= len(token)
    forged = token[:at] + letter + token[at + 1 :]
    if forged != token:
        with pytest.raises(AccessError):
            read(forged, mac, NOW_MS)


@given(st.text(max_size=3_000))
def test_no_text_breaks_the_reading(text: str) -> None:
    with pytest.raises(AccessError) as refused:
        read(text, mac, NOW_MS)
    assert not refused.value.authenticated
