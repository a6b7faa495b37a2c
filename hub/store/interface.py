"""What `apply` and the operator's commands need of a store, whatever database stands behind it.

One conformance suite (tests/contract/test_store_conformance.py) runs against every back end. Times
are UTC ms, durations ms, sums integers. Storing raises DependencyError when the database cannot
take it now (locked, full, broken: nothing is kept, try again) and Unstorable when the data itself
can never be kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from branchloop.errors import InputError
from hub.store.figures.sums import Bucket, Level, RollUp

AlarmKind = Literal[
    "clone",
    "clock",
    "future",
    "past",
    "envelope",
    "quarantine",
    "gap",
    "holes",
    "certificate",
    "reply",
    "kiosk",
]
Fate = Literal["open", "confirmed", "withdrawn"]
Treatment = Literal["applied", "future"]
"""`future` messages are stored but stay out of everything derived from messages."""
Prunable = Literal["message", "minute", "hour", "quarantine", "notice", "alarm", "gap", "feed"]
ALARM_SILENCE_MS = 600_000
MAX_ENVELOPES = 1_000
"""Unreadable envelopes kept per device; further ones are only counted by their alarm."""
Runs = tuple[tuple[int, int], ...]
"""Ascending, disjoint, inclusive ranges of seqs."""


class Unstorable(InputError):  # noqa: N818  a verdict on the data, named as such
    """The data can never be kept, for example because a sum would overflow."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is committed of one outbox: everything up to `upto`, and the runs above it."""

    site: str
    device: str
    epoch: str
    upto: int = 0
    sparse: Runs = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One stored message; `body` is its JSON text. `open_hours` is as decided when it was applied."""

    site: str
    device: str
    epoch: str
    seq: int
    kind: str
    event_ms: int
    arrived_ms: int
    digest: str
    body: str
    treatment: Treatment = "applied"
    open_hours: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """Kind and digest of what is kept under a seq, applied or quarantined."""

    kind: str
    digest: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What could not be applied, and why. `epoch` and `seq` are None when the envelope did not parse."""

    site: str
    device: str
    reason: str
    arrived_ms: int
    digest: str
    body: bytes
    size: int
    kind: str | None = None
    epoch: str | None = None
    seq: int | None = None
    cause: str | None = None
    v: int | None = None


@dataclass(frozen=True, slots=True)
class KnownGap:
    """Seqs that never come: dropped by a full outbox, or acknowledged to a copy of the hub since lost."""

    site: str
    device: str
    epoch: str
    from_seq: int
    to_seq: int
    reason: Literal["dropped", "restored"]
    at_ms: int
    kind: str | None = None
    count: int | None = None
    first_ms: int | None = None
    last_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something an operator must know. The same (site, device, what, key) again only counts up."""

    site: str
    device: str
    what: AlarmKind
    key: str
    at_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice as shown to people; its fate is settled by a later (or earlier) window."""

    site: str
    device: str
    id: str
    at_ms: int
    what: str
    line: str | None = None
    direction: str | None = None
    subject: str | None = None
    state: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest window of a device by event time; `body` is its JSON text."""

    site: str
    device: str
    start_ms: int
    end_ms: int
    arrived_ms: int
    body: str


@dataclass(frozen=True, slots=True)
class StatusRow:
    """Last status of a device that counts; `body` is the JSON text of `branchloop.wire.status.Status`."""

    site: str
    device: str
    online: bool
    boot: str
    connect_no: int
    at_ms: int
    arrived_ms: int
    body: str


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One line of the live feed, written only for events young enough to matter now.

    `body` is JSON text. notice: the Notice, or {"id", "fate"} when a window settles it; window: {"start_ms", "end_ms",
    "people_end", "person_ms", "observed_ms", "expected_ms", "lines": {id: [in, out]}, "troubled": cameras, sensors and
    pairs of cameras that do not work or are not believed, absent when there are none}; status: the Status; alarm: of the wire
    {"what", "detail", "device"}, of quality {"what": "alert", "change", "kind", "subject", "tainted", "evidence"}.
    """

    site: str
    device: str
    event: Literal["notice", "window", "status", "alarm"]
    at_ms: int
    body: str


@dataclass(frozen=True, slots=True)
class Import:
    """A history imported from a file; `shifted_to` is the local date it was shifted to end on."""

    site: str
    device: str
    epoch: str
    file_digest: str
    shifted_to: str | None
    at_ms: int


