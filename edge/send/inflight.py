"""What to send when: batches in flight, cumulative acknowledgements, resends. Pure: times are passed in.

States of a seq: waiting → in flight → acknowledged. Sending goes on from `sent`; an acknowledgement
moves `acked` to the maximum seen; a reconnect, a new birth of the hub or a time-out that backs off
puts everything unacknowledged back to waiting. A PUBACK of the broker means nothing here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

MAX_BATCHES = 20
FIRST_TIMEOUT_S = 10.0
LONGEST_TIMEOUT_S = 120.0


@dataclass(slots=True)
class InFlight:
    """One outbox's conversation with the hub; `epoch` names the outbox."""

    epoch: str
    acked: int = 0
    sent: int = 0
    resends: int = 0
    batches: list[int] = field(default_factory=list)
    _timeout_s: float = FIRST_TIMEOUT_S
    _since_s: float = 0.0
    _hub_boot: str | None = None
    _random: random.Random = field(default_factory=random.Random)

    def may_send(self) -> bool:
        """Whether another batch may go out."""
        return len(self.batches) < MAX_BATCHES

    def published(self, last_seq: int, now_s: float) -> None:
        """A batch up to `last_seq` went out."""
        if not self.batches:
            self._since_s = now_s
        self.batches.append(last_seq)
        self.sent = max(self.sent, last_seq)

    def acknowledged(self, epoch: str, upto: int, now_s: float) -> bool:
        """The hub holds everything up to `upto`; True when that is news about this outbox.

        An acknowledgement above what was sent is not believed.
        """
        if epoch != self.epoch or upto <= self.acked or upto > self.sent:
            return False
        self.acked = upto
        self.batches = [last for last in self.batches if last > upto]
        self._since_s, self._timeout_s = now_s, FIRST_TIMEOUT_S
        return True

    def connected(self) -> None:
        """A new connection: what is unacknowledged goes out again."""
        self._rewind()

    def hub_born(self, boot: str) -> bool:
        """The hub is there; a new boot may have lost what it had not committed: True if so."""
        if boot == self._hub_boot:
            return False
        self._hub_boot = boot
        self._rewind()
        return True

    def tick(self, now_s: float) -> bool:
        """True when the acknowledgement is overdue and everything unacknowledged goes out again."""
        if not self.batches or now_s - self._since_s < self._timeout_s:
            return False
        self._timeout_s = min(LONGEST_TIMEOUT_S, self._timeout_s * 2) * self._random.uniform(0.8, 1.2)
        self._since_s = now_s
        self._rewind()
        return True

    def _rewind(self) -> None:
        if self.batches:
            self.resends += 1
        self.batches.clear()
        self.sent = self.acked
