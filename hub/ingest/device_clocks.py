"""How far the clock of a box or kiosk is behind the hub's, by when it says that it sent its batches. Pure.

A batch that was long on its way looks like one of a slow clock, so no delay is guessed. By the hub's clock a batch was
sent between two moments: not after it arrived, and not before the hub acknowledged the last of what its sender knew to
be acknowledged (`oldest`). What waited while the hub was stopped, a slow network or a resend widen this and prove nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from branchloop.clock import FUTURE_LIMIT_MS
from hub.ingest.parsing import Delivery

BEHIND_LIMIT_MS = FUTURE_LIMIT_MS
"""As far as a clock may be ahead."""
ACKNOWLEDGED = 64
"""So many acknowledgements are remembered of a device; at most 20 batches are in flight."""


@dataclass(slots=True)
class _Sender:
    """One device: it is behind by `least_ms` to `most_ms`, as far as its batches since its start tell."""

    epoch: str
    boot: str
    most_ms: int
    least_ms: int | None = None
    moves: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=ACKNOWLEDGED))
    """(cursor before, cursor after, arrival of the batch that moved it)."""

    def acknowledged_ms(self, seq: int) -> int | None:
        """Before this nobody can have known that `seq` is at the hub."""
        return next((at_ms for before, upto, at_ms in self.moves if before < seq <= upto), None)


class DeviceClocks:
    """What each device's clock shows against the hub's. For use by ingest's one thread."""

    def __init__(self) -> None:
        self._senders: dict[tuple[str, str], _Sender] = {}

    def behind_ms(self, site: str, device: str) -> int | None:
        """How far a clock is certainly behind by more than the limit, 0 where it certainly is not, None where neither is known."""
        sender = self._senders.get((site, device))
        if sender is None:
            return None
        if sender.most_ms <= BEHIND_LIMIT_MS:
            return 0
        if sender.least_ms is not None and sender.least_ms > BEHIND_LIMIT_MS:
            return sender.most_ms
        return None

    def heard(self, delivery: Delivery) -> None:
        """A batch came over the broker, and the hub's clock is believed. Again for the same one changes nothing."""
        place = (delivery.site, delivery.device)
        most_ms = delivery.arrived_ms - delivery.sent_ms
        sender = self._senders.get(place)
        if sender is None or sender.epoch != delivery.epoch:
            self._senders[place] = _Sender(delivery.epoch, delivery.boot, most_ms)
            return
        known_ms = sender.acknowledged_ms(delivery.oldest - 1)
        if known_ms is not None and known_ms > delivery.arrived_ms:  # the hub's own clock was set back
            sender.moves.clear()
            known_ms = None
        least_ms = None if known_ms is None else known_ms - delivery.sent_ms
        if sender.boot == delivery.boot:
            both_ms = max((each for each in (least_ms, sender.least_ms) if each is not None), default=None)
            if both_ms is None or both_ms <= min(most_ms, sender.most_ms):
                sender.least_ms, sender.most_ms = both_ms, min(most_ms, sender.most_ms)
                return
        sender.boot, sender.least_ms, sender.most_ms = delivery.boot, least_ms, most_ms  # it was set since

    def acknowledged(self, delivery: Delivery, before: int, upto: int) -> None:
        """A batch is committed and moved its outbox's cursor; what its sender never had is `before`, too."""
        sender = self._senders.get((delivery.site, delivery.device))
        if sender is not None and sender.epoch == delivery.epoch and upto > before:
            sender.moves.append((before, upto, delivery.arrived_ms))

    def forget(self) -> None:
        """The hub's own clock is not believed: nothing was told by it."""
        self._senders.clear()
