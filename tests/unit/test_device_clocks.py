"""A device whose clock is behind is told from one whose batches were long on their way, by what the hub had acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from box import T0_MS, Box, make_site, window

from branchloop.clock import HOUR_MS, MINUTE_MS, window_start_ms
from branchloop.wire.batches import Batch, Item
from hub.ingest.apply import Applier
from hub.ingest.device_clocks import BEHIND_LIMIT_MS
from hub.ingest.walltime import WallTime
from hub.store.sqlite import SqliteStore

SITE = make_site()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path)
    yield store
    store.close()


class Way:
    """A box, the broker between, and a hub; `now_ms` is the true time, which the hub's clock shows but for `hub_off_ms`."""

    def __init__(self, store: SqliteStore, behind_ms: int = 0) -> None:
        self.now_ms, self.behind_ms, self.hub_off_ms = T0_MS + 20_000, behind_ms, 0
        self.outbox = Box()
        self.boot = "ab" * 8
        self.kept: list[dict[str, Any]] = []
        """What the broker keeps for the hub: sent, not arrived."""
        self._store = store
        self.start_hub()

    def start_hub(self) -> None:
        """A process of ingest that remembers nothing."""
        self._clock = WallTime(None, wall_ms=self.hub_ms, monotonic_s=lambda: self.now_ms / 1000)
        self._applier = Applier(self._store, {SITE.id: SITE}, self.hub_ms, clock=self._clock)

    def hub_ms(self) -> int:
        return self.now_ms + self.hub_off_ms

    def box_ms(self) -> int:
        return self.now_ms - self.behind_ms

    def sends(self, seqs: list[int] | None = None) -> None:
        """A window of now; or these once more."""
        if seqs is None:
            body = window(window_start_ms(self.box_ms()) - 5_000)
            seqs = [self.outbox.produce("window", body)]
        more = {"oldest": self.outbox.oldest, "sent_ms": self.box_ms(), "boot": self.boot}
        self.kept.append({"seqs": seqs, **more})

    def arrives(self, *, hears: bool = True) -> None:
        """All that the broker keeps, each batch with its acknowledgement, which the box hears at once or never."""
        for batch in self.kept:
            ack = self._applier.apply(*self.outbox.payload(arrived_ms=self.hub_ms(), **batch))
            assert ack is not None
            if hears:
                self.outbox.oldest = max(self.outbox.oldest, ack.upto + 1)
        self.kept.clear()

    def goes(self, seconds: int, *, hears: bool = True) -> None:
        """As always: every 5 s a batch that arrives at once."""
        for _ in range(seconds // 5):
            self.now_ms += 5_000
            self.sends()
            self.arrives(hears=hears)

    def told(self) -> int | None:
        """As stored."""
        (found,) = self._store._db.execute("SELECT behind_ms FROM device_status").fetchone()
        assert found is None or isinstance(found, int)
        return found

    def alarms(self) -> list[str]:
        return [what for (what,) in self._store._db.execute("SELECT what FROM alarm")]


def test_a_clock_that_is_behind_from_the_start_is_told_with_the_second_batch(store: SqliteStore) -> None:
    """The first might have been an hour on its way; the second knows of an acknowledgement."""
    way = Way(store, behind_ms=HOUR_MS)
    way.goes(5)
    assert (way.told(), way.alarms()) == (None, [])
    way.goes(5)
    assert (way.told(), way.alarms()) == (HOUR_MS, ["past"])
    (detail,) = store._db.execute("SELECT detail FROM alarm").fetchone()
    assert detail.endswith("its clock is behind")


def test_what_a_slow_clock_tells_of_now_is_news_and_a_backlog_is_not(store: SqliteStore) -> None:
    """Of an hour ago by its own clock; what came before that was known, and what really is as old, is silent."""
    way = Way(store, behind_ms=HOUR_MS)
    way.goes(10)
    way.outbox.produce("window", window(window_start_ms(way.box_ms()) - HOUR_MS))
    way.sends([3])
    way.arrives()
    way.goes(5)
    news = "SELECT json_extract(body, '$.start_ms') FROM feed WHERE event='window' ORDER BY id"
    first_ms = window_start_ms(T0_MS + 20_000) - HOUR_MS - 5_000
    assert [start_ms for (start_ms,) in store._db.execute(news)] == [first_ms + 10_000, first_ms + 15_000]


@pytest.mark.parametrize("behind_ms", [-30_000, 0, BEHIND_LIMIT_MS])
def test_a_clock_within_the_limit_is_right(store: SqliteStore, behind_ms: int) -> None:
    way = Way(store, behind_ms=behind_ms)
    way.goes(60)
    assert (way.told(), way.alarms()) == (0, [])


@pytest.mark.parametrize("stopped", [True, False], ids=["a new process", "the same process"])
def test_batches_that_the_broker_kept_are_delayed_and_nothing_else(store: SqliteStore, stopped: bool) -> None:
    """The hub was down, or did not get on, for ten minutes: what was sent meanwhile arrives at once, resends among it."""
    way = Way(store)
    way.goes(30)
    for _ in range(120):
        way.now_ms += 5_000
        way.sends()
        if way.now_ms % 60_000 < 5_000:
            way.sends(list(range(way.outbox.oldest, len(way.outbox.items) + 1)))
    way.now_ms += 2 * MINUTE_MS
    if stopped:
        way.start_hub()
    way.arrives(hears=False)
    assert way.alarms() == []
    assert way.told() == (None if stopped else 0)
    way.arrives()
    way.goes(5)
    assert (way.told(), way.alarms()) == (0, [])


def test_a_slow_network_is_no_slow_clock(store: SqliteStore) -> None:
    """Three minutes there and three minutes back, for every batch and every acknowledgement."""
    way = Way(store)
    under_way: list[tuple[int, list[dict[str, Any]]]] = []
    acks: list[tuple[int, int]] = []
    for _ in range(240):
        way.now_ms += 5_000
        for at_ms, oldest in acks:
            if at_ms == way.now_ms:
                way.outbox.oldest = oldest
        way.sends()
        under_way.append((way.now_ms + 3 * MINUTE_MS, way.kept))
        way.kept = []
        if under_way[0][0] == way.now_ms:
            known, way.kept = way.outbox.oldest, under_way.pop(0)[1]
            way.arrives()
            acks.append((way.now_ms + 3 * MINUTE_MS, way.outbox.oldest))
            way.outbox.oldest = known
    assert (way.told(), way.alarms()) == (None, [])


def test_a_backlog_after_an_outage_is_of_a_right_clock(store: SqliteStore) -> None:
    """Its windows are hours old, but it is sent now; where the clock is behind, that shows all the same."""
    for behind_ms, told in ((0, 0), (HOUR_MS, HOUR_MS)):
        way = Way(store, behind_ms=behind_ms)
        way.outbox.device = f"box-{told}"
        for n in range(100):
            way.outbox.produce("window", window(T0_MS - 3 * HOUR_MS + 5_000 * n))
        for first in range(1, 100, 20):
            way.now_ms += 200
            way.sends(list(range(first, first + 20)))
            way.arrives()
        rows = store._db.execute("SELECT behind_ms FROM device_status WHERE device=?", (way.outbox.device,))
        assert rows.fetchone() == (told,)


def test_what_a_restored_hub_never_had_proves_nothing(store: SqliteStore) -> None:
    """The box knows of acknowledgements that a lost copy gave; batches of an hour wait at the broker."""
    way = Way(store)
    for _ in range(20):
        way.outbox.produce("window", window(window_start_ms(way.now_ms) - HOUR_MS))
    way.outbox.oldest = 21
    for _ in range(20):
        way.now_ms += 5_000
        way.sends()
    way.now_ms += HOUR_MS
    way.arrives(hears=False)
    assert (way.told(), way.alarms()) == (None, ["gap"])
    way.outbox.oldest = len(way.outbox.items) + 1
    way.goes(10)
    assert (way.told(), way.alarms()) == (0, ["gap"])


def test_acknowledgements_that_are_lost_prove_nothing(store: SqliteStore) -> None:
    """Nobody can tell a slow clock then; with the first that is heard it shows."""
    way = Way(store, behind_ms=HOUR_MS)
    way.goes(60, hears=False)
    assert (way.told(), way.alarms()) == (None, [])
    way.goes(10)
    assert (way.told(), way.alarms()) == (HOUR_MS, ["past"])


def test_a_hub_whose_own_clock_leapt_judges_none(store: SqliteStore) -> None:
    """An hour ahead: every box looks behind; and nothing of that is remembered once it is put right."""
    way = Way(store)
    way.goes(30)
    way.hub_off_ms = 2 * HOUR_MS
    way.goes(60)
    assert way.alarms() == []
    way.hub_off_ms = 0
    way.goes(60)
    assert (way.told(), way.alarms()) == (0, [])


def test_a_hub_whose_clock_is_set_back_a_little_calls_nobody_behind(store: SqliteStore) -> None:
    """By less than what makes a leap, with a box that is nearly a minute behind."""
    way = Way(store, behind_ms=50_000)
    way.hub_off_ms = 5_000
    way.goes(30)
    way.hub_off_ms = -45_000
    way.goes(60)
    assert (way.told(), way.alarms()) == (0, [])


def test_it_ends_when_the_clock_is_set(store: SqliteStore) -> None:
    """And begins again when the machine comes up at its last saved time, as another boot or within the same."""
    way = Way(store, behind_ms=HOUR_MS)
    way.goes(30)
    way.behind_ms = 0
    way.goes(5)
    assert way.told() == 0
    way.behind_ms, way.boot = 3 * HOUR_MS, "cd" * 8
    way.goes(10)
    assert way.told() == 3 * HOUR_MS
    way.behind_ms = 0
    way.goes(5)
    way.behind_ms = 2 * HOUR_MS
    way.goes(5)
    assert way.told() == 2 * HOUR_MS


def test_who_sends_seldom_is_judged_by_what_can_be_known(store: SqliteStore) -> None:
    """A kiosk's next message comes minutes after its last acknowledgement: an hour shows, two minutes do not."""
    for behind_ms, told in ((HOUR_MS, HOUR_MS), (2 * MINUTE_MS, None), (0, 0)):
        way = Way(store, behind_ms=behind_ms)
        way.outbox.device = f"kiosk-{behind_ms}"
        for _ in range(4):
            way.now_ms += 4 * MINUTE_MS
            way.sends()
            way.arrives()
        rows = store._db.execute("SELECT behind_ms FROM device_status WHERE device=?", (way.outbox.device,))
        assert rows.fetchone() == (told,)


def test_imported_history_judges_no_clock(store: SqliteStore) -> None:
    way = Way(store)
    applier = Applier(store, {SITE.id: SITE}, way.hub_ms)
    for seq in (1, 2, 3):
        body = window(T0_MS - HOUR_MS + 5_000 * seq)
        item = Item(seq=seq, kind="window", body=body)
        batch = Batch(epoch="e" * 32, boot="e" * 32, oldest=seq, sent_ms=body["start_ms"], items=[item])
        applier.apply_batches("hall", "box-1", [batch], way.now_ms)
    assert (way.told(), way.alarms()) == (None, [])
