"""The SQLite back end: WAL, synchronous=FULL; BEGIN IMMEDIATE is the lock of every cursor."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from branchloop.errors import DependencyError
from hub.store.connection import BUSY_TIMEOUT_MS, connect, prepare
from hub.store.figures import sqlite_pruning, sqlite_rollups
from hub.store.figures.sums import Bucket, Level, RollUp
from hub.store.interface import (
    ALARM_SILENCE_MS,
    MAX_ENVELOPES,
    Alarm,
    Cursor,
    Fate,
    FeedEvent,
    Import,
    KnownGap,
    Latest,
    Message,
    NoticeRow,
    Prunable,
    Quarantined,
    StatusRow,
    Stored,
    Unstorable,
)
from hub.store.schema.core import DATABASE

_MESSAGE = "site, device, epoch, seq, kind, event_ms, arrived_ms, digest, body, treatment, open_hours"
_NOTICE = "site, device, id, at_ms, what, line, direction, subject, state, detail"
_OF_A_DEVICE = (
    "cursor", "message", "quarantine", "known_gap", "alarm", "notice", "latest", "device_status", "feed",
    "imported", *sqlite_rollups.ROLLUP_TABLES,
)  # fmt: skip


class SqliteTransaction:
    """Implements `hub.store.interface.Transaction`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @property
    def db(self) -> sqlite3.Connection:
        return self._db

    def lock_cursor(self, site: str, device: str, epoch: str) -> Cursor:
        row = self._db.execute(
            "SELECT upto, sparse FROM cursor WHERE site=? AND device=? AND epoch=?", (site, device, epoch)
        ).fetchone()
        if row is None:
            return Cursor(site, device, epoch)
        return _cursor(site, device, epoch, *row)

    def put_cursor(self, cursor: Cursor) -> None:
        self._db.execute(
            "INSERT INTO cursor (site, device, epoch, upto, sparse) VALUES (?,?,?,?,?) "
            "ON CONFLICT DO UPDATE SET upto = excluded.upto, sparse = excluded.sparse",
            (cursor.site, cursor.device, cursor.epoch, cursor.upto, json.dumps(cursor.sparse)),
        )

    def insert_messages(self, messages: Iterable[Message]) -> None:
        self._db.executemany(
            f"INSERT INTO message ({_MESSAGE}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    m.site, m.device, m.epoch, m.seq, m.kind, m.event_ms, m.arrived_ms, m.digest, m.body,
                    m.treatment, int(m.open_hours),
                )
                for m in messages
            ],
        )  # fmt: skip

    def stored(self, site: str, device: str, epoch: str, seqs: Collection[int]) -> dict[int, Stored]:
        found: dict[int, Stored] = {}
        wanted = iter(seqs)
        while part := list(islice(wanted, 500)):
            marks = ",".join("?" * len(part))
            for table in ("quarantine", "message"):
                for seq, kind, digest in self._db.execute(
                    f"SELECT seq, kind, digest FROM {table} "
                    f"WHERE site=? AND device=? AND epoch=? AND seq IN ({marks})",
                    (site, device, epoch, *part),
                ):
                    found[seq] = Stored(kind, digest)
        return found

    def quarantine(self, entries: Iterable[Quarantined]) -> None:
        for entry in entries:
            if entry.seq is None and self._envelopes(entry.site, entry.device) >= MAX_ENVELOPES:
                continue
            self._db.execute(
                "INSERT OR IGNORE INTO quarantine "
                "(site, device, epoch, seq, kind, reason, arrived_ms, digest, size, body, cause, v) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    entry.site, entry.device, entry.epoch, entry.seq, entry.kind, entry.reason,
                    entry.arrived_ms, entry.digest, entry.size, entry.body, entry.cause, entry.v,
                ),
            )  # fmt: skip

    def record_gaps(self, gaps: Iterable[KnownGap]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO known_gap "
            "(site, device, epoch, from_seq, to_seq, reason, at_ms, kind, count, first_ms, last_ms) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    g.site, g.device, g.epoch, g.from_seq, g.to_seq, g.reason, g.at_ms, g.kind, g.count,
                    g.first_ms, g.last_ms,
                )
                for g in gaps
            ],
        )  # fmt: skip

    def raise_alarm(self, alarm: Alarm) -> bool:
        key = (alarm.site, alarm.device, alarm.what, alarm.key)
        row = self._db.execute(
            "SELECT last_ms FROM alarm WHERE site=? AND device=? AND what=? AND key=?", key
        ).fetchone()
        self._db.execute(
            "INSERT INTO alarm (site, device, what, key, first_ms, last_ms, count, detail) "
            "VALUES (?,?,?,?,?,?,1,?) ON CONFLICT DO UPDATE SET count = count + 1, "
            "last_ms = max(last_ms, excluded.last_ms), detail = excluded.detail",
            (*key, alarm.at_ms, alarm.at_ms, alarm.detail),
        )
        return row is None or alarm.at_ms - row[0] > ALARM_SILENCE_MS

    def add_rollups(self, site: str, device: str, rollups: Mapping[Bucket, RollUp]) -> None:
        sqlite_rollups.add(self._db, site, device, rollups)

    def replace_rollups(
        self, site: str, device: str, buckets: Iterable[Bucket], rollups: Mapping[Bucket, RollUp]
    ) -> None:
        sqlite_rollups.delete(self._db, site, device, buckets)
        sqlite_rollups.add(self._db, site, device, rollups)

    def add_notices(self, notices: Iterable[NoticeRow]) -> None:
        self._db.executemany(
            f"INSERT INTO notice ({_NOTICE}, fate) VALUES (?,?,?,?,?,?,?,?,?,?,'open') ON CONFLICT DO UPDATE SET "
            "at_ms = excluded.at_ms, what = excluded.what, line = excluded.line, direction = excluded.direction, "
            "subject = excluded.subject, state = excluded.state, detail = excluded.detail WHERE notice.what IS NULL",
            [
                (n.site, n.device, n.id, n.at_ms, n.what, n.line, n.direction, n.subject, n.state, n.detail)
                for n in notices
            ],
        )

    def settle_notices(self, site: str, device: str, ids: Iterable[str], fate: Fate, at_ms: int) -> None:
        self._db.executemany(
            "INSERT INTO notice (site, device, id, at_ms, fate) VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET "
            "fate = excluded.fate WHERE notice.fate = 'open' OR excluded.fate = 'withdrawn'",
            [(site, device, notice, at_ms, fate) for notice in ids],
        )

    def put_latest(self, latest: Latest) -> None:
        self._db.execute(
            "INSERT INTO latest (site, device, start_ms, end_ms, arrived_ms, body) VALUES (?,?,?,?,?,?) "
            "ON CONFLICT DO UPDATE SET start_ms = excluded.start_ms, end_ms = excluded.end_ms, "
            "arrived_ms = excluded.arrived_ms, body = excluded.body WHERE excluded.start_ms >= latest.start_ms",
            (latest.site, latest.device, latest.start_ms, latest.end_ms, latest.arrived_ms, latest.body),
        )

    def seen(self, site: str, device: str, arrived_ms: int) -> None:
        self._db.execute(
            "INSERT INTO device_status (site, device, last_seen_ms) VALUES (?,?,?) ON CONFLICT DO UPDATE SET "
            "last_seen_ms = max(last_seen_ms, excluded.last_seen_ms)",
            (site, device, arrived_ms),
        )

    def put_behind(self, site: str, device: str, behind_ms: int | None) -> None:
        self._db.execute(
            "UPDATE device_status SET behind_ms=? WHERE site=? AND device=? AND behind_ms IS NOT ?",
            (behind_ms, site, device, behind_ms),
        )

    def status(self, site: str, device: str) -> StatusRow | None:
        row = self._db.execute(
            "SELECT online, boot, connect_no, at_ms, arrived_ms, body FROM device_status "
            "WHERE site=? AND device=? AND body IS NOT NULL",
            (site, device),
        ).fetchone()
        return None if row is None else StatusRow(site, device, bool(row[0]), *row[1:])

    def put_status(self, status: StatusRow) -> None:
        self._db.execute(
            "INSERT INTO device_status "
            "(site, device, last_seen_ms, online, boot, connect_no, at_ms, arrived_ms, body) "
            "VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET online = excluded.online, boot = excluded.boot, "
            "connect_no = excluded.connect_no, at_ms = excluded.at_ms, arrived_ms = excluded.arrived_ms, "
            "body = excluded.body",
            (
                status.site, status.device, status.arrived_ms, int(status.online), status.boot,
                status.connect_no, status.at_ms, status.arrived_ms, status.body,
            ),
        )  # fmt: skip

    def feed(self, events: Iterable[FeedEvent]) -> None:
        self._db.executemany(
            "INSERT INTO feed (site, device, event, at_ms, body) VALUES (?,?,?,?,?)",
            [(e.site, e.device, e.event, e.at_ms, e.body) for e in events],
        )

    def forget_device(self, site: str, device: str) -> None:
        for table in _OF_A_DEVICE:
            self._db.execute(f"DELETE FROM {table} WHERE site=? AND device=?", (site, device))

    def last_import(self, site: str, device: str) -> Import | None:
        row = self._db.execute(
            "SELECT epoch, file_digest, shifted_to, at_ms FROM imported WHERE site=? AND device=?",
            (site, device),
        ).fetchone()
        return None if row is None else Import(site, device, *row)

    def put_import(self, record: Import) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO imported (site, device, epoch, file_digest, shifted_to, at_ms) "
            "VALUES (?,?,?,?,?,?)",
            (record.site, record.device, record.epoch, record.file_digest, record.shifted_to, record.at_ms),
        )

    def epochs(self, site: str, device: str) -> list[str]:
        rows = self._db.execute("SELECT epoch FROM cursor WHERE site=? AND device=?", (site, device))
        return [row[0] for row in rows]

    def prune(self, what: Prunable, site: str, before_ms: int) -> int:
        return sqlite_pruning.prune(self._db, what, site, before_ms)

    def mend_marks(self, now_ms: int) -> None:
        self._db.execute("UPDATE pruned SET before_ms=? WHERE before_ms>?", (now_ms, now_ms))

    def _envelopes(self, site: str, device: str) -> int:
        row = self._db.execute(
            "SELECT count(*) FROM quarantine WHERE site=? AND device=? AND seq IS NULL", (site, device)
        ).fetchone()
        return int(row[0])


