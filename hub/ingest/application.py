"""What one transaction of `apply` does: dedupe, derive, gather, and write each row once at its end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from branchloop.clock import ALARM_AGE_MS, FUTURE_LIMIT_MS, iso
from branchloop.site.site import Site
from branchloop.wire.batches import Ack, Dropped
from branchloop.wire.messages import Notice, Window
from branchloop.wire.status import Status
from hub.ingest.checkins import FromKiosk, beyond_kiosk, take_from_kiosk
from hub.ingest.commands import Trust, take_certificate, take_reply
from hub.ingest.device_clocks import DeviceClocks
from hub.ingest.parsing import Delivery, Fault, Prepared, Refused, Replied, Report, Work, event_ms
from hub.ingest.superseding import supersedes
from hub.store.branches.configurations import Configurations
from hub.store.branches.opening import Hours, OpeningHistory
from hub.store.commands import Commands
from hub.store.figures.rollup import collect
from hub.store.figures.sums import Bucket, RollUp
from hub.store.figures.told import Telling, Told, told_twice
from hub.store.interface import (
    Alarm,
    AlarmKind,
    Cursor,
    Fate,
    FeedEvent,
    KnownGap,
    Latest,
    Message,
    NoticeRow,
    Quarantined,
    StatusRow,
    Stored,
    Transaction,
)
from hub.store.sequences import Sequences

ENVELOPE_BYTES = 4_096
"""So much of an unreadable payload is kept for whoever looks into it."""
Outbox = tuple[str, str, str]
"""Site, device, epoch."""
_TWICE: Mapping[str, tuple[AlarmKind, str]] = {
    "outbox": (
        "clone",
        "tells of {} what another outbox of this box has told already; do two boxes run under one id?",
    ),
    "clock": ("clock", "tells of {} what it has told already; its clock was set back."),
}
"""Who told of a window's time before -> the alarm, and why the window is put aside."""
Event = Literal["notice", "window", "status", "alarm"]


@dataclass(slots=True)
class Applied:
    """What became of one payload."""

    ack: Ack | None = None
    before: int | None = None
    """Up to where its outbox was committed before."""
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0


