"""Queues as tiles and tables: who waits, how long others did, and the same time a week ago. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from branchloop.clock import reached
from branchloop.kpis import BY_KEY
from branchloop.text.catalogue import Language, duration, label, say
from dashboard import tiles
from dashboard.plan import named

RECENT = timedelta(minutes=30)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Then:
    """The hub's answer about the queues over the same time a week ago."""

    start: datetime
    end: datetime
    answer: Mapping[str, Any]

    def words(self, zone: ZoneInfo, spoken: Language, key: str = "change.last") -> str:
        """That time as people say it; `key` has its words."""
        start, end = self.start.astimezone(zone), self.end.astimezone(zone)
        day = say(f"day.{start.weekday()}", spoken)
        return say(key, spoken, day=day, start=f"{start:%H:%M}", end=f"{end:%H:%M}")

    def of(self, queue: str) -> Mapping[str, Any] | None:
        """One queue of then."""
        return next((item for item in self.answer["items"] if item["id"] == queue), None)


def span_of(live: Mapping[str, Any], zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The half hour that ended at this minute of the branch's clock, a week ago."""
    now = datetime.fromisoformat(live["server_time"]).astimezone(zone).replace(second=0, microsecond=0)
    end = reached(now - WEEK).astimezone(UTC)
    return end - RECENT, end


def tiles_of(
    branch: Mapping[str, Any],
    live: Mapping[str, Any],
    then: Then | None,
    names: Mapping[str, str],
    spoken: Language,
    zone: ZoneInfo,
) -> list[str]:
    """Length and wait of the longest queue; nothing for a branch without any."""
    if not live["queues"]:
        return []
    queue = max(live["queues"], key=lambda each: each["waiting"]["value"] or 0)
    # What is no longer known of now has not changed since then.
    before = then.of(queue["id"]) if then is not None and not live["stale"] else None
    words = then.words(zone, spoken) if then is not None else ""
    # Who waits at this moment is held against half an hour.
    mean = then.words(zone, spoken, "change.mean") if then is not None else ""
    labels = [label("queue_length", spoken), label("wait_median", spoken)]
    if len(live["queues"]) > 1:
        name = zone_names(branch, spoken).get(queue["id"], queue["id"])
        labels = [say("queue.of", spoken, label=each, name=name) for each in labels]
    length, wait = queue["waiting"], queue["wait"]
    nobody = queue["served"] == 0
    return [
        tiles.tile(
            labels[0],
            length,
            spoken,
            zone,
            stale=bool(live["stale"]),
            change=tiles.change(
                length["value"],
                before["length_mean"] if before else None,
                BY_KEY["queue_length"].better,
                mean,
                spoken,
                lambda people: f"{people:.1f}".removesuffix(".0"),
            ),
            names=names,
            now=live["server_time"],
        ),
        tiles.tile(
            labels[1],
            wait,
            spoken,
            zone,
            stale=bool(live["stale"]),
            shown=_about(queue, spoken),
            note=say("queue.recent", spoken) if wait["value"] is not None else "",
            why=say("queue.none_served", spoken) if nobody else "",
            change=tiles.change(
                wait["value"],
                before["wait_median_s"] if before else None,
                BY_KEY["wait_median"].better,
                words,
                spoken,
                lambda seconds: duration(seconds, spoken),
            ),
            names=names,
            now=live["server_time"],
        ),
    ]


def now_table(branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language) -> str:
    """Every queue right now and over the last half hour; who waits is a dash where nothing was heard lately."""
    names = zone_names(branch, spoken)
    rows = [
        [
            names.get(queue["id"], queue["id"]),
            _count(None if live["stale"] else queue["waiting"]["value"]),
            duration(queue["wait"]["value"], spoken),
            _count(queue["served"]),
            _count(queue["abandoned"]),
        ]
        for queue in live["queues"]
    ]
    heads = ("queue", "queue.now", "queue.median", "queue.served", "queue.left")
    return tiles.table([say(key, spoken) for key in heads], rows)


def table(
    branch: Mapping[str, Any], queues: list[dict[str, Any]], spoken: Language, *, quantiles: bool
) -> str:
    """Every queue over some time; medians and percentiles only where they can be told."""
    names = zone_names(branch, spoken)
    heads = ["queue", "queue.served", "queue.left", *(["queue.median", "queue.p90"] if quantiles else [])]
    rows, notes = [], []
    for queue in queues:
        name = names.get(queue["id"], queue["id"])
        row = [name, _count(queue["served"]), _left(queue)]
        if quantiles:
            row += [duration(queue["wait_median_s"], spoken), duration(queue["wait_p90_s"], spoken)]
        rows.append(row)
        if queue["lost"]:
            notes.append(say("queue.lost", spoken, name=name, value=f"{queue['lost']:,}"))
    below = "".join(f'<div class="bl-note">{escape(note)}</div>' for note in notes)
    return tiles.table([say(key, spoken) for key in heads], rows) + below


def zone_names(branch: Mapping[str, Any], spoken: Language) -> dict[str, str]:
    """Names of the zones by id."""
    return {zone["id"]: named(zone, spoken) for zone in branch["zones"]}


def _about(queue: Mapping[str, Any], spoken: Language) -> tuple[str, str] | None:
    """The wait as people say it, with the range of nine out of ten."""
    median, low, high = queue["wait"]["value"], queue["wait_p10_s"], queue["wait_p90_s"]
    if median is None:
        return None
    minutes = median >= 90
    unit = say("unit.min" if minutes else "unit.s", spoken)
    value, least, most = (f"{each / 60 if minutes else each:.0f}" for each in (median, low, high))
    return say("wait.about", spoken, value=value), say("wait.range", spoken, unit=unit, low=least, high=most)


def _left(queue: Mapping[str, Any]) -> str:
    left, served = queue["abandoned"], queue["served"]
    if left is None:
        return "—"
    ended = left + (served or 0)
    return f"{left:,} ({100 * left / ended:.0f} %)" if ended else f"{left:,}"


def _count(value: float | None) -> str:
    return "—" if value is None else f"{value:,.0f}"