class SqliteStore:
    """Implements `hub.store.interface.Store` on the `hub.db` of a data directory.

    Raises DependencyError when the directory or the database cannot be used.
    """

    def __init__(self, data_dir: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        prepare(data_dir)
        self.path = data_dir / DATABASE
        self._db = connect(self.path, busy_timeout_ms=busy_timeout_ms, any_thread=True)

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        with self._as_errors(), self._begun("IMMEDIATE"):
            yield SqliteTransaction(self._db)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._as_errors(), self._begun("DEFERRED"):
            yield

    def cursors(self, site: str | None = None) -> list[Cursor]:
        with self._as_errors():
            rows = self._db.execute(
                "SELECT site, device, epoch, upto, sparse FROM cursor WHERE site = coalesce(?, site) "
                "ORDER BY site, device, epoch",
                (site,),
            )
            return [_cursor(*row) for row in rows]

    def sites(self) -> list[str]:
        with self._as_errors():
            rows = self._db.execute(
                "SELECT site FROM cursor UNION SELECT site FROM device_status UNION SELECT site FROM quarantine"
            )
            return sorted(row[0] for row in rows)

    def devices(self, site: str) -> list[str]:
        with self._as_errors():
            rows = self._db.execute(
                "SELECT device FROM cursor WHERE site=? UNION SELECT device FROM rollup WHERE site=? AND level='day'",
                (site, site),
            )
            return sorted(row[0] for row in rows)

    def messages(self, site: str, device: str, from_ms: int, to_ms: int) -> Iterator[Message]:
        with self._as_errors():
            rows = self._db.execute(
                f"SELECT {_MESSAGE} FROM message WHERE site=? AND event_ms>=? AND event_ms<? AND device=? "
                "ORDER BY event_ms, id",
                (site, from_ms, to_ms, device),
            )
            for row in rows:
                values = (*row[:-1], bool(row[-1]))
                yield Message(*values)

    def message_days(self, site: str, device: str) -> list[int]:
        with self._as_errors():
            rows = self._db.execute(
                "SELECT DISTINCT event_ms / 86400000 FROM message WHERE site=? AND device=? ORDER BY 1",
                (site, device),
            )
            return [row[0] for row in rows]

    def rollups(self, site: str, device: str, level: Level, from_ms: int, to_ms: int) -> dict[Bucket, RollUp]:
        with self._as_errors():
            return sqlite_rollups.read(self._db, site, device, level, from_ms, to_ms)

    def notice_fates(self, site: str, device: str) -> dict[str, Fate]:
        with self._as_errors():
            rows = self._db.execute("SELECT id, fate FROM notice WHERE site=? AND device=?", (site, device))
            return {row[0]: row[1] for row in rows}

    def pruned_to_ms(self, what: Prunable) -> int:
        with self._as_errors():
            row = self._db.execute("SELECT before_ms FROM pruned WHERE what=?", (what,)).fetchone()
            return row[0] if row else 0

    def heartbeat(
        self,
        worker: str,
        at_ms: int,
        *,
        connected: bool,
        committed_ms: int | None,
        believed_ms: int | None = None,
    ) -> None:
        with self._as_errors():
            self._db.execute(
                "INSERT INTO heartbeat (worker, at_ms, connected, committed_ms, believed_ms) VALUES (?,?,?,?,?) "
                "ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, connected = excluded.connected, "
                "committed_ms = coalesce(excluded.committed_ms, committed_ms), believed_ms = excluded.believed_ms",
                (worker, at_ms, int(connected), committed_ms, believed_ms),
            )

    def last_believed_ms(self) -> int | None:
        with self._as_errors():
            (at_ms,) = self._db.execute("SELECT max(coalesce(believed_ms, at_ms)) FROM heartbeat").fetchone()
        return None if at_ms is None else int(at_ms)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _begun(self, mode: str) -> Iterator[None]:
        self._db.execute(f"BEGIN {mode}")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _as_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeEncodeError) as error:
            raise Unstorable(f"this cannot be stored: {error}.") from error
        except sqlite3.Error as error:
            raise DependencyError(
                f"database {self.path} did not take it: {error}.",
                hint="Nothing is lost: boxes send again. Check disk space and who else writes to the file.",
            ) from error


def _cursor(site: str, device: str, epoch: str, upto: int, sparse: str) -> Cursor:
    return Cursor(site, device, epoch, upto, tuple((first, last) for first, last in json.loads(sparse)))
