"""Whose face an attempt has shown, among templates that consents still hold; and making the template of one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchloop.agreement.consent import VERSION
from branchloop.clock import DAY_MS
from branchloop.site.kiosk import Kiosk
from branchloop.text.catalogue import Language
from branchloop.wire.arrivals import ConsentGiven
from branchloop.wire.commands import Expected
from edge.checkin.post import Post
from edge.checkin.vault import Vault
from edge.kiosk.protect import Protection
from edge.kiosk.threshold import VERIFY, Threshold, decide, template, threshold


class Recognition:
    """The templates of one kiosk."""

    def __init__(self, kiosk: Kiosk, vault: Vault, post: Post) -> None:
        self.protection = Protection(vault.turn_key)
        self._kiosk = kiosk
        self._vault = vault
        self._post = post

    def match(
        self, shown: Sequence[NDArray[Any]], wanted: Sequence[Expected], now_ms: int, *, named: bool
    ) -> Expected | None:
        """Compare with the one named (verify), or with those who are expected now (identify)."""
        by_consent = {each.consent: each for each in wanted if each.consent is not None}
        held = [each for each in self._vault.templates(now_ms) if each.consent in by_consent]
        if not held:
            return None
        probes = self.protection.apply(np.stack(shown))
        scores = probes @ np.stack([each.vector for each in held]).T
        limit = (
            Threshold(VERIFY, 0.0, 1, extrapolated=False) if named else threshold(self._kiosk.fpir, len(held))
        )
        index = decide(np.asarray(scores), limit)
        return by_consent.get(held[index].consent) if index is not None else None

    def enrol(self, shown: Sequence[NDArray[Any]], target: Expected, language: Language, now_ms: int) -> bool:
        """Make a template of whoever has shown the code and agreed; the consent travels with the outbox.

        False when there is no room for it: then nothing was made.
        """
        consent = secrets.token_hex(16)
        expires_ms = now_ms + self._kiosk.consent_days * DAY_MS
        given = ConsentGiven(
            id=secrets.token_hex(8), at_ms=now_ms, consent=consent, appointment=target.id,
            text_version=VERSION, language=language, expires_ms=expires_ms,
        )  # fmt: skip
        seq = self._post.send("consent", given)
        if seq is None:
            return False
        vector = self.protection.apply(template(list(shown)))
        self._vault.keep(consent, vector, expires_ms, seq)
        self._post.urgent()
        return True
