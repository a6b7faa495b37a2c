from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from box import Box, make_site, notice, window

from branchloop.clock import from_ms
from branchloop.errors import InputError
from hub.ingest.apply import Applier
from hub.ingest.importing import Imported, import_items
from hub.ingest.recompute import recompute
from hub.store.sqlite import SqliteStore

BERLIN = make_site("berlin", "Europe/Berlin")
SITES = {BERLIN.id: BERLIN}
DAY_MS = 86_400_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def write(path: Path, bodies: list[dict[str, Any]], kind: str = "window") -> Path:
    lines = [json.dumps({"seq": n, "kind": kind, "body": body}) for n, body in enumerate(bodies, 1)]
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(lzma.compress(text) if path.suffix == ".xz" else text)
    return path


def history(days: int, first: str = "2024-03-04", at: tuple[int, ...] = (9, 16)) -> list[dict[str, Any]]:
    """Windows at these local hours of so many days from `first` on, as if local time were UTC."""
    start = ms(f"{first}T00:00:00+00:00")
    return [window(start + day * DAY_MS + hour * 3_600_000, people=day) for day in range(days) for hour in at]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "data")
    yield store
    store.close()


def run(store: SqliteStore, path: Path, now: str, device: str = "history", *, shift: bool = True) -> Imported:
    now_ms = ms(now)
    applier = Applier(store, SITES, lambda: now_ms)
    return import_items(
        path, BERLIN, device, store=store, applier=applier, now_ms=now_ms, shift_to_today=shift
    )


def starts(store: SqliteStore, device: str = "history") -> list[datetime]:
    found = store.messages("berlin", device, 0, 2**53)
    return [from_ms(m.event_ms, BERLIN.zone_info) for m in found]


def test_three_days_end_today_at_the_same_wall_clock(store: SqliteStore, tmp_path: Path) -> None:
    """Nine o'clock stays nine o'clock on the site's wall, on both sides of a change of the clock."""
    path = write(tmp_path / "history.ndjson.xz", history(3))
    imported = run(store, path, "2026-03-30T21:00:00+00:00")  # the clock changed on the 29th
    assert (imported.items, imported.stored, imported.later) == (6, 6, 0)
    assert [(t.day, t.hour) for t in starts(store)] == [
        (28, 9),
        (28, 16),
        (29, 9),
        (29, 16),
        (30, 9),
        (30, 16),
    ]
    assert recompute(store, SITES) | {"differences": []} == {
        "equal": True, "days": 3, "windows": 6, "skipped_days": 0, "difference_count": 0, "differences": [],
        "written": False,
    }  # fmt: skip


def test_an_hour_that_no_clock_showed_is_left_out(store: SqliteStore, tmp_path: Path) -> None:
    """On the day clocks go forward, 02:00 to 03:00 is none: it does not come before the true hour of 03:00."""
    path = write(tmp_path / "history.ndjson", history(3, at=(1, 2, 3)))
    imported = run(store, path, "2026-03-30T21:00:00+00:00")
    assert (imported.stored, imported.skipped, imported.quarantined) == (8, 1, 0)
    assert [(t.day, t.hour) for t in starts(store)] == [
        *[(28, hour) for hour in (1, 2, 3)], (29, 1), (29, 3), *[(30, hour) for hour in (1, 2, 3)],
    ]  # fmt: skip
    assert store.cursors()[0].upto == 8
    again = run(store, path, "2026-03-30T21:30:00+00:00")
    assert (again.stored, again.duplicates) == (0, 8)


def test_whole_weeks_keep_their_weekdays(store: SqliteStore, tmp_path: Path) -> None:
    """Fourteen days end today, each once, and every day of the file lands on its own weekday."""
    first = date(2024, 3, 4)  # a Monday
    run(
        store,
        write(tmp_path / "history.ndjson", history(14, first.isoformat(), (9,))),
        "2026-03-26T21:00:00+00:00",
    )
    landed = starts(store)
    assert [t.date().isoformat() for t in landed] == [f"2026-03-{day:02}" for day in range(13, 27)]
    people = [json.loads(m.body)["people_end"] for m in store.messages("berlin", "history", 0, 2**53)]
    assert sorted(people) == list(range(14))
    assert [n % 7 for n in people] == [t.weekday() for t in landed]


def test_the_same_import_twice_changes_nothing(store: SqliteStore, tmp_path: Path) -> None:
    """A second import on the same day finds only duplicates."""
    path = write(tmp_path / "history.ndjson", history(3))
    run(store, path, "2026-03-30T21:00:00+00:00")
    again = run(store, path, "2026-03-30T21:30:00+00:00")
    assert (again.stored, again.duplicates, again.replaced) == (0, 6, False)


