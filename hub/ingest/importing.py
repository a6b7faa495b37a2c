"""A history from a file, through the hub's own `apply`.

The file holds one item a line, {"seq", "kind", "body"}, seqs ascending, plain or xz. Its times are
local wall-clock times of the site, counted as if the site lay in UTC; they land on the same wall
clock. Shifted to today, every day moves by whole days so that the history ends today; a history of
whole weeks moves round so that each day keeps its weekday, and with it its opening hours. What would
lie in the future is left out: importing again later the same day brings what has happened since.

The epoch is made of the file's digest and the date it was shifted to, so the same import twice
changes nothing. Shifted to another day, it replaces the earlier one, which would be counted twice.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from branchloop.clock import DAY_MS, WINDOW_MS, from_ms, to_ms
from branchloop.errors import InputError
from branchloop.site.site import Site
from branchloop.wire.batches import MAX_ITEMS, Batch, Item
from branchloop.wire.topics import check_id
from hub.ingest.apply import Applier
from hub.store.interface import Import, Store

_QUARTER_MS = 900_000
_ITEMS_PER_TRANSACTION = 5 * MAX_ITEMS
_TIMES = {"window": ("start_ms",), "notice": ("at_ms",), "dropped": ("first_ms", "last_ms")}
_EPOCH = date(1970, 1, 1)


@dataclass(slots=True)
class Imported:
    """What an import did; `later` items lie in the future, `skipped` ones in an hour that no clock showed: both were left out."""

    items: int
    later: int = 0
    skipped: int = 0
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    replaced: bool = False
    shifted_to: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For the command line."""
        return asdict(self)


def import_items(
    path: Path,
    site: Site,
    device: str,
    *,
    store: Store,
    applier: Applier,
    now_ms: int,
    shift_to_today: bool = False,
) -> Imported:
    """Import a history. Raises InputError for a bad file or a device that holds other data."""
    check_id(device, "device")
    first, last, items = _span(path)
    today = from_ms(now_ms, site.zone_info).date()
    day_of = _to_today(first, last, today) if shift_to_today else lambda day: day
    imported = Imported(items, shifted_to=today.isoformat() if shift_to_today else None)
    digest = _digest(path)
    epoch = hashlib.sha256(f"{digest} {imported.shifted_to}".encode()).hexdigest()[:32]
    record = Import(site.id, device, epoch, digest, imported.shifted_to, now_ms)
    imported.replaced = _make_way(store, record)
    to_utc = _to_utc(site.zone_info, day_of)
    part: list[Item] = []
    for number, raw in _lines(path):
        moved = _moved(path, number, raw, to_utc)
        if moved is None:
            imported.skipped += 1
            continue
        item, end_ms = moved
        item = item.model_copy(update={"seq": item.seq - imported.skipped})  # holes would wait for ever
        if end_ms > now_ms:
            imported.later += 1
            continue
        part.append(item)
        if len(part) == _ITEMS_PER_TRANSACTION:
            _apply(applier, record, part, imported)
            part = []
    _apply(applier, record, part, imported)
    return imported


def _apply(applier: Applier, record: Import, items: list[Item], imported: Imported) -> None:
    batches = [
        # oldest=1: the file still holds everything, so what is left out today is no gap.
        Batch(
            epoch=record.epoch,
            boot=record.epoch,
            oldest=1,
            sent_ms=record.at_ms,
            items=items[at : at + MAX_ITEMS],
        )
        for at in range(0, len(items), MAX_ITEMS)
    ]
    counts = applier.apply_batches(record.site, record.device, batches, record.at_ms)
    imported.stored += counts.stored
    imported.duplicates += counts.duplicates
    imported.quarantined += counts.quarantined


def _make_way(store: Store, record: Import) -> bool:
    """Claim the device for this import; returns whether an earlier one was replaced."""
    with store.transaction() as transaction:
        earlier = transaction.last_import(record.site, record.device)
        strangers = [
            epoch
            for epoch in transaction.epochs(record.site, record.device)
            if earlier is None or epoch != earlier.epoch
        ]
        if strangers:
            raise InputError(
                f"device {record.device!r} of {record.site!r} has sent data of its own.",
                hint="Import under another device id.",
            )
        if earlier is not None and earlier.epoch == record.epoch:
            return False
        if earlier is not None and (earlier.shifted_to is None or record.shifted_to is None):
            raise InputError(
                f"device {record.device!r} of {record.site!r} holds another import already.",
                hint="Import under another device id, or into a new data_dir.",
            )
        if earlier is not None:
            transaction.forget_device(record.site, record.device)
        transaction.put_import(record)
    return earlier is not None


