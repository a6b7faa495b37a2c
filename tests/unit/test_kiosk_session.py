"""The kiosk's session and day: what a customer can do, and what each try leaves behind."""

from __future__ import annotations

import pytest

from branchloop.codes import code_digest, qr_text
from branchloop.errors import ConflictError
from branchloop.wire.commands import Expected, Gallery, Queue, TicketRange
from edge.kiosk.day import Day, Given
from edge.kiosk.session import FAILURES, IDLE_S, LOCKED_S, Give, Note, Recognise, Session, Ticket

SALT = "s" * 24
CODE = "7K2M-Q4XD"
NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000


def expected(identity: str = "a-1", code: str = CODE, **more: object) -> Expected:
    fields: dict[str, object] = {
        "id": identity, "booking_no": "0042", "code_digest": code_digest(SALT, code), "start_ms": NOW_MS,
        "window_from_ms": NOW_MS - 30 * MINUTE_MS, "window_to_ms": NOW_MS + 15 * MINUTE_MS, "service": "loan",
        "masked_name": "王*", "consent": "c-1", **more,
    }  # fmt: skip
    return Expected.model_validate(fields)


def gallery(*appointments: Expected, made_ms: int = NOW_MS, **more: object) -> Gallery:
    fields: dict[str, object] = {
        "site": "north", "device": "kiosk-1", "made_ms": made_ms, "valid_until_ms": NOW_MS + 8 * 3_600_000,
        "salt": SALT, "appointments": list(appointments), "consents": ["c-1"],
        "tickets": TicketRange(day="2027-01-15", series="A", first=1, last=999),
        "queues": [Queue(service="loan", waiting=2, busy=1, counters=1, mean_service_s=600.0, as_of_ms=NOW_MS)],
        **more,
    }  # fmt: skip
    return Gallery.model_validate(fields)


def session(recognise: Recognise = "identify", *appointments: Expected) -> Session:
    day = Day()
    day.take(gallery(*(appointments or (expected(),))), NOW_MS)
    return Session("north", day, recognise)


def outcomes(made: Session) -> list[str]:
    return [each.outcome if isinstance(each, Note) else "give" for each in made.take_effects()]


def test_a_typed_code_gives_a_ticket_whatever_its_spelling() -> None:
    made = session()
    made.choose("code", 0.0)
    made.typed("7k2mq4xd", NOW_MS, 1.0)
    (give,) = made.take_effects()
    assert isinstance(give, Give)
    assert (give.expected.id, give.method, give.policy) == ("a-1", "code", None)


def test_a_qr_code_gives_a_ticket_and_a_foreign_one_a_sentence() -> None:
    made = session()
    made.choose("code", 0.0)
    made.scanned("https://elsewhere.example/pay", NOW_MS, 1.0)
    assert (made.stage, made.why, outcomes(made)) == ("refused", "foreign_qr", ["foreign_qr"])
    made.choose("code", 2.0)
    made.scanned(qr_text("south", CODE), NOW_MS, 3.0)
    assert (made.stage, made.why, outcomes(made)) == ("refused", "other_branch", ["other_branch"])
    made.choose("code", 4.0)
    made.scanned(qr_text("north", CODE), NOW_MS, 5.0)
    assert outcomes(made) == ["give"]


@pytest.mark.parametrize(
    "text", ["https://elsewhere.example/pay", qr_text("south", CODE), qr_text("north", "8K2M-Q4XD")]
)
def test_a_refused_code_that_stays_in_view_bars_nobody(text: str) -> None:
    """A poster behind the customers, or a phone still held up: one refusal, then the keys with the same sentence."""
    made = session()
    made.choose("code", 0.0)
    made.scanned(text, NOW_MS, 1.0)
    assert made.stage == "refused"
    told = made.why
    assert len(outcomes(made)) == 1
    for t_s in range(2, 4 + 4 * FAILURES, 4):
        made.home(float(t_s))
        made.choose("code", t_s + 1.0)
        made.scanned(text, NOW_MS, t_s + 1.1)
        assert (made.stage, made.why, outcomes(made)) == ("code", f"refused.{told}", [])
        version = made.version
        made.scanned(text, NOW_MS, t_s + 1.2)
        assert made.version == version
    made.typed("not one", NOW_MS, 40.0)
    made.scanned(text, NOW_MS, 40.1)
    assert made.why == "no_code"
    made.typed(CODE, NOW_MS, 41.0)
    assert outcomes(made) == ["give"]