class Transaction(Protocol):
    """One transaction: all of it is committed when its context ends well, none of it otherwise."""

    @property
    def db(self) -> sqlite3.Connection:
        """For what is kept off the hot path in tables of its own: the book, consents, commands."""
        ...

    def lock_cursor(self, site: str, device: str, epoch: str) -> Cursor:
        """Cursor of an outbox (a fresh one if unknown), locked until the transaction ends."""
        ...

    def put_cursor(self, cursor: Cursor) -> None:
        """Store a cursor that this transaction locked."""
        ...

    def insert_messages(self, messages: Iterable[Message]) -> None:
        """Store new messages; a seq that is already there is Unstorable."""
        ...

    def stored(self, site: str, device: str, epoch: str, seqs: Collection[int]) -> dict[int, Stored]:
        """What is still kept under these seqs; pruned ones are absent."""
        ...

    def quarantine(self, entries: Iterable[Quarantined]) -> None:
        """Keep what cannot be applied. Envelopes are kept once by digest, a bounded number per device."""
        ...

    def record_gaps(self, gaps: Iterable[KnownGap]) -> None:
        """Record seqs that never come; the same range again changes nothing."""
        ...

    def raise_alarm(self, alarm: Alarm) -> bool:
        """Record an alarm, or count it up; True when it is new or was silent for ten minutes."""
        ...

    def add_rollups(self, site: str, device: str, rollups: Mapping[Bucket, RollUp]) -> None:
        """Add increments to the stored buckets. Unstorable if a sum would overflow."""
        ...

    def add_notices(self, notices: Iterable[NoticeRow]) -> None:
        """Store notices not yet known; a fate settled before is kept."""
        ...

    def settle_notices(self, site: str, device: str, ids: Iterable[str], fate: Fate, at_ms: int) -> None:
        """Settle fates, also of notices still to come; withdrawn outranks confirmed."""
        ...

    def put_latest(self, latest: Latest) -> None:
        """Keep the newest window by event time."""
        ...

    def seen(self, site: str, device: str, arrived_ms: int) -> None:
        """Something came from this device; an earlier time changes nothing."""
        ...

    def put_behind(self, site: str, device: str, behind_ms: int | None) -> None:
        """Keep how far the clock of a device that was seen is behind the hub's; None where that is not known."""
        ...

    def status(self, site: str, device: str) -> StatusRow | None:
        """The status that counts now."""
        ...

    def put_status(self, status: StatusRow) -> None:
        """Replace the status that counts."""
        ...

    def feed(self, events: Iterable[FeedEvent]) -> None:
        """Append to the live feed; ids ascend in commit order."""
        ...

    def forget_device(self, site: str, device: str) -> None:
        """Delete everything of a device: used when an imported history is replaced."""
        ...

    def replace_rollups(
        self, site: str, device: str, buckets: Iterable[Bucket], rollups: Mapping[Bucket, RollUp]
    ) -> None:
        """Delete these buckets and store the given ones instead."""
        ...

    def last_import(self, site: str, device: str) -> Import | None:
        """The history imported for this device, if any."""
        ...

    def put_import(self, record: Import) -> None:
        """Remember which history was imported."""
        ...

    def epochs(self, site: str, device: str) -> list[str]:
        """Outboxes known of a device."""
        ...

    def mend_marks(self, now_ms: int) -> None:
        """What was pruned by a clock that was ahead is gone up to now, and no further."""
        ...

    def prune(self, what: Prunable, site: str, before_ms: int) -> int:
        """Delete a site's rows older than that, remember it, and return how many there were."""
        ...


class Store(Protocol):
    """A store: transactions for writing, and the few reads that operators' commands need."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; commit on a good end, roll back otherwise. One at a time per store object."""
        ...

    def cursors(self, site: str | None = None) -> list[Cursor]:
        """All cursors, of one site or of all."""
        ...

    def sites(self) -> list[str]:
        """Sites that anything is stored of."""
        ...

    def devices(self, site: str) -> list[str]:
        """Devices that roll-ups or messages are stored of."""
        ...

    def messages(self, site: str, device: str, from_ms: int, to_ms: int) -> Iterator[Message]:
        """Retained messages with `from_ms <= event_ms < to_ms`, by event time."""
        ...

    def message_days(self, site: str, device: str) -> list[int]:
        """UTC days (ms // 86,400,000) of which messages are retained."""
        ...

    def rollups(self, site: str, device: str, level: Level, from_ms: int, to_ms: int) -> dict[Bucket, RollUp]:
        """Stored buckets that start in `[from_ms, to_ms)`, each grid as one SparseGrid."""
        ...

    def notice_fates(self, site: str, device: str) -> dict[str, Fate]:
        """Notice -> fate, also of notices that were settled before they came."""
        ...

    def pruned_to_ms(self, what: Prunable) -> int:
        """Rows with an earlier event time (start of bucket) may have been pruned; 0 when none ever was."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Reads inside see one moment of the store, whatever is committed meanwhile."""
        ...

    def heartbeat(
        self,
        worker: str,
        at_ms: int,
        *,
        connected: bool,
        committed_ms: int | None,
        believed_ms: int | None = None,
    ) -> None:
        """How an ingest worker fares; an unknown `committed_ms` keeps the one stored.

        `believed_ms` is what time it is, where that is not `at_ms` by the wall clock.
        """
        ...

    def last_believed_ms(self) -> int | None:
        """What time it was at the last heartbeat; None before the first."""
        ...

    def close(self) -> None:
        """Release the database."""
        ...