class Application:
    """One transaction in the making."""

    def __init__(
        self,
        transaction: Transaction,
        sites: Mapping[str, Site],
        now_ms: int,
        trust: Trust | None = None,
        latest_ms: int | None = None,
        clocks: DeviceClocks | None = None,
    ) -> None:
        """`latest_ms` is what the time is at most, where the hub's clock may be behind; `clocks` judges those of devices."""
        self._store = transaction
        self._trust = trust
        self._sites = sites
        self._now_ms = now_ms
        self._latest_ms = now_ms if latest_ms is None else latest_ms
        self._clocks = clocks
        self._outboxes: dict[Outbox, Sequences] = {}
        self._fresh: dict[tuple[Outbox, int], Stored] = {}
        self._messages: list[Message] = []
        self._rollups: dict[tuple[str, str], dict[Bucket, RollUp]] = {}
        self._latest: dict[tuple[str, str], Latest] = {}
        self._feed: list[FeedEvent] = []
        self._hours: dict[str, Hours] = {}
        self._telling = Telling(transaction.db)
        self._told: dict[tuple[str, str], dict[int, list[Told]]] = {}

    def lock(self, outboxes: Iterable[Outbox]) -> None:
        """Lock the cursors that will be needed, in one order for all workers, so that none deadlock."""
        for outbox in sorted(set(outboxes)):
            cursor = self._store.lock_cursor(*outbox)
            self._outboxes[outbox] = Sequences(cursor.upto, cursor.sparse)

    def deliver(self, delivery: Delivery) -> Applied:
        """Take a batch."""
        outbox = (delivery.site, delivery.device, delivery.epoch)
        seqs = self._outboxes[outbox]
        if delivery.site in self._sites:
            self._store.seen(delivery.site, delivery.device, delivery.arrived_ms)
            self._judge_clock(delivery)
        self._skip_forgotten(delivery, seqs)
        applied = Applied(before=seqs.upto)
        again: list[Prepared] = []
        self._remember_told(delivery)
        for message in delivery.messages:
            if message.seq in seqs:
                again.append(message)
            elif not seqs.room_for(message.seq):
                self._alarm(delivery, "holes", delivery.epoch, "sends seqs with too many holes between them")
            else:
                self._take(delivery, self._unless_told(delivery, message), applied)
                seqs.add(message.seq)
        applied.duplicates = len(again)
        self._look_for_clones(delivery, outbox, again)
        applied.ack = Ack(epoch=delivery.epoch, upto=seqs.upto)
        return applied

    def take_up(self, delivery: Delivery) -> Applied:
        """Take messages that were put aside and are no longer: their seqs count as committed already."""
        applied = Applied()
        self._remember_told(delivery)
        for message in delivery.messages:
            self._take(delivery, self._unless_told(delivery, message), applied)
        return applied

    def report(self, report: Report) -> Applied:
        """Take a status, unless a newer one is known. A will is the broker's word, kept and told again: nothing was heard of the box."""
        status = report.status
        if status.online:
            self._store.seen(report.site, report.device, report.arrived_ms)
        if supersedes(status, self._store.status(report.site, report.device)):
            body = status.to_json()
            self._store.put_status(
                StatusRow(
                    report.site, report.device, status.online, status.boot, status.connect_no, status.at_ms,
                    report.arrived_ms, body,
                )
            )  # fmt: skip
            self._tell(report.site, report.device, "status", report.arrived_ms, body)
            if status.online:
                self._note_configuration(report, status)
                Commands(self._store.db).at_once(report.site, report.device, self._now_ms)
            if status.certificate is not None and self._trust is not None:
                fault = take_certificate(
                    self._store.db, self._trust, report.site, report.device, status.certificate, self._now_ms
                )
                if fault is not None:
                    self._alarm(report, "certificate", "", fault)
        return Applied()

    def _judge_clock(self, delivery: Delivery) -> None:
        if self._clocks is None:
            return
        behind_ms = self._clocks.behind_ms(delivery.site, delivery.device)
        self._store.put_behind(delivery.site, delivery.device, behind_ms)
        if behind_ms:
            shown = f"{iso(delivery.sent_ms)} when it was {iso(delivery.arrived_ms)}"
            self._alarm(delivery, "past", "", f"sent a batch at {shown}; its clock is behind")

    def _note_configuration(self, report: Report, status: Status) -> None:
        site = self._sites.get(report.site)
        if site is not None and site.box is not None and site.box.id == report.device:
            Configurations(self._store.db).heard(report.site, report.device, status, self._now_ms)

    def replied(self, replied: Replied) -> Applied:
        """Take a box's answer to a command; one that was taken before changes nothing."""
        self._store.seen(replied.site, replied.device, replied.arrived_ms)
        if self._trust is not None:
            fault = take_reply(
                self._store.db, self._trust, replied.site, replied.device, replied.reply, self._now_ms
            )
            if fault is not None:
                self._alarm(replied, "reply", "", fault)
        return Applied()

    def refuse(self, refused: Refused) -> Applied:
        """Keep the beginning of a payload that cannot be read; it gets no acknowledgement."""
        self._store.quarantine([
            Quarantined(
                refused.site, refused.device, refused.reason, refused.arrived_ms,
                hashlib.sha256(refused.payload).hexdigest()[:32], refused.payload[:ENVELOPE_BYTES],
                len(refused.payload),
            )
        ])  # fmt: skip
        self._alarm(refused, "envelope", "", f"sent a payload that cannot be read: {refused.reason}")
        return Applied(quarantined=1)

    def finish(self) -> None:
        """Write what was gathered; the transaction is ready to be committed."""
        self._store.insert_messages(self._messages)
        for (site, device), rollups in self._rollups.items():
            self._store.add_rollups(site, device, rollups)
        for latest in self._latest.values():
            self._store.put_latest(latest)
        self._store.feed(self._feed)
        for (site, device, epoch), seqs in self._outboxes.items():
            self._store.put_cursor(Cursor(site, device, epoch, seqs.upto, seqs.runs))

    def _remember_told(self, delivery: Delivery) -> None:
        """What counts already of the times that this batch tells of."""
        place = (delivery.site, delivery.device)
        windows = [message.body for message in delivery.messages if isinstance(message.body, Window)]
        for told in self._telling.near(*place, windows):
            self._add_told(place, told)

    def _add_told(self, place: tuple[str, str], told: Told) -> None:
        by_slot = self._told.setdefault(place, {})
        for slot_ms in told.starts():
            known = by_slot.setdefault(slot_ms, [])
            if told not in known:  # read anew with the next batch
                known.append(told)

    def _unless_told(self, delivery: Delivery, message: Prepared) -> Prepared:
        """As it is, or put aside if it is a window of a time that is told already."""
        site = self._sites.get(delivery.site)
        if site is None or not isinstance(message.body, Window):
            return message
        place = (delivery.site, delivery.device)
        twice = told_twice(message.body, delivery.epoch, self._told.get(place, {}))
        if twice is None and self._telling.is_full(
            site, delivery.device, message.body, self._rollups.get(place, {})
        ):
            twice = "clock"
        if twice is None:
            return message
        reason = _TWICE[twice][1].format(iso(message.body.start_ms))
        return replace(message, body=None, fault=Fault(twice, reason))

    def _skip_forgotten(self, delivery: Delivery, seqs: Sequences) -> None:
        """The box holds nothing below `oldest`: what is missing there was acknowledged by a lost copy."""
        missing = seqs.jump(delivery.oldest - 1)
        if not missing:
            return
        self._store.record_gaps(
            KnownGap(delivery.site, delivery.device, delivery.epoch, first, last, "restored", self._now_ms)
            for first, last in missing
        )
        count = sum(last - first + 1 for first, last in missing)
        self._alarm(delivery, "gap", delivery.epoch, f"no longer holds {count} messages that are not here")

    def _take(self, delivery: Delivery, message: Prepared, applied: Applied) -> None:
        outbox = (delivery.site, delivery.device, delivery.epoch)
        self._fresh[outbox, message.seq] = Stored(message.kind, message.digest)
        site = self._sites.get(delivery.site)
        beyond = None if site is None else beyond_kiosk(site, delivery.device, message.body)
        if beyond is not None:
            message = replace(message, body=None, fault=Fault("kiosk", beyond))
        if site is not None and isinstance(message.body, FromKiosk):
            taken = take_from_kiosk(
                self._store.db, self._trust, site, delivery.device, message.body, self._now_ms
            )
            if taken.fault is not None:
                message = replace(message, body=None, fault=Fault("kiosk", taken.fault))
            if taken.alarm is not None:
                self._alarm(delivery, "kiosk", "", taken.alarm)
        if message.body is None or site is None:
            self._put_aside(delivery, message)
            applied.quarantined += 1
            return
        at_ms = event_ms(message.body)
        future = at_ms > max(delivery.arrived_ms, self._latest_ms) + FUTURE_LIMIT_MS
        is_open = isinstance(message.body, Window) and self._was_open(site, at_ms)
        self._messages.append(
            Message(
                *outbox, message.seq, message.kind, at_ms, delivery.arrived_ms, message.digest, message.text,
                "future" if future else "applied", is_open,
            )
        )  # fmt: skip
        applied.stored += 1
        if isinstance(message.body, Dropped):
            self._dropped(delivery, message.seq, message.body)
        elif future:  # what a kiosk tells counts nevertheless: its customer stands there
            self._alarm(delivery, "future", "", f"sent a {message.kind} of {iso(at_ms)}; its clock is ahead")
        elif isinstance(message.body, FromKiosk):
            pass  # taken above
        elif isinstance(message.body, Window):
            self._window(delivery, site, message.body, message.text, open_hours=is_open)
        else:
            self._notice(delivery, message.body)

    def _was_open(self, site: Site, at_ms: int) -> bool:
        """By the hours of then: what waited in a box may be older than those of today."""
        hours = self._hours.get(site.id)
        if hours is None:
            hours = self._hours[site.id] = OpeningHistory(self._store.db).of(site, self._now_ms)
        return hours.is_open(at_ms)

    def _window(self, delivery: Delivery, site: Site, window: Window, text: str, *, open_hours: bool) -> None:
        place = (delivery.site, delivery.device)
        collect(self._rollups.setdefault(place, {}), window, site.zone_info, open_hours=open_hours)
        end_ms = window.start_ms + window.duration_ms
        self._add_told(place, Told(delivery.epoch, window.start_ms, window.slots, text))
        latest = self._latest.get(place)
        if latest is None or window.start_ms >= latest.start_ms:
            self._latest[place] = Latest(*place, window.start_ms, end_ms, delivery.arrived_ms, text)
        for line in window.lines:
            self._settle(place, line.confirmed, "confirmed", window.start_ms, end_ms)
            self._settle(place, line.withdrawn, "withdrawn", window.start_ms, end_ms)
        summary: dict[str, object] = {
            "start_ms": window.start_ms,
            "end_ms": end_ms,
            "people_end": window.people_end,
            "person_ms": window.person_ms,
            "observed_ms": window.observed_ms,
            "expected_ms": window.expected_ms,
            "lines": {line.line: [line.in_, line.out] for line in window.lines},
        }
        troubled = [camera.camera for camera in window.cameras if camera.state != "up" or camera.fault]
        troubled += [sensor.sensor for sensor in window.sensors if sensor.state != "up" or sensor.fault]
        troubled += [pair.name for pair in window.pairs if pair.wrong]
        if troubled:
            summary["troubled"] = troubled
        self._tell(*place, "window", end_ms, summary)

    def _settle(
        self, place: tuple[str, str], notices: list[str], fate: Fate, at_ms: int, end_ms: int
    ) -> None:
        if notices:
            self._store.settle_notices(*place, notices, fate, at_ms)
        for notice in notices:
            self._tell(*place, "notice", end_ms, {"id": notice, "fate": fate})

    def _notice(self, delivery: Delivery, notice: Notice) -> None:
        place = (delivery.site, delivery.device)
        self._store.add_notices([
            NoticeRow(
                *place, notice.id, notice.at_ms, notice.what, notice.line, notice.direction, notice.subject,
                notice.state, notice.detail,
            )
        ])  # fmt: skip
        self._tell(*place, "notice", notice.at_ms, notice.to_json())

    def _dropped(self, delivery: Delivery, seq: int, dropped: Dropped) -> None:
        self._store.record_gaps([
            KnownGap(
                delivery.site, delivery.device, delivery.epoch, seq, seq, "dropped", self._now_ms, dropped.kind,
                dropped.count, dropped.first_ms, dropped.last_ms,
            )
        ])  # fmt: skip

    def _put_aside(self, delivery: Delivery, message: Prepared) -> None:
        cause = message.fault.cause if message.fault else "unknown site"
        reason = message.fault.reason if message.fault else f"site {delivery.site!r} is not known here."
        body = message.text.encode()
        self._store.quarantine([
            Quarantined(
                delivery.site, delivery.device, reason, delivery.arrived_ms, message.digest, body, len(body),
                message.kind, delivery.epoch, message.seq, cause, message.v,
            )
        ])  # fmt: skip
        if cause in _TWICE:
            self._alarm(delivery, _TWICE[cause][0], delivery.epoch, reason)
        else:
            self._alarm(delivery, "quarantine", cause, f"sent what cannot be applied: {reason}")

    def _look_for_clones(self, delivery: Delivery, outbox: Outbox, again: list[Prepared]) -> None:
        """The same seq with other content comes from a second box that runs on a copy of the outbox.

        A tombstone is no such thing: it stands for content whose acknowledgement was lost.
        """
        unseen = [message.seq for message in again if (outbox, message.seq) not in self._fresh]
        known = self._store.stored(*outbox, unseen) if unseen else {}
        for message in again:
            kept = self._fresh.get((outbox, message.seq)) or known.get(message.seq)
            if kept is None or kept.digest == message.digest or "dropped" in (kept.kind, message.kind):
                continue
            detail = f"sent seq {message.seq} twice with different content; is it cloned?"
            self._alarm(delivery, "clone", delivery.epoch, detail)

    def _alarm(self, source: Work, what: AlarmKind, key: str, detail: str) -> None:
        place = (source.site, source.device)
        if self._store.raise_alarm(Alarm(*place, what, key, source.arrived_ms, detail)):
            body = {"what": what, "detail": detail, "device": source.device}
            self._tell(*place, "alarm", source.arrived_ms, body)

    def _tell(
        self, site: str, device: str, event: Event, at_ms: int, body: Mapping[str, object] | str
    ) -> None:
        """To the feed, unless it is too old for anybody to wait for: a backlog is silent."""
        own = event in {"window", "notice"}  # those are of the device's own time
        behind_ms = self._clocks.behind_ms(site, device) if own and self._clocks is not None else None
        if self._now_ms - (behind_ms or 0) - at_ms < ALARM_AGE_MS:
            text = (
                body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
            )
            self._feed.append(FeedEvent(site, device, event, at_ms, text))
