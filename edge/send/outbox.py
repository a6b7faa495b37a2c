"""The durable outbox: a message is *produced* once it is committed here, and stays until the hub has it.

SQLite in WAL mode with synchronous=FULL. `seq` comes from AUTOINCREMENT in the INSERT and is never used
again, even after the outbox has drained. `append` commits in groups; `append_now` commits at once and tells
the seq. What cannot be committed (disk full or away) waits in memory and is tried again, in order. What is
refused for good was not produced: it is counted, and reported by a notice as soon as one can be committed
again. Nothing here reads a clock: times come from the messages.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from branchloop.clock import iso
from branchloop.errors import DependencyError
from branchloop.wire.arrivals import Attempt, Checkin, ConsentGiven, Walkin
from branchloop.wire.batches import MAX_BATCH_BYTES
from branchloop.wire.messages import Notice, Window
from branchloop.wire.payload import Wire
from branchloop.wire.status import Stuck
from edge.send import rows
from edge.send.outboxfile import CURRENT, OutboxFile
from edge.send.owner import Owner
from edge.send.room import Room, used_bytes

GROUP = 20
GROUP_S = 0.2
HELD = 1_000
"""So many messages wait in memory while none can be committed; the oldest of more are lost and counted."""
RESERVE_BYTES = 16_000_000
"""Appending stops when the disk has less room: acknowledging needs some, and it is what frees the outbox."""
_SLACK_BYTES = 1_000_000
_MARGIN_BYTES = 8_192
_SHARE_IN_FLIGHT = 80
_MAX_BODY_BYTES = MAX_BATCH_BYTES - 4_096
_RETRY_S = 1.0
_LOG = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class _Entry:
    kind: str
    first_ms: int
    last_ms: int
    body: str
    awaited: bool = False
    settled: bool = False
    seq: int | None = None

    def row(self) -> tuple[str, int, int, str]:
        return self.kind, self.first_ms, self.last_ms, self.body


@dataclass(slots=True)
class _Lost:
    count: int
    first_ms: int
    last_ms: int

    def told(self, reason: str | None) -> str:
        span = f"{iso(self.first_ms)} to {iso(self.last_ms)}"
        return f"{self.count} messages of {span} are lost: {reason}"


class Outbox:
    """One box's outbox; several threads and processes may append, one link sends.

    Raises DependencyError when the file cannot be opened or read. A damaged file is set aside, and one that
    was copied or restored starts a new epoch; both can happen at any time: `turn` tells the epoch to send.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = 512_000_000,
        *,
        owner: Owner | None = None,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        """Raises ConfigError where what waits in the file is not `owner`'s."""
        self.path = path
        self.refused = 0
        """Messages that could not be committed: each is a gap."""
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        self._file = OutboxFile(path, None if owner is None else owner.settle)
        self._room = Room()
        self._using = threading.RLock()
        self._appended = threading.Condition()
        self._closing = threading.Event()
        self._pending: list[_Entry] = []
        self._lost: _Lost | None = None
        self._reason: str | None = None
        self._sent: dict[str, int] = {}
        self._opened_at = {self.epoch: self.produced}
        self._data_version = -1
        self._flusher = threading.Thread(target=self._flush_groups, name="outbox", daemon=True)
        self._flusher.start()

    def append(self, kind: str, body: Wire) -> None:
        """Commit with the next 20 messages, or within 200 ms."""
        entry = _entry(kind, body)
        with self._appended:
            self._pending.append(entry)
            group = len(self._pending)
            self._appended.notify()
        if group >= GROUP and self._reason is None:
            self.flush()

    def append_now(self, kind: str, body: Wire) -> int | None:
        """Commit at once, with what is pending; returns the seq, or None when it could not be committed."""
        entry = _entry(kind, body)
        entry.awaited = True
        with self._appended:
            self._pending.append(entry)
        with self._using:
            if not entry.settled:
                self.flush()
        return entry.seq

    def flush(self) -> int | None:
        """Commit what is pending; returns the last seq given, None when nothing was committed."""
        with self._using:
            with self._appended:
                entries, self._pending = self._pending, []
            return self._commit(entries) if entries else None

    def turn(self) -> rows.Turn:
        """Whose turn it is to be sent: a former epoch that still holds something, else the present one."""
        return self._read(rows.turn)

    def take(self, epoch: str, after: int, limit: int, max_bytes: int) -> list[rows.Stored]:
        """The next messages of `epoch` above seq `after`: at most `limit` and about `max_bytes` of them.

        That they are sent is committed before they are returned: what was ever sent is never replaced.
        On a full disk they are returned all the same, or it could never drain; nothing can be replaced
        there either.
        """
        most = min(max_bytes, self._max_bytes // _SHARE_IN_FLIGHT)
        with self._using:
            taken = self._file.read(lambda db: rows.select(db, epoch, after, limit, most))
            if taken and taken[-1].seq > self._sent.get(epoch, 0):
                try:
                    taken = self._file.write(lambda db: rows.select_to_send(db, epoch, after, limit, most))
                except DependencyError as error:
                    _LOG.warning("%s Sending all the same.", error)
                if taken:
                    self._sent[epoch] = taken[-1].seq
        return taken

    def acknowledge(self, epoch: str, upto: int) -> int:
        """Delete what the hub has committed; returns how many messages, 0 if it cannot be done now."""
        with self._using:
            try:
                return self._file.write(lambda db: rows.delete(db, epoch, upto))
            except DependencyError as error:
                _LOG.warning("%s What is acknowledged stays for now.", error)
                return 0

    def disown(self, epoch: str, upto: int) -> bool:
        """Start a new epoch if the hub has seqs of `epoch` that were never given out here; True if so.

        This is then the image of a disk that lived on elsewhere. The hub has all that was in the image;
        what was added since this process opened it is numbered anew.
        """
        with self._using:
            above = self._opened_at.get(epoch, 0)
            if not self._file.write(lambda db: rows.disown(db, epoch, upto, above)):
                return False
            self._file.remarks.append(
                f"the hub has more of epoch {epoch[:8]} than this box produced: a new epoch begins"
            )
        return True

    def others_appended(self) -> bool:
        """Whether another process has changed the outbox since this was last asked."""
        version = self._read(lambda db: int(db.execute("PRAGMA data_version").fetchone()[0]))
        changed = self._data_version not in {-1, version}
        self._data_version = version
        return changed

    @property
    def stuck(self) -> Stuck | None:
        """Why messages wait in memory, and how many: the disk takes none. None while it does."""
        reason = self._reason
        return None if reason is None else Stuck(reason=reason[:300], waiting=len(self._pending))

    @property
    def epoch(self) -> str:
        """The epoch that new messages get."""
        query = "SELECT epoch FROM source WHERE messages = ?"
        return self._read(lambda db: str(db.execute(query, (CURRENT,)).fetchone()[0]))

    @property
    def produced(self) -> int:
        """How many messages of the present epoch were ever committed: the highest seq given."""
        return self._read(lambda db: rows.produced(db, CURRENT))

    @property
    def oldest(self) -> int:
        """The lowest seq held of the present epoch; the next one to come when it holds none."""
        return self._read(lambda db: rows.oldest(db, CURRENT))

    @property
    def depth(self) -> int:
        """How many messages are held, former epochs included."""
        return self._read(rows.held)

    @property
    def held_bytes(self) -> int:
        """Room taken in the file, former epochs included."""
        return self._read(used_bytes)

    def close(self) -> None:
        """Flush and close; what the disk takes no more is lost with this process, and said."""
        self._closing.set()
        with self._appended:
            self._appended.notify()
        self._flusher.join()
        with self._using:
            self.flush()
            with self._appended:
                left, self._pending = self._pending, []
            for entry in left:
                self._lose(entry)
            if self._lost is not None:
                _LOG.warning("%s", self._lost.told(self._reason))
            self._file.close()

    def _commit(self, entries: list[_Entry]) -> int | None:
        remarks = len(self._file.remarks)
        reports = self._reports(entries)
        try:
            self._check_disk()
            self._file.write(lambda db: self._insert(db, [*reports, *entries]))
        except DependencyError as error:
            if self._reason is None:
                _LOG.warning("%s Messages wait in memory.", error)
            cause = error.__cause__
            self._not_committed(entries, str(cause) if isinstance(cause, sqlite3.Error) else error.message)
            return None
        except BaseException as error:  # whoever called hears of it; the messages are not to go down with it
            self._not_committed(entries, str(error))
            raise
        self._room.committed()
        self._reason = self._lost = None
        del self._file.remarks[:remarks]
        for entry in entries:
            entry.settled = True
        return entries[-1].seq

    def _insert(self, db: sqlite3.Connection, entries: list[_Entry]) -> None:
        fresh = sum(len(entry.body) + rows.ENVELOPE_BYTES for entry in entries)
        allowed = self._max_bytes - 2 * fresh - _MARGIN_BYTES  # a page is half full at the least
        if used_bytes(db) > allowed:
            self._room.make(db, allowed - min(_SLACK_BYTES, self._max_bytes // 10), self._sent)
            if used_bytes(db) > allowed:
                raise DependencyError("the outbox is full.", hint="Raise box.outbox_max_mb or mend the link.")
        for entry in entries:
            entry.seq = rows.insert(db, entry.row())

    def _reports(self, entries: list[_Entry]) -> list[_Entry]:
        """Notices of what happened to the outbox, dated by the messages at hand."""
        details = [(entries[-1].last_ms, remark) for remark in self._file.remarks]
        lost = self._lost
        if lost is not None:
            details.append((lost.last_ms, lost.told(self._reason)))
        return [
            _entry("notice", Notice(id=_notice_id(), what="disk", at_ms=at_ms, detail=detail[:300]))
            for at_ms, detail in details
        ]

    def _not_committed(self, entries: list[_Entry], reason: str) -> None:
        """Keep what nobody waits for until it can be committed; tell those who wait that it was not."""
        self._room.rolled_back()
        self._reason = reason
        with self._appended:
            waiting = [entry for entry in entries if not entry.awaited] + self._pending
            self._pending = waiting[-HELD:]
        for entry in [*(entry for entry in entries if entry.awaited), *waiting[:-HELD]]:
            entry.settled, entry.seq = True, None
            self._lose(entry)

    def _lose(self, entry: _Entry) -> None:
        lost = self._lost or _Lost(0, entry.first_ms, entry.last_ms)
        self._lost = _Lost(
            lost.count + 1, min(lost.first_ms, entry.first_ms), max(lost.last_ms, entry.last_ms)
        )
        self.refused += 1

    def _check_disk(self) -> None:
        folder = self.path.parent
        try:
            disk = os.statvfs(folder)
        except OSError as error:
            raise DependencyError(
                f"the outbox's folder {folder} is out of reach: {error.strerror}.",
                hint="Check box.data_dir and its disk.",
            ) from error
        if disk.f_bavail * disk.f_frsize < self._reserve_bytes:
            raise DependencyError("the disk is full.", hint="Free some space.")

    def _flush_groups(self) -> None:
        while not self._closing.is_set():
            with self._appended:
                self._appended.wait_for(lambda: self._pending or self._closing.is_set())
            self._closing.wait(GROUP_S if self._reason is None else _RETRY_S)
            self.flush()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._using:
            return self._file.read(work)


def _notice_id() -> str:
    return f"disk-{secrets.token_hex(8)}"


def _entry(kind: str, body: Wire) -> _Entry:
    text = body.to_json()
    first_ms, last_ms = _span_ms(body)
    size = len(text.encode())
    if size > _MAX_BODY_BYTES:
        _LOG.warning("a %s of %d bytes is too large for any batch; a tombstone takes its place", kind, size)
        kind, text = rows.DROPPED, kind
    return _Entry(kind, first_ms, last_ms, text)


def _span_ms(body: Wire) -> tuple[int, int]:
    match body:
        case Window():
            return body.start_ms, body.start_ms + body.duration_ms
        case Notice() | Checkin() | Walkin() | Attempt() | ConsentGiven():
            return body.at_ms, body.at_ms
    raise TypeError(f"{type(body).__name__} does not travel through the outbox")
