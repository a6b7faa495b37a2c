"""Opening hours over time: the past is judged by the hours that were in force then, not by today's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from branchloop.clock import from_ms, local_day_end_ms
from branchloop.errors import ConfigError
from branchloop.site.opening import Opening
from branchloop.site.site import Site, parse_site
from hub.store.figures.rekeying import rekey
from hub.store.figures.stretch import Span
from hub.store.interface import Store

_FIELDS = ("timezone", "hours", "closed_on", "special_hours")
_END_MS = 2**62
Version = tuple[int, Opening]
"""Since when (UTC ms), and which hours."""


@dataclass(frozen=True, slots=True)
class Hours:
    """The opening hours of a branch, each with the time that it was in force. Pure."""

    versions: tuple[Version, ...]

    @classmethod
    def always(cls, hours: Opening) -> Self:
        """The same hours all the time."""
        return cls(((0, hours),))

    def spans(self, span: Span) -> list[Span]:
        """Opening spans within a stretch, in order. A day whose hours were changed has some of both."""
        found: list[Span] = []
        ends = [*(since_ms for since_ms, _ in self.versions[1:]), _END_MS]
        for (since_ms, hours), until_ms in zip(self.versions, ends, strict=True):
            at_ms, end_ms = max(span[0], since_ms), min(span[1], until_ms)
            while at_ms < end_ms:
                day = from_ms(at_ms, hours.zone_info).date()
                for start, end in hours.open_spans_ms(day):
                    first, last = max(start, at_ms), min(end, end_ms)
                    if first >= last:
                        continue
                    if found and found[-1][1] == first == since_ms:
                        first = found.pop()[0]
                    found.append((first, last))
                at_ms = local_day_end_ms(day, hours.zone_info)
        return found

    def open_ms(self, span: Span) -> int:
        """Opening time within a stretch."""
        return sum(end - start for start, end in self.spans(span))

    def is_open(self, t_ms: int) -> bool:
        """Whether the branch was open at a moment."""
        return bool(self.spans((t_ms, t_ms + 1)))


class OpeningHistory:
    """What is kept of branches' hours, inside whatever transaction the connection is in."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def of(self, site: Site, now_ms: int) -> Hours:
        """The hours of a branch over time; those it has now hold from now on where they were not noted yet."""
        kept = self._kept(site.id)
        if not kept:
            return Hours.always(site)
        versions = [(since_ms, _parsed(text)) for since_ms, text in kept]
        if kept[-1][1] != _text(site):
            versions.append((max(now_ms, kept[-1][0] + 1), site))
        return Hours(tuple(versions))

    def note(self, site: Site, now_ms: int) -> None:
        """Keep the hours that a branch has from now on, if they are others than the last.

        The first time those of the versions published so far are kept too. What was before the first of all is
        not known any more, and is judged by that one.
        """
        kept = self._kept(site.id)
        if not kept:
            kept = self._published(site, now_ms)
            self._db.executemany(
                "INSERT INTO opening_hours (site, since_ms, hours) VALUES (?,?,?)",
                [(site.id, *version) for version in kept],
            )
        text = _text(site)
        if not kept or kept[-1][1] != text:
            since_ms = max(now_ms, kept[-1][0] + 1) if kept else 0
            self._db.execute(
                "INSERT INTO opening_hours (site, since_ms, hours) VALUES (?,?,?)", (site.id, since_ms, text)
            )

    def zones(self, site: Site) -> set[str]:
        """The time zones that a branch is known to have had; none as long as no hours were kept of it."""
        return {_parsed(text).timezone for _, text in self._kept(site.id)}

    def check_zone(self, site: Site) -> None:
        """Raises ConfigError where roll-ups go by another zone than the branch's: a hub's start puts them on its clock."""
        kept = self._kept(site.id)
        zone = _parsed(kept[-1][1]).timezone if kept else site.timezone
        if zone != site.timezone:
            raise ConfigError(
                f"branch {site.id}: its hours and days are kept by {zone}, its time zone is {site.timezone} now.",
                hint="Start the hub anew with this configuration: that makes them anew by the new zone.",
            )

    def _kept(self, site: str) -> list[tuple[int, str]]:
        return self._db.execute(
            "SELECT since_ms, hours FROM opening_hours WHERE site=? ORDER BY since_ms", (site,)
        ).fetchall()

    def _published(self, site: Site, now_ms: int) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        for published_ms, text in self._db.execute(
            "SELECT published_ms, text FROM configuration WHERE site=? AND version<=? AND published_ms<?"
            " ORDER BY version",
            (site.id, site.version, now_ms),
        ):
            try:
                hours = _text(parse_site(text))
            except ConfigError:
                continue  # of a hub that read other texts
            if not found:
                found.append((0, hours))
            elif found[-1][1] != hours and found[-1][0] < published_ms:
                found.append((published_ms, hours))
        return found


class OpeningNotes:
    """Keeps the hours of all branches whenever they change, and puts roll-ups on a changed zone's clock; the store is written to only then."""

    def __init__(
        self, store: Store, sites: Mapping[str, Site], say: Callable[[str], None] = lambda _: None
    ) -> None:
        """`say` is told of branches whose zone was changed."""
        self._store = store
        self._sites = sites
        self._say = say
        self._noted: dict[str, str] = {}

    def tick(self, now_ms: int) -> None:
        """Look at every branch. Raises DependencyError."""
        changed = {
            site.id: text
            for site in self._sites.values()
            if self._noted.get(site.id) != (text := _text(site))
        }
        if not changed:
            return
        with self._store.transaction() as transaction:
            history = OpeningHistory(transaction.db)
            for site_id in changed:
                site = self._sites[site_id]
                if history.zones(site) != {site.timezone}:
                    self._rekey(transaction.db, site)
                history.note(site, now_ms)
        self._noted.update(changed)

    def _rekey(self, db: sqlite3.Connection, site: Site) -> None:
        done = rekey(db, site.id, site.zone_info)
        if done:
            self._say(
                f"branch {site.id}: its hours and days go by {site.timezone} now: {done.made} were made anew, {done.back} are"
                f" told again; {done.aside} of which no minutes are kept are told no longer, until the zone is set back."
            )


def _text(hours: Opening) -> str:
    return hours.model_dump_json(include=set(_FIELDS))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Opening:
    return Opening.model_validate_json(text)
