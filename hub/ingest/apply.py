"""Apply what boxes send: nothing lost, nothing twice.

A message is known by (site, device, epoch, seq). The message, what is derived from it and the cursor
that remembers it are written in one transaction under that cursor's lock, and an acknowledgement is
returned only after the commit: again for every duplicate, since the first may have been lost. What
cannot be applied goes into quarantine under its own seq and counts as committed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from branchloop.site.site import Site
from branchloop.wire.batches import Ack, Batch, Item
from hub.ingest.application import Application, Applied
from hub.ingest.commands import Trust
from hub.ingest.device_clocks import DeviceClocks
from hub.ingest.parsing import (
    Delivery,
    Fault,
    Prepared,
    Refused,
    Replied,
    Report,
    Work,
    read_again,
    read_batch,
    read_payload,
)
from hub.ingest.walltime import WallTime
from hub.store.aside import Aside, release
from hub.store.interface import Store, Unstorable

Payload = tuple[str, bytes, int]
"""Topic, payload, arrival in UTC ms."""


@dataclass(slots=True)
class Counts:
    """What became of several batches."""

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0


class Applier:
    """Applies payloads to a store. Not for use by several threads at once."""

    def __init__(
        self,
        store: Store,
        sites: Mapping[str, Site],
        now_ms: Callable[[], int],
        trust: Trust | None = None,
        clock: WallTime | None = None,
    ) -> None:
        """`clock` looks after the hub's own; without one, `now_ms` is believed."""
        self._store = store
        self._trust = trust
        self._sites = sites
        self._now_ms = now_ms
        self._clock = clock
        self._clocks = DeviceClocks()

    def apply(self, topic: str, payload: bytes, arrived_ms: int) -> Ack | None:
        """Apply one payload; see `apply_many`."""
        return self.apply_many([(topic, payload, arrived_ms)])[0]

    def apply_many(self, payloads: Sequence[Payload]) -> list[Ack | None]:
        """Apply payloads in one transaction; the acknowledgements to publish, None where there is none.

        A status and a payload that cannot be read get none. Never raises for what a payload holds;
        raises DependencyError when the store cannot take it now: nothing is acknowledged, try again.
        """
        work = [read_payload(*payload, self._sites) for payload in payloads]
        for each in work:
            if isinstance(each, Delivery):
                self._hear(each)
        results = self._commit(work, self._clocks)
        for each, applied in zip(work, results, strict=True):
            if isinstance(each, Delivery) and applied.ack is not None and applied.before is not None:
                self._clocks.acknowledged(each, applied.before, applied.ack.upto)
        return [applied.ack for applied in results]

    def _hear(self, delivery: Delivery) -> None:
        if self._clock is not None:
            self._clock.heard(delivery.sent_ms)
            if not self._clock.is_believed():
                self._clocks.forget()
                return
        self._clocks.heard(delivery)

    def apply_batches(self, site: str, device: str, batches: Sequence[Batch], arrived_ms: int) -> Counts:
        """Apply batches that did not come over the broker, in one transaction. Raises as `apply_many`."""
        work = [read_batch(site, device, batch, arrived_ms, self._sites) for batch in batches]
        counts = Counts()
        for applied in self._commit(work):
            counts.stored += applied.stored
            counts.duplicates += applied.duplicates
            counts.quarantined += applied.quarantined
        return counts

    def take_up(self, aside: Sequence[Aside]) -> int:
        """Apply what was put aside and can be read by now, in one transaction; how many were stored.

        What cannot be applied for another reason stays put aside under that one. Raises as `apply_many`.
        """
        read = [(each, message) for each in aside if self._is_news(each, message := self._read_again(each))]
        try:
            with self._store.transaction() as transaction:
                release(transaction.db, [each.id for each, _ in read])
                # what had not come yet when it arrived is still untrue: its arrival alone decides
                application = Application(transaction, self._sites, self._now_ms(), self._trust, latest_ms=0)
                stored = sum(
                    application.take_up(
                        Delivery(*each.outbox, 0, each.arrived_ms, each.arrived_ms, (message,))
                    ).stored
                    for each, message in read
                )
                application.finish()
        except Unstorable:
            return sum(self.take_up([each]) for each in aside) if len(aside) > 1 else 0
        return stored

    @staticmethod
    def _is_news(aside: Aside, message: Prepared) -> bool:
        return message.fault is None or message.fault.cause != aside.cause

    def _read_again(self, aside: Aside) -> Prepared:
        item = Item(seq=aside.seq, kind=aside.kind, v=aside.v, body=json.loads(aside.body))
        return read_again(item, aside.outbox[0], self._sites)

    def _commit(self, work: Sequence[Work], clocks: DeviceClocks | None = None) -> list[Applied]:
        try:
            with self._store.transaction() as transaction:
                latest_ms = None if self._clock is None else self._clock.latest_ms()
                application = Application(
                    transaction, self._sites, self._now_ms(), self._trust, latest_ms, clocks
                )
                application.lock([(w.site, w.device, w.epoch) for w in work if isinstance(w, Delivery)])
                results = [_take(application, each) for each in work]
                application.finish()
        except Unstorable as error:
            return self._commit_apart(work, clocks, error)
        return results

    def _commit_apart(
        self, work: Sequence[Work], clocks: DeviceClocks | None, error: Unstorable
    ) -> list[Applied]:
        """One message among these cannot be stored: find it and put it, and only it, into quarantine."""
        if len(work) > 1:
            return [applied for each in work for applied in self._commit([each], clocks)]
        only = work[0]
        if not isinstance(only, Delivery):
            raise error
        if len(only.messages) > 1:
            total = Applied()
            for message in only.messages:
                part = self._commit([replace(only, messages=(message,))], clocks)[0]
                total.ack = part.ack
                total.before = part.before if total.before is None else total.before
                total.stored += part.stored
                total.duplicates += part.duplicates
                total.quarantined += part.quarantined
            return [total]
        message = only.messages[0]
        if message.fault is not None:
            raise error
        faulty = replace(message, body=None, fault=Fault("cannot be stored", error.message[:500]))
        return self._commit([replace(only, messages=(faulty,))], clocks)


def _take(application: Application, work: Work) -> Applied:
    match work:
        case Delivery():
            return application.deliver(work)
        case Report():
            return application.report(work)
        case Replied():
            return application.replied(work)
        case Refused():
            return application.refuse(work)
