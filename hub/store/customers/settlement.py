"""What the bank and a partner owe each other for a month: sums, signed, and the same for ever once it is closed.

Lines are counts, never customers: an erasure later changes nothing. A line of fewer than five is told
together with others; the total, which is what is paid for, is always exact.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.clock import DAY_MS, from_ms, iso, local_day_start_ms
from branchloop.errors import InputError
from branchloop.keys.sealing import encode, raw_public
from branchloop.site.site import Site
from hub.config.partners import Partner
from hub.config.value import Value
from hub.loop.receipt import canonical
from hub.loop.value import SMALL, amount

GRACE_MS = DAY_MS
"""A month is closed so long after it ended in the last branch."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One month of a partner; `closed` ones never change."""

    body: Mapping[str, Any]
    closed: bool
    sha256: str
    signature: str | None


def may_close(month: str, sites: Mapping[str, Site], now_ms: int) -> bool:
    """Whether a month is over everywhere, with its grace. Raises InputError for what is no month."""
    _, after = _bounds(month)
    return all(now_ms >= local_day_start_ms(after, site.zone_info) + GRACE_MS for site in sites.values())


def closed(db: sqlite3.Connection, partner: str, month: str) -> Settlement | None:
    """A closed month as it was closed."""
    row = db.execute(
        "SELECT body, sha256, signature FROM settlement WHERE partner=? AND month=?", (partner, month)
    ).fetchone()
    return (
        None if row is None else Settlement(json.loads(row[0]), closed=True, sha256=row[1], signature=row[2])
    )


def counted(
    db: sqlite3.Connection, partner: Partner, month: str, sites: Mapping[str, Site], value: Value
) -> Settlement:
    """A month as it stands now, not signed. Raises InputError for what is no month."""
    start, after = _bounds(month)
    counts: Counter[tuple[str, str]] = Counter()
    rows = db.execute(
        "SELECT min(at_ms), site, service FROM journey_event WHERE partner=? AND stage='served' GROUP BY journey",
        (partner.id,),
    )
    for at_ms, site_id, service in rows:
        site = sites.get(site_id)
        day = from_ms(at_ms, None if site is None else site.zone_info).date()
        if start <= day < after:
            counts[site_id, service or "unknown"] += 1
    served = sum(counts.values())
    body = {
        "v": 1, "partner": partner.id, "month": month, "currency": value.currency, "served": served,
        "owed_per_served": partner.per_served, "owed": _money(partner.per_served, served),
        "worth_per_served": value.per_served, "worth": _money(value.per_served, served),
        "lines": _lines(counts, partner, value),
    }  # fmt: skip
    return Settlement(body, closed=False, sha256=hashlib.sha256(canonical(body)).hexdigest(), signature=None)


def close(
    db: sqlite3.Connection, key: ec.EllipticCurvePrivateKey, found: Settlement, now_ms: int
) -> Settlement:
    """Close a month: signed by the hub, and kept as it is."""
    body = {**found.body, "closed": iso(now_ms), "signer": encode(raw_public(key.public_key()))}
    text = canonical(body)
    digest, signature = hashlib.sha256(text).hexdigest(), encode(key.sign(text, ec.ECDSA(hashes.SHA256())))
    db.execute(
        "INSERT INTO settlement (partner, month, closed_ms, body, sha256, signature) VALUES (?,?,?,?,?,?)",
        (found.body["partner"], found.body["month"], now_ms, text.decode(), digest, signature),
    )
    return Settlement(body, closed=True, sha256=digest, signature=signature)


def _lines(counts: Mapping[tuple[str, str], int], partner: Partner, value: Value) -> list[dict[str, Any]]:
    told = {place: count for place, count in counts.items() if count >= SMALL}
    rest = sum(counts.values()) - sum(told.values())
    if rest and told and (rest < SMALL or len(counts) - len(told) == 1):
        least = min(sorted(told), key=told.__getitem__)  # or the total would give the rest away
        rest += told.pop(least)
    lines: list[tuple[str | None, str | None, int]] = [(*place, told[place]) for place in sorted(told)]
    if rest:
        lines.append((None, None, rest))
    return [
        {
            "site": site, "service": service, "served": count, "owed": _money(partner.per_served, count),
            "worth": _money(value.per_served, count),
        }
        for site, service, count in lines
    ]  # fmt: skip


def _money(each: float | None, count: int) -> float | None:
    return None if each is None else float(amount(each, count))


def _bounds(month: str) -> tuple[date, date]:
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", month):
        raise InputError(f"`month` is {month[:20]!r}.", hint="Write YYYY-MM.")
    year, number = int(month[:4]), int(month[5:])
    return date(year, number, 1), date(year + number // 12, number % 12 + 1, 1)
