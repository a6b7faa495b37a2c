"""Consent as states, and receipts that cannot be changed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from branchloop.agreement.consent import VERSION, consent_text
from branchloop.errors import InputError
from branchloop.keys.box import new_private
from branchloop.keys.sealing import raw_public
from hub.loop.consent import (
    DAY_MS,
    Consent,
    Holder,
    check_given,
    enrolment_state,
    state_after_withdrawal,
    step,
)
from hub.loop.receipt import receipt, verify

NOW = 1_800_000_000_000
GIVEN = Consent(
    "c0",
    "cust",
    "north",
    VERSION,
    "0" * 64,
    "checkin",
    "zh",
    "online",
    NOW,
    NOW + 90 * DAY_MS,
    guardian=False,
)


def test_a_consent_holds_from_being_given_to_its_end() -> None:
    """Neither before, nor at the end, nor once withdrawn."""
    assert GIVEN.holds(NOW)
    assert not GIVEN.holds(NOW - 1)
    assert not GIVEN.holds(GIVEN.expires_ms)
    assert not replace(GIVEN, state="pending", withdrawn_ms=NOW).holds(NOW + 1)


@given(states=st.lists(st.sampled_from(["waiting", "enrolled", "failed", "leaving", "erasing", "erased"])))
def test_withdrawn_only_when_nobody_may_hold_anything(states: list[str]) -> None:
    """`withdrawn` is said exactly when every box confirmed."""
    holders = [Holder("north", f"k-{i}", state) for i, state in enumerate(states)]  # type: ignore[arg-type]
    assert (state_after_withdrawal(holders) == "withdrawn") == all(state == "erased" for state in states)


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ({}, ("waiting", "")),
        ({0: "partial", 1: "partial"}, ("waiting", "")),
        ({0: "partial", 1: "partial", 2: "enrolled"}, ("enrolled", "")),
        ({2: "enrolled"}, ("enrolled", "")),
        ({0: "dark", 1: "partial", 2: "partial"}, ("failed", "dark")),
        ({0: "expired", 1: "expired", 2: "expired"}, ("failed", "expired")),
    ],
)
def test_the_state_of_an_enrolment_is_that_of_its_photos(
    codes: dict[int, str | None], told: tuple[str, str]
) -> None:
    """Waiting until all have answered, enrolled by any, failed with the first reason."""
    assert enrolment_state(codes, 3) == told


@pytest.mark.parametrize(
    ("consent", "holder", "told"),
    [
        (None, None, "open"),
        (GIVEN, "waiting", "waiting"),
        (GIVEN, "enrolled", "enrolled"),
        (GIVEN, "failed", "retry"),
        (replace(GIVEN, moving_to="south"), "leaving", "moving"),
        (replace(GIVEN, state="pending", withdrawn_ms=NOW), "erasing", "pending"),
        (replace(GIVEN, state="withdrawn", withdrawn_ms=NOW), "erased", "withdrawn"),
        (replace(GIVEN, expires_ms=NOW + 1), "enrolled", "expired"),
    ],
)
def test_a_customer_is_told_one_thing(consent: Consent | None, holder: str | None, told: str) -> None:
    """The step follows from the consent and from what the boxes said."""
    holders = [] if holder is None else [Holder("north", "kiosk-1", holder)]  # type: ignore[arg-type]
    assert step(consent, holders, NOW + 1) == told


def test_the_text_is_known_by_its_digest() -> None:
    """Another language, other days or another version are other texts; an unknown one is refused."""
    texts = [consent_text("zh"), consent_text("en"), consent_text("zh", 30)]
    assert len({text.sha256 for text in texts}) == 3
    with pytest.raises(InputError, match="no consent text"):
        consent_text("zh", version="1999-01")
    for text in texts:
        assert "{" not in "".join(point.says for point in text.points)


def test_a_minor_needs_a_guardian_with_a_name() -> None:
    """Under 14 a parent consents; anybody else needs none."""
    text = consent_text("zh")

    def check(*, minor: bool, guardian: bool, name: str) -> None:
        check_given(
            version=text.version, language="zh", sha256=text.sha256, days=90, minor=minor, guardian=guardian,
            guardian_name=name, now_ms=NOW, expires_ms=NOW + 90 * DAY_MS,
        )  # fmt: skip

    check(minor=False, guardian=False, name="")
    check(minor=True, guardian=True, name="王五")
    for guardian, name in ((False, ""), (True, " ")):
        with pytest.raises(InputError):
            check(minor=True, guardian=guardian, name=name)


def test_a_receipt_verifies_and_any_change_breaks_it() -> None:
    """It names no customer; its signature covers every field, and the signer."""
    key = new_private()
    text = receipt(key, "erased", GIVEN, NOW + 5, box=("north", "kiosk-1"))
    raw = raw_public(key.public_key())
    body = verify(text, raw)
    assert (body["event"], body["box"]) == ("erased", "north/kiosk-1")
    assert "cust" not in text
    for field in body:
        changed = json.loads(text)
        changed[field] = "other"
        with pytest.raises(InputError, match="does not hold"):
            verify(json.dumps(changed), raw)
    with pytest.raises(InputError, match="does not hold"):
        verify(text, raw_public(new_private().public_key()))
    with pytest.raises(InputError, match="no receipt"):
        verify("[]", raw)