def _to_today(first: int, last: int, today: date) -> Callable[[int], int]:
    """Day number in the file -> day number it moves to."""
    end, days = (today - _EPOCH).days, last - first + 1
    if days % 7:
        return lambda day: day + end - last
    return lambda day: end - (end - day) % days


def _to_utc(zone: ZoneInfo, day_of: Callable[[int], int]) -> Callable[[int], int | None]:
    """Wall-clock ms of the file -> UTC ms after the shift, None where clocks were set forward over that time."""

    @lru_cache(maxsize=4_096)
    def quarter(number: int) -> int | None:
        day, into_ms = divmod(number * _QUARTER_MS, DAY_MS)
        wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day_of(day), milliseconds=into_ms)
        t_ms = to_ms(wall.replace(tzinfo=zone))
        return t_ms if from_ms(t_ms, zone).replace(tzinfo=UTC) == wall else None

    def to_utc(wall_ms: int) -> int | None:
        number, into_ms = divmod(wall_ms, _QUARTER_MS)
        start_ms = quarter(number)
        return None if start_ms is None else start_ms + into_ms

    return to_utc


def _moved(
    path: Path, number: int, raw: dict[str, Any], to_utc: Callable[[int], int | None]
) -> tuple[Item, int] | None:
    """The item in UTC and its end, None where its time is none."""
    body = dict(raw["body"])
    end_ms = 0
    for key in _TIMES[raw["kind"]]:
        t_ms = to_utc(body[key])
        if t_ms is None:
            return None
        body[key] = t_ms
        end_ms = max(end_ms, t_ms)
    if raw["kind"] == "window":
        end_ms += WINDOW_MS * (body["slots"] if isinstance(body.get("slots"), int) else 1)
    try:
        return Item(seq=raw["seq"], kind=raw["kind"], body=body), end_ms
    except ValidationError as error:
        raise _bad_line(path, number, f"its seq is {raw['seq']!r}") from error


def _span(path: Path) -> tuple[int, int, int]:
    """First and last day (number) of the file, and how many items it holds."""
    first, last, count, before = 2**62, -1, 0, 0
    for number, raw in _lines(path):
        times = [raw["body"][key] for key in _TIMES[raw["kind"]]]
        first, last, count = min(first, *times), max(last, *times), count + 1
        if not isinstance(raw["seq"], int) or raw["seq"] <= before:
            raise _bad_line(path, number, f"its seq {raw['seq']!r} does not follow {before}")
        before = raw["seq"]
    if count == 0:
        raise InputError(f"{path} holds no item.", hint="One JSON item a line is expected.")
    return first // DAY_MS, last // DAY_MS, count


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and items, checked as far as their times go."""
    try:
        with lzma.open(path, "rb") if path.suffix == ".xz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _item(path, number, line)
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(f"{path} is not a sound xz file: {error}.", hint="Fetch or make it anew.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error


def _item(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _bad_line(path, number, "it is not JSON") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("body"), dict) or "seq" not in raw:
        raise _bad_line(path, number, "it is not an item with seq, kind and body")
    if raw.get("kind") not in _TIMES:
        raise _bad_line(path, number, f"its kind {raw.get('kind')!r} is none of {', '.join(_TIMES)}")
    for key in _TIMES[raw["kind"]]:
        value = raw["body"].get(key)
        if not isinstance(value, int) or not 0 <= value < 4_102_444_800_000:
            raise _bad_line(path, number, f"its {key} is {value!r}, not a time in ms")
    return raw


def _bad_line(path: Path, number: int, what: str) -> InputError:
    return InputError(
        f"{path}, line {number}: {what}.", hint='Each line must be {"seq": 1, "kind": "window", "body": {…}}.'
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
