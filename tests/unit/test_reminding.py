"""When reminders are due: before the start, never at night, only the latest of several."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from branchloop.clock import to_ms
from branchloop.errors import ConfigError, InputError
from hub.loop.contact import clean_mail
from hub.loop.delivery import LONGEST_S, backoff_s, key_of, signature, still_s
from hub.loop.reminding import HOUR_MS, Quiet, due_ms, due_now
from hub.outgoing import post
from hub.outgoing.mail import Patience
from hub.store.book.reminders import LEASE_MS

ZONES = [ZoneInfo(name) for name in ("Asia/Shanghai", "Asia/Kolkata", "Europe/Berlin", "America/St_Johns")]
QUIET = Quiet(21, 8)


def at(text: str, zone: str = "Asia/Shanghai") -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


@given(
    start_ms=st.integers(1_700_000_000_000, 1_900_000_000_000),
    hours=st.floats(0.25, 240),
    zone=st.sampled_from(ZONES),
    quiet=st.sampled_from([QUIET, Quiet(24, 0), Quiet(20, 9)]),
)
def test_it_comes_no_later_than_asked_and_never_in_the_night(
    start_ms: int, hours: float, zone: ZoneInfo, quiet: Quiet
) -> None:
    due = due_ms(start_ms, hours, zone, quiet)
    assert not quiet.holds(due, zone)
    assert start_ms - hours * HOUR_MS - 24 * HOUR_MS < due <= start_ms - hours * HOUR_MS + 1


def test_of_an_early_appointment_one_hears_the_evening_before() -> None:
    start = at("2026-12-01T09:00")
    assert due_ms(start, 2, ZONES[0], QUIET) == at("2026-11-30T20:00")
    assert due_ms(start, 24, ZONES[0], QUIET) == at("2026-11-30T09:00")


def test_only_the_latest_that_was_held_up_goes_out() -> None:
    start, made = at("2026-12-01T15:00"), at("2026-11-20T12:00")
    assert due_now(start, made, [24, 2], at("2026-11-30T14:59"), ZONES[0], QUIET) is None
    assert due_now(start, made, [24, 2], at("2026-11-30T15:00"), ZONES[0], QUIET) == 24
    assert due_now(start, made, [24, 2], at("2026-12-01T13:30"), ZONES[0], QUIET) == 2
    assert due_now(start, made, [24, 2], at("2026-11-30T22:00"), ZONES[0], QUIET) is None
    assert due_now(start, made, [24, 2], at("2026-12-01T15:00"), ZONES[0], QUIET) is None
    assert due_now(start, at("2026-12-01T13:10"), [24, 2], at("2026-12-01T13:30"), ZONES[0], QUIET) is None


@given(st.integers(1, 10_000), st.floats(0, 0.999), st.none() | st.floats(0, 1e9))
def test_waiting_grows_and_is_bounded(attempts: int, chance: float, asked: float | None) -> None:
    wait_s = backoff_s(attempts, lambda: chance, asked)
    assert 0.5 <= wait_s <= 600
    assert attempts < 12 or wait_s >= 300


@pytest.mark.parametrize(
    ("left_ms", "wait_s"), [(-1, 0), (0, 0), (1500, 1.5), (600_000, 600), (600_001, 0), (3_600_000, 0)]
)
def test_a_clock_that_was_set_back_makes_nobody_wait(left_ms: int, wait_s: float) -> None:
    """No pause is longer than ten minutes: what lies further ahead was noted by another clock."""
    assert LONGEST_S == 600
    assert still_s(1_700_000_000_000 + left_ms, 1_700_000_000_000) == wait_s


def test_the_lease_is_longer_than_any_sink_takes() -> None:
    """Else two processes send the same reminder at once."""
    mail = Patience()
    for takes_s in (mail.dialogue_s + mail.answer_s + mail.step_s, post.TOTAL_S):
        assert takes_s + 60 < LEASE_MS / 1000


@given(
    st.text(st.sampled_from("ab.ü+_-'\"()[]<>@,;:\\=? %"), min_size=1, max_size=8),
    st.text(st.sampled_from("ab.-()[]<>,;:\\=?"), min_size=1, max_size=8),
)
def test_an_address_that_is_taken_is_the_one_that_a_mail_names(name: str, host: str) -> None:
    try:
        address = clean_mail(f"{name}@{host}")
    except InputError:
        return
    mail = EmailMessage()
    mail["To"] = address
    assert [each.addr_spec for each in mail["To"].addresses] == [address]


@pytest.mark.parametrize("address", ["a@[b.c", "a]@b.c", "a(@b.cn", "[a@b.c", "a@b.c)", "=?utf-8?q?x?=@b.c"])
def test_what_a_mail_would_read_as_something_else_is_no_address(address: str) -> None:
    with pytest.raises(InputError, match="not an address"):
        clean_mail(address)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's own reference libraries."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "test")
    body = b'{"test": 2432232314}'
    signed = signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert len(signature([key, b"o" * 32], "a", 1, body).split()) == 2


@pytest.mark.parametrize("secret", ["", "short", "not base64 at all!", "YWJj"])
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(ConfigError, match="no secret"):
        key_of(secret, "HOOK_SECRET")
