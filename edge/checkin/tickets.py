"""Giving tickets: each is kept in the vault and committed to the outbox, and only then shown."""

from __future__ import annotations

import json
import logging
from typing import Literal
from zoneinfo import ZoneInfo

from branchloop.errors import BranchloopError, ConflictError, DependencyError
from branchloop.numbering import meant_ms
from branchloop.site.kiosk import Kiosk
from branchloop.text.catalogue import Language
from branchloop.wire.arrivals import Checkin, Walkin
from edge.checkin.post import Post
from edge.checkin.vault import Vault
from edge.kiosk.day import Day, Given, Standing, ToldWait
from edge.kiosk.session import Give, Session, Ticket

_LOG = logging.getLogger(__name__)


class Tickets:
    """The numbers that one kiosk gives."""

    def __init__(
        self, kiosk: Kiosk, zone: ZoneInfo, day: Day, session: Session, vault: Vault, post: Post
    ) -> None:
        """`zone` is the branch's."""
        self._kiosk = kiosk
        self._zone = zone
        self._day = day
        self._session = session
        self._vault = vault
        self._post = post

    def resume(self) -> None:
        """After a crash: tickets that did not reach the outbox."""
        for appointment, body in self._vault.unsent():
            if self._post.send(*_kept(body)) is not None:
                self._vault.sent(appointment)

    def check_in(self, give: Give, decided_ms: int | None, now_s: float, now_ms: int) -> bool:
        """A ticket for an appointment, the same one again; whether it is a new one."""
        expected = give.expected
        known = self._day.ticket(expected)
        provisional = not self._post.connected
        again = known is not None
        if known is None:
            try:
                known = self._check_in(give, decided_ms, now_ms, provisional=provisional)
            except BranchloopError as error:
                _LOG.error("no ticket was given: %s", error)
                self._session.not_kept(now_s)
                return False
        standing = self._day.standing(expected, now_ms) if again else Standing()
        told = told_wait(
            standing.wait
            if again  # who comes now would wait behind this very customer
            else self._day.wait(expected.service, now_ms, expected.id, expected.start_ms)
        )
        self._session.given(
            Ticket(
                known, expected.service, expected.start_ms, expected.masked_name, expected.title,
                told["wait_s"], provisional and not again, again,
                may_enrol=give.method == "code" and expected.consent is None and self._kiosk.recognise != "off",
                low_s=told["low_s"], high_s=told["high_s"],
                called=standing.called, counter=standing.counter, ahead=standing.ahead,
            ),
            now_s,
        )  # fmt: skip
        return not again

    def walk_in(self, service: str, language: Language, now_s: float, now_ms: int) -> None:
        """A ticket without appointment."""
        provisional = not self._post.connected
        identity = self._post.new_id()
        try:
            day, number = self._next_number(now_ms)
            body = Walkin(
                id=identity, at_ms=now_ms, service=service, language=language, number=number,
                provisional=provisional,
            )  # fmt: skip
            self._keep(identity, day, "walkin", body)
        except BranchloopError as error:
            _LOG.error("no ticket was given: %s", error)
            self._session.not_kept(now_s)
            return
        self._day.gave(Given(identity, number, now_ms, service))
        told = told_wait(self._day.wait(service, now_ms, besides=identity))
        self._session.given(
            Ticket(
                number, service, now_ms, "", None, told["wait_s"], provisional, again=False, may_enrol=False,
                low_s=told["low_s"], high_s=told["high_s"], walk_in=True,
            ),
            now_s,
        )  # fmt: skip

    def _check_in(self, give: Give, decided_ms: int | None, now_ms: int, *, provisional: bool) -> str:
        day, number = self._next_number(now_ms)
        body = Checkin(
            id=self._post.new_id(), at_ms=now_ms, appointment=give.expected.id,
            method=give.method, policy=give.policy, number=number, provisional=provisional,
            decided_ms=decided_ms,
        )  # fmt: skip
        self._keep(give.expected.id, day, "checkin", body)
        self._day.gave(Given(give.expected.id, number, now_ms))
        return number

    def _next_number(self, now_ms: int) -> tuple[str, str]:
        """The day whose range it is of, and the next number that is nobody's. Raises ConflictError.

        The hub makes a range of each day that is past all it knows of: what was given here and is not there yet, this kiosk knows.
        """
        gallery = self._day.gallery
        if gallery is None:
            raise ConflictError("this kiosk knows of no day.", hint="Ask our staff.")
        day, series = gallery.tickets.day, gallery.tickets.series
        taken = self._vault.numbers(series, meant_ms(now_ms, self._zone)[0])
        return day, self._day.next_number(self._vault.last_number(day, series), taken)

    def _keep(self, what: str, day: str, kind: Literal["checkin", "walkin"], body: Checkin | Walkin) -> None:
        """Into the vault and the outbox, or neither. Raises DependencyError."""
        self._vault.give(what, day, body.number, body.at_ms, body.to_json())
        if self._post.send(kind, body) is None:
            self._vault.take_back(what)
            raise DependencyError("the ticket could not be kept.", hint="Free some space.")
        self._vault.sent(what)
        self._post.urgent()


def told_wait(wait: ToldWait | None) -> dict[str, float | None]:
    """A wait as the page shows it: without an interval it is the kiosk's own estimate."""
    if wait is None:
        return {"wait_s": None, "low_s": None, "high_s": None}
    return {"wait_s": wait.wait_s, "low_s": wait.low_s, "high_s": wait.high_s}


def _kept(body: str) -> tuple[str, Checkin | Walkin]:
    """A ticket as the vault has it: a check-in names an appointment, one without has a service."""
    if "service" in json.loads(body):
        return "walkin", Walkin.model_validate_json(body)
    return "checkin", Checkin.model_validate_json(body)
