"""What happens to a consent: given, answered for by a box, withdrawn, moved, ended.

Each step writes the consent, the commands to the boxes and the signed receipt in the connection's one
transaction. Nothing here publishes: ingest sends what is queued.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from branchloop.clock import HOUR_MS
from branchloop.errors import InputError
from branchloop.wire.arrivals import BoxCertificate
from branchloop.wire.commands import Reply, Sealed
from hub.loop.consent import (
    DAY_MS,
    ENROL_DAYS,
    ERASE_DAYS,
    Consent,
    Holder,
    State,
    enrolment_state,
    state_after_withdrawal,
)
from hub.loop.receipt import receipt
from hub.store.commands import Asked, Commands, What
from hub.store.customers.consents import Consents
from hub.store.customers.forgotten import folder_of, note

Verdict = Literal["applied", "again", "unknown", "foreign", "wrong"]
_ON_THE_WAY: tuple[What, ...] = ("enrol", "reseal", "adopt")


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo as it goes to a box: sealed, and wrapped under the customer's key."""

    index: int
    wrapped: bytes


class Consenting:
    """The steps of a consent, over a connection that is in a transaction."""

    def __init__(self, db: sqlite3.Connection, key: ec.EllipticCurvePrivateKey) -> None:
        db.execute("PRAGMA secure_delete=ON")  # what is deleted here is overwritten in the file
        self.consents = Consents(db)
        self.commands = Commands(db)
        self._db = db
        self._key = key

    def give(self, consent: Consent, guardian_name: bytes | None, now_ms: int) -> Consent:
        """Keep a consent and its receipt; given before, the one kept is returned."""
        known = self.consents.find(consent.id)
        if known is not None:
            return known
        self.consents.put(consent, guardian_name)
        self._receipt("given", consent, now_ms)
        return consent

    def enrol(self, consent: Consent, device: str, photos: Sequence[Photo], now_ms: int) -> None:
        """Ask a box of the branch to make the template. Photos sent before are replaced."""
        for asked in self.commands.of_consent(consent.id, "enrol"):
            if asked.device == device and asked.state != "cancelled":
                self.commands.settle(asked.id, "cancelled", asked.code or "replaced", now_ms)
        for photo in photos:
            self.commands.add(
                consent.site, device, "enrol",
                {
                    "customer": consent.customer, "consent": consent.id, "index": photo.index,
                    "of": len(photos), "expires_ms": consent.expires_ms,
                },
                consent=consent.id, customer=consent.customer, now_ms=now_ms,
                expires_ms=min(now_ms + ENROL_DAYS * DAY_MS, consent.expires_ms), photo=photo.wrapped,
            )  # fmt: skip
        self.consents.set_holder(consent.id, consent.site, device, "waiting", now_ms)

    def withdraw(self, consent: Consent, now_ms: int) -> Consent:
        """Take a consent back: out of the galleries at once, `pending` until every box confirmed."""
        if consent.state in {"pending", "withdrawn"}:
            return consent
        note(folder_of(self._db), "consent", [consent.id], now_ms)
        self._receipt("withdrawn", consent, now_ms)
        return self._end(consent, None, now_ms)

    def end_of_retention(self, now_ms: int) -> list[Consent]:
        """End what is past its time: the boxes delete by themselves, and are asked to confirm."""
        ended = self.consents.ended(now_ms)
        for consent in ended:
            self._receipt("expired", consent, now_ms)
            self._end(consent, "expired", now_ms)
        return ended

    def move(
        self, consent: Consent, site: str, keys: Sequence[tuple[str, BoxCertificate]], now_ms: int
    ) -> Consent:
        """Have the old branch's boxes hand over to the new one's. `keys`: its kiosks with a valid key.

        Raises InputError when there is nothing to hand over, or nobody to take it.
        """
        if not consent.holds(now_ms):
            raise InputError("this consent does not hold any more.", hint="The customer may give a new one.")
        if site == consent.site:
            raise InputError(f"it holds at {site} already.", hint="Name another branch.")
        if consent.moving_to is not None:
            raise InputError(
                f"it is on its way to {consent.moving_to} already.", hint="Wait for the boxes to answer."
            )
        sources = [holder for holder in self.consents.holders(consent.id) if holder.state == "enrolled"]
        if not sources:
            raise InputError("no box holds a template by this consent.", hint="Enrol at the new branch.")
        if not keys:
            raise InputError(
                f"no kiosk of {site} has a valid key.", hint="Sign its key: branchloop keys sign."
            )
        for source, (_, certificate) in zip(sources, keys, strict=False):
            self.commands.add(
                source.site, source.device, "reseal",
                {"consent": consent.id, "to": certificate.model_dump(mode="json")},
                consent=consent.id, customer=consent.customer, now_ms=now_ms,
                expires_ms=min(now_ms + ENROL_DAYS * DAY_MS, consent.expires_ms),
            )  # fmt: skip
            self._holder(consent, source, "leaving", now_ms)
        for spare in sources[len(keys) :]:
            self._erase(consent, spare, now_ms)
        self.consents.set_site(consent, consent.site, site)
        return replace(consent, moving_to=site)

    def apply_reply(self, site: str, device: str, reply: Reply, now_ms: int) -> Verdict:
        """Take a box's answer, once. `unknown` and `foreign` change nothing."""
        asked = self.commands.find(reply.id)
        if asked is None:
            return "unknown"
        if (asked.site, asked.device) != (site, device):
            return "foreign"
        if asked.state == "done" or (asked.state != "open" and asked.what != "erase"):
            return "again"
        consent = self.consents.find(asked.consent)
        if consent is None:
            return "unknown"
        match asked.what:
            case "erase":
                return self._erased(asked, consent, reply, now_ms)
            case "enrol":
                self.commands.settle(asked.id, "done" if reply.ok else "failed", reply.code, now_ms)
                self._enrolled(asked, consent, now_ms)
            case "reseal":
                return self._resealed(asked, consent, reply, now_ms)
            case "adopt":
                self.commands.settle(asked.id, "done" if reply.ok else "failed", reply.code, now_ms)
                self._adopted(asked, consent, reply, now_ms)
        return "applied"

    def expire(self, now_ms: int) -> int:
        """End commands that no box answered in time; their photos go with them."""
        gone = self.commands.expired(now_ms)
        for asked in gone:
            self.commands.settle(asked.id, "expired", "expired", now_ms)
            consent = self.consents.find(asked.consent)
            if consent is None:
                continue
            if asked.what == "enrol":
                self._enrolled(asked, consent, now_ms)
            elif asked.what in {"reseal", "adopt"} and consent.moving_to is not None:
                self._stay(asked, consent, "expired", now_ms)
        return len(gone)

    def kiosk_gave(self, consent: Consent, device: str, now_ms: int) -> None:
        """A customer consented, and was enrolled, at the kiosk."""
        if self.consents.find(consent.id) is None:
            self.consents.put(consent)
            self._receipt("given", consent, now_ms)
            self.consents.set_holder(consent.id, consent.site, device, "enrolled", now_ms)

    def deleted_early(self, consent_id: str, site: str, device: str, now_ms: int) -> bool:
        """A box has deleted a template by its own clock; whether its customer must enrol there anew.

        Not where the consent ends within the hour, nor where the box held none.
        """
        consent = self.consents.find(consent_id)
        if consent is None or not consent.holds(now_ms + HOUR_MS):
            return False
        held = (site, device, "enrolled")
        if held not in {(each.site, each.device, each.state) for each in self.consents.holders(consent_id)}:
            return False
        self.consents.set_holder(consent_id, site, device, "failed", now_ms, "deleted")
        return True

    def _end(self, consent: Consent, state: State | None, now_ms: int) -> Consent:
        self.commands.cancel(consent.id, _ON_THE_WAY, now_ms)
        for holder in self.consents.holders(consent.id):
            if holder.state not in {"erased", "erasing"}:
                self._erase(consent, holder, now_ms)
        state = state or state_after_withdrawal(self.consents.holders(consent.id))
        ended = replace(consent, state=state, withdrawn_ms=None if state == "expired" else now_ms)
        self.consents.set_state(ended, state, ended.withdrawn_ms)
        return ended

    def _erase(self, consent: Consent, holder: Holder, now_ms: int) -> None:
        self.commands.add(
            holder.site, holder.device, "erase", {"consents": [consent.id]},
            consent=consent.id, customer=consent.customer, now_ms=now_ms,
            expires_ms=now_ms + ERASE_DAYS * DAY_MS,
        )  # fmt: skip
        self._holder(consent, holder, "erasing", now_ms)

    def _erased(self, asked: Asked, consent: Consent, reply: Reply, now_ms: int) -> Verdict:
        if not reply.ok:
            return "wrong"  # asked again: a deletion is not given up
        self.commands.settle(asked.id, "done", reply.code, now_ms)
        self.consents.set_holder(consent.id, asked.site, asked.device, "erased", now_ms)
        self._receipt("erased", consent, now_ms, box=(asked.site, asked.device))
        still = any(holder.may_hold for holder in self.consents.holders(consent.id))
        if consent.state == "pending" and not still:
            self.consents.set_state(consent, "withdrawn", consent.withdrawn_ms)
        return "applied"

    def _enrolled(self, asked: Asked, consent: Consent, now_ms: int) -> None:
        if consent.state != "given":
            return
        sent = [
            other
            for other in self.commands.of_consent(consent.id, "enrol")
            if other.device == asked.device and other.state != "cancelled"
        ]
        codes = {int(other.body["index"]): other.code for other in sent}
        state, reason = enrolment_state(codes, int(asked.body["of"]))
        before = next((h for h in self.consents.holders(consent.id) if h.device == asked.device), None)
        if before is None or before.state != state:
            self.consents.set_holder(consent.id, asked.site, asked.device, state, now_ms, reason)
            if state == "enrolled":
                self._receipt("enrolled", consent, now_ms, box=(asked.site, asked.device))

    def _resealed(self, asked: Asked, consent: Consent, reply: Reply, now_ms: int) -> Verdict:
        to = BoxCertificate.model_validate(asked.body["to"])
        if not reply.ok:
            self.commands.settle(asked.id, "failed", reply.code, now_ms)
            self._stay(asked, consent, reply.code, now_ms)
            return "applied"
        try:
            template = Sealed.model_validate(reply.body.get("template", reply.body))
        except ValidationError:
            return "wrong"
        self.commands.settle(asked.id, "done", reply.code, now_ms)
        self.consents.set_holder(consent.id, asked.site, asked.device, "erased", now_ms, "handed over")
        self._receipt("erased", consent, now_ms, box=(asked.site, asked.device))
        self.commands.add(
            to.site, to.device, "adopt",
            {
                "consent": consent.id, "customer": consent.customer, "expires_ms": consent.expires_ms,
                "template": template.model_dump(mode="json"),
            },
            consent=consent.id, customer=consent.customer, now_ms=now_ms,
            expires_ms=min(now_ms + ENROL_DAYS * DAY_MS, consent.expires_ms),
        )  # fmt: skip
        self.consents.set_holder(consent.id, to.site, to.device, "waiting", now_ms)
        return "applied"

    def _adopted(self, asked: Asked, consent: Consent, reply: Reply, now_ms: int) -> None:
        if consent.state != "given":
            return
        if not reply.ok:
            self._stay(asked, consent, reply.code, now_ms)
            return
        self.consents.set_holder(consent.id, asked.site, asked.device, "enrolled", now_ms)
        self.consents.set_site(consent, asked.site, None)
        self._receipt("moved", replace(consent, site=asked.site), now_ms, box=(asked.site, asked.device))

    def _stay(self, asked: Asked, consent: Consent, reason: str, now_ms: int) -> None:
        """A hand-over that did not work: the old box keeps its template, or enrolling again is needed."""
        state: Literal["enrolled", "failed"] = "enrolled" if asked.what == "reseal" else "failed"
        self.consents.set_holder(consent.id, asked.site, asked.device, state, now_ms, reason)
        site = consent.site if asked.what == "reseal" else asked.site
        self.consents.set_site(consent, site, None)

    def _holder(
        self, consent: Consent, holder: Holder, state: Literal["leaving", "erasing"], now_ms: int
    ) -> None:
        self.consents.set_holder(consent.id, holder.site, holder.device, state, now_ms, holder.reason)

    def _receipt(
        self,
        event: Literal["given", "enrolled", "withdrawn", "erased", "moved", "expired"],
        consent: Consent,
        now_ms: int,
        box: tuple[str, str] | None = None,
    ) -> None:
        text = receipt(self._key, event, consent, now_ms, box=box)
        self.consents.add_receipt(consent.id, event, now_ms, text)