def test_a_code_held_up_again_is_judged_anew() -> None:
    """Too early then is in time now; another's code in between is another's."""
    made = session("off", expected(window_from_ms=NOW_MS + MINUTE_MS))
    for now_ms, want in ((NOW_MS, "too_early"), (NOW_MS + 2 * MINUTE_MS, "give")):
        made.choose("code", 0.0)
        made.scanned(qr_text("north", CODE), now_ms, 1.0)
        assert outcomes(made) == [want]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"state": "cancelled"}, "cancelled"),
        ({"state": "served"}, "served"),
        ({"window_from_ms": NOW_MS + 1}, "too_early"),
        ({"window_to_ms": NOW_MS - 1}, "too_late"),
    ],
)
def test_an_appointment_that_cannot_be_checked_in_says_why(more: dict[str, object], why: str) -> None:
    made = session("identify", expected(**more))  # type: ignore[arg-type]
    made.choose("code", 0.0)
    made.typed(CODE, NOW_MS, 1.0)
    assert (made.stage, made.why, outcomes(made)) == ("refused", why, [why])


def test_who_has_a_ticket_gets_it_again_even_after_the_window() -> None:
    made = session("identify", expected(state="arrived", number="B007", window_to_ms=NOW_MS - 1))
    made.choose("code", 0.0)
    made.typed(CODE, NOW_MS, 1.0)
    assert outcomes(made) == ["give"]
    assert made.day.ticket(expected(state="arrived", number="B007")) == "B007"


def test_whoever_touched_a_key_types_until_another_stage() -> None:
    made = session()
    made.choose("code", 0.0)
    made.touch(1.0)
    assert not made.typing, "another touch, such as of the language"
    made.touch(2.0, key=True)
    made.typed("not one", NOW_MS, 3.0)
    assert (made.stage, made.typing) == ("code", True)
    made.home(4.0)
    made.choose("code", 5.0)
    assert not made.typing


def test_a_recognised_face_is_asked_to_confirm() -> None:
    made = session()
    made.choose("face", 0.0)
    assert made.stage == "face"
    made.matched(made.day.by_consent("c-1"), NOW_MS, 2.0)
    assert made.stage == "confirm"
    made.confirm(True, NOW_MS, 3.0)
    (give,) = made.take_effects()
    assert isinstance(give, Give)
    assert (give.method, give.policy) == ("face", "identify")


def test_somebody_else_says_so_and_nobody_is_checked_in() -> None:
    made = session()
    made.choose("face", 0.0)
    made.matched(made.day.by_consent("c-1"), NOW_MS, 2.0)
    made.confirm(False, NOW_MS, 3.0)
    assert (made.stage, made.why, outcomes(made)) == ("refused", "not_me", ["not_me"])
    made.choose("face", 3.0)
    assert made.target is None, "the next face is compared with nobody who stood here before"


def test_a_consent_withdrawn_a_second_ago_opens_nothing() -> None:
    """Between the match and the confirmation, a new gallery came without it."""
    made = session()
    made.choose("face", 0.0)
    made.matched(made.day.by_consent("c-1"), NOW_MS, 2.0)
    made.day.take(gallery(expected(), made_ms=NOW_MS + 1, consents=[]), NOW_MS)
    made.confirm(True, NOW_MS, 3.0)
    assert (made.stage, made.why, outcomes(made)) == ("refused", "withdrawn", ["withdrawn"])


