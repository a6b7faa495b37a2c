"""What to send when: batches in flight, cumulative acknowledgements, resends. Pure: times are passed in.

`sent` runs ahead of `acked` through the seqs of one epoch, batch by batch. An acknowledgement moves `acked`
to the maximum seen. A reconnect, the birth of a hub, or a time-out takes `sent` back to `acked`, so that
everything unacknowledged goes out again; a PUBACK of the broker means nothing here. After a time-out only
one batch at a time tries whether the hub is back, ever more rarely; each acknowledgement doubles that up
to 20. So a hub that is away for a day does not fill its broker with copies.
"""

from __future__ import annotations

import random
from enum import Enum

MAX_BATCHES = 20
FIRST_TIMEOUT_S = 10.0
LONGEST_TIMEOUT_S = 120.0
_JITTER = (0.75, 1.25)


class Verdict(Enum):
    """What an acknowledgement says."""

    NEWS = "news"
    """More is at the hub than was known."""
    OLD = "old"
    """Nothing new."""
    OTHER_EPOCH = "other epoch"
    """About another outbox."""
    BEYOND = "beyond"
    """About messages that were never sent: not believed."""


class InFlight:
    """The conversation with the hub about one epoch.

    `acked` is the highest seq known to be at the hub, `highest` the highest that was ever sent, by former
    processes too: their acknowledgements may still arrive.
    """

    def __init__(
        self, epoch: str, acked: int = 0, highest: int = 0, rng: random.Random | None = None
    ) -> None:
        self.epoch = epoch
        self.acked = acked
        self.sent = acked
        self.highest = max(highest, acked)
        self.resends = 0
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._batches: list[int] = []
        self._most = MAX_BATCHES
        self._timeout_s = FIRST_TIMEOUT_S
        self._deadline_s: float | None = None
        self._hub_boot: str | None = None

    @property
    def in_flight(self) -> int:
        """Batches that went out and are not acknowledged."""
        return len(self._batches)

    @property
    def may_send(self) -> bool:
        """Whether another batch may go out: the messages after `sent`."""
        return len(self._batches) < self._most

    @property
    def deadline_s(self) -> float | None:
        """When `tick` must be called at the latest; None while nothing is in flight."""
        return self._deadline_s

    def published(self, last_seq: int, now_s: float) -> None:
        """The batch after `sent` went out, up to `last_seq`."""
        if last_seq <= self.sent or not self.may_send:
            raise ValueError(f"a batch up to {last_seq} may not follow {self.sent} now")
        self._batches.append(last_seq)
        self.sent = last_seq
        self.highest = max(self.highest, last_seq)
        if self._deadline_s is None:
            self._deadline_s = self._next_deadline_s(now_s)

    def acknowledged(self, epoch: str, upto: int, now_s: float) -> Verdict:
        """The hub says that it holds everything of `epoch` up to `upto`."""
        if epoch != self.epoch:
            return Verdict.OTHER_EPOCH
        if upto <= self.acked:
            return Verdict.OLD
        if upto > self.highest:
            return Verdict.BEYOND
        self.acked = upto
        self.sent = max(self.sent, upto)
        self._batches = [last for last in self._batches if last > upto]
        self._most = min(MAX_BATCHES, self._most * 2)
        self._timeout_s = FIRST_TIMEOUT_S
        self._deadline_s = self._next_deadline_s(now_s) if self._batches else None
        return Verdict.NEWS

    def reconnected(self) -> None:
        """A new connection: the old one may have lost anything."""
        self._resend()

    def hub_born(self, boot: str, *, retained: bool) -> bool:
        """The hub has said that it is there; True when everything unacknowledged goes out again.

        A retained birth was there before anything was sent on this connection, so it only tells whom to
        expect; a new one may follow the loss of all that was sent before it.
        """
        known, self._hub_boot = self._hub_boot, boot
        if boot == known:
            return False
        self._most = MAX_BATCHES
        if retained:
            return False
        return self._resend()

    def tick(self, now_s: float) -> bool:
        """True when an acknowledgement is overdue and everything unacknowledged goes out again."""
        if self._deadline_s is None or now_s < self._deadline_s:
            return False
        self._timeout_s = min(LONGEST_TIMEOUT_S, self._timeout_s * 2)
        self._most = 1
        return self._resend()

    def _next_deadline_s(self, now_s: float) -> float:
        return now_s + self._timeout_s * self._rng.uniform(*_JITTER)

    def _resend(self) -> bool:
        outstanding = self.sent > self.acked
        self.resends += outstanding
        self._batches.clear()
        self._deadline_s = None
        self.sent = self.acked
        return outstanding