def test_what_has_not_happened_yet_comes_when_it_has(store: SqliteStore, tmp_path: Path) -> None:
    """At noon the afternoon is left out; an import in the evening brings it."""
    path = write(tmp_path / "history.ndjson", history(3))
    noon = run(store, path, "2026-03-30T10:00:00+00:00")
    assert (noon.stored, noon.later) == (5, 1)
    evening = run(store, path, "2026-03-30T21:00:00+00:00")
    assert (evening.stored, evening.duplicates, evening.later) == (1, 5, 0)
    assert store.cursors()[0].upto == 6


def test_an_import_of_another_day_replaces_the_first(store: SqliteStore, tmp_path: Path) -> None:
    """The next day the history ends a day later, and nothing of the first import is counted."""
    path = write(tmp_path / "history.ndjson", history(3))
    run(store, path, "2026-03-25T21:00:00+00:00")
    later = run(store, path, "2026-03-26T21:00:00+00:00")
    assert (later.stored, later.replaced) == (6, True)
    assert {t.day for t in starts(store)} == {24, 25, 26}
    assert recompute(store, SITES)["equal"]
    days = store.rollups("berlin", "history", "day", 0, 2**53).values()
    assert [rollup.totals.windows for rollup in days] == [2, 2, 2]


def test_an_unshifted_import_is_never_replaced(store: SqliteStore, tmp_path: Path) -> None:
    """Another file for a device that holds one as it was recorded is refused; another device takes it."""
    run(store, write(tmp_path / "one.ndjson", history(1)), "2026-03-30T21:00:00+00:00", shift=False)
    assert starts(store)[0].isoformat() == "2024-03-04T09:00:00+01:00"
    other = write(tmp_path / "two.ndjson", history(2))
    for shift in (True, False):
        with pytest.raises(InputError, match="another import") as error:
            run(store, other, "2026-03-30T21:00:00+00:00", shift=shift)
        assert "device" in error.value.hint
    assert run(store, other, "2026-03-30T21:00:00+00:00", "history-2").stored == 4


def test_a_device_with_data_of_its_own_is_not_overwritten(store: SqliteStore, tmp_path: Path) -> None:
    """An import never deletes or joins what a box has sent."""
    box = Box(site="berlin")
    box.produce("window", window())
    Applier(store, SITES, lambda: 0).apply(*box.payload())
    with pytest.raises(InputError, match="data of its own"):
        run(store, write(tmp_path / "one.ndjson", history(1)), "2026-03-30T21:00:00+00:00", "box-1")


def test_notices_move_along(store: SqliteStore, tmp_path: Path) -> None:
    """Other kinds than windows are shifted as well."""
    at_ms = ms("2024-03-04T09:00:00+00:00")
    run(store, write(tmp_path / "one.ndjson", [notice("n-1", at_ms)], "notice"), "2026-03-30T21:00:00+00:00")
    assert starts(store)[0].isoformat() == "2026-03-30T09:00:00+02:00"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.ndjson", b"\n", "no item"),
        ("bad.ndjson", b'{"seq": 1}\n', "line 1"),
        ("json.ndjson", b"{\n", "not JSON"),
        ("kind.ndjson", b'{"seq":1,"kind":"weather","body":{}}', "weather"),
        ("time.ndjson", b'{"seq":1,"kind":"window","body":{"start_ms":"now"}}', "start_ms"),
        ("cut.ndjson.xz", lzma.compress(b"x" * 100)[:-20], "xz"),
        ("plain.ndjson.xz", b"hello", "xz"),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_stored(
    store: SqliteStore, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    """The error names file, line and remedy, and the store is untouched."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=told) as error:
        run(store, path, "2026-03-30T21:00:00+00:00")
    assert name in error.value.message
    assert error.value.hint
    assert store.cursors() == []


def test_a_file_that_is_not_there_is_named(store: SqliteStore, tmp_path: Path) -> None:
    """A wrong name is an error of one sentence."""
    with pytest.raises(InputError, match="cannot be read"):
        run(store, tmp_path / "nowhere.ndjson", "2026-03-30T21:00:00+00:00")


def test_seqs_must_ascend(store: SqliteStore, tmp_path: Path) -> None:
    """A file that uses a seq twice would lose a message; it is refused."""
    path = tmp_path / "twice.ndjson"
    line = json.dumps({"seq": 1, "kind": "window", "body": window()})
    path.write_text(f"{line}\n{line}\n")
    with pytest.raises(InputError, match="does not follow"):
        run(store, path, datetime(2026, 3, 30, 21, tzinfo=UTC).isoformat())