def test_verify_asks_for_the_number_first() -> None:
    made = session("verify")
    made.choose("face", 0.0)
    assert made.stage == "number"
    made.typed("0042", NOW_MS, 1.0)
    assert (made.stage, made.target and made.target.id) == ("face", "a-1")
    made.matched(made.target, NOW_MS, 2.0)
    made.confirm(True, NOW_MS, 3.0)
    (give,) = made.take_effects()
    assert isinstance(give, Give)
    assert give.policy == "verify"


def test_a_number_alone_gives_no_ticket_and_no_consent_leads_to_the_code() -> None:
    made = session("verify", expected(consent=None))
    made.choose("face", 0.0)
    made.typed("0042", NOW_MS, 1.0)
    assert (made.stage, made.why, outcomes(made)) == ("refused", "no_consent", ["no_consent"])


def test_a_bank_that_recognises_nobody_has_one_door() -> None:
    made = session("off")
    made.choose("face", 0.0)
    assert made.stage == "code"


def test_guessing_locks_for_a_minute_and_leads_to_staff() -> None:
    made = session()
    for attempt in range(FAILURES):
        made.choose("code", float(attempt))
        made.typed(f"0000-000{attempt}", NOW_MS, float(attempt))
    assert (made.stage, made.why) == ("staff", "locked")
    assert outcomes(made)[-1] == "locked"
    made.choose("code", 10.0)
    assert made.stage == "staff"
    made.choose("code", FAILURES + LOCKED_S)
    assert made.stage == "code"


def test_whoever_went_away_leaves_nothing_on_the_screen() -> None:
    for stage, seconds in IDLE_S.items():
        made = session()
        made.choose("face", 0.0)
        made.target = expected()
        made.given(Ticket("A001", "loan", NOW_MS, "王*", None, None, False, False, True), 0.0)
        made.stage = stage  # type: ignore[assignment]
        made.tick(seconds - 0.1)
        assert made.stage == stage
        made.tick(seconds + 0.1)
        assert (made.stage, made.target, made.ticket) == ("idle", None, None)


def test_the_day_takes_only_newer_galleries_and_forgets_itself_at_closing() -> None:
    day = Day([Given("a-9", "A003", NOW_MS)])
    assert day.take(gallery(expected()), NOW_MS)
    assert not day.take(gallery(made_ms=NOW_MS - 1), NOW_MS)
    assert day.by_code(CODE) is not None
    assert not day.close(NOW_MS)
    assert day.close(NOW_MS + 9 * 3_600_000)
    assert day.by_code(CODE) is None
    with pytest.raises(ConflictError):
        day.next_number(0)


def test_numbers_go_on_after_what_hub_and_kiosk_know() -> None:
    day = Day()
    day.take(gallery(tickets=TicketRange(day="2027-01-15", series="B", first=5, last=6)), NOW_MS)
    assert [day.next_number(0), day.next_number(5)] == ["B005", "B006"]
    assert day.next_number(0, {5}) == "B006"
    for used, taken in ((6, set[int]()), (5, {6})):
        with pytest.raises(ConflictError, match="no number left"):
            day.next_number(used, taken)


def test_the_wait_counts_tickets_given_since_and_is_absent_when_old() -> None:
    day = Day()
    day.take(gallery(expected(), expected("a-2")), NOW_MS)
    assert day.wait_s("loan", NOW_MS) == 1_800.0
    day.gave(Given("a-2", "A001", NOW_MS + 1))
    assert day.wait_s("loan", NOW_MS) == 2_400.0
    assert day.wait_s("loan", NOW_MS, besides="a-2") == 1_800.0
    assert day.wait_s("loan", NOW_MS + 3_600_000) is None
    assert day.wait_s("cards", NOW_MS) is None


def test_only_those_in_their_window_with_a_consent_are_candidates() -> None:
    day = Day()
    day.take(
        gallery(
            expected(), expected("a-2", consent=None), expected("a-3", consent="c-3"),
            expected("a-4", window_to_ms=NOW_MS - 1),
        ),
        NOW_MS,
    )  # fmt: skip
    assert [each.id for each in day.candidates(NOW_MS)] == ["a-1"]
