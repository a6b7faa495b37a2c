from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from box import T0_MS, Box, dropped, make_site, notice, window
from hypothesis import HealthCheck, given, settings, strategies as st

from branchloop.wire.batches import Ack
from hub.ingest.apply import Applier
from hub.ingest.recompute import recompute
from hub.store.sqlite import SqliteStore

SITE = make_site()
SITES = {SITE.id: SITE}
TOPIC = "branchloop/1/hall/box-1/data"
NASTY: list[Any] = [
    None, True, -1, 0, 2**53 - 1, 2**53, 2**63, 2**64, 10**400, 1e308, 1.5, "", "x" * 2_000, "\x00", "；--", "🦊",
    "'; DROP TABLE message; --", [], {}, [[]] * 50, {"a": {"b": [1]}}, 4_102_444_800_000, 253_402_300_800_000,
]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path_factory.mktemp("hostile"))
    store._db.execute("PRAGMA synchronous=OFF")
    yield store
    store.close()


@pytest.fixture(scope="module")
def applier(store: SqliteStore) -> Applier:
    return Applier(store, SITES, lambda: T0_MS)


def check(store: SqliteStore, ack: Ack | None) -> None:
    """An ack covers nothing but what is stored, put aside or recorded as a gap."""
    if ack is None:
        return
    committed = store._db.execute(
        "SELECT (SELECT count(*) FROM message WHERE epoch=:e AND seq<=:u)"
        " + (SELECT count(*) FROM quarantine WHERE epoch=:e AND seq<=:u)"
        " + (SELECT coalesce(sum(to_seq - from_seq + 1), 0) FROM known_gap WHERE epoch=:e AND reason='restored')",
        {"e": ack.epoch, "u": ack.upto},
    ).fetchone()[0]
    assert committed >= ack.upto


def batch() -> dict[str, Any]:
    box = Box()
    box.produce("window", window())
    box.produce("notice", notice("n-1"))
    box.produce("dropped", dropped())
    box.produce("window", window(T0_MS + 5_000))
    tree: dict[str, Any] = json.loads(box.payload()[1])
    return tree


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield from places(tree[key], (*path, key))


def spoilt(rng: random.Random) -> bytes:
    """A sound batch of a fresh outbox with one to three places replaced, removed, doubled or torn."""
    tree = batch()
    tree["epoch"] = f"{rng.getrandbits(64):016x}"
    for _ in range(rng.randint(1, 3)):
        *path, last = rng.choice(list(places(tree)))
        parent = tree
        for key in path:
            parent = parent[key]
        how = rng.randrange(4)
        if how == 0 and isinstance(parent, dict):
            del parent[last]
        elif how == 1 and isinstance(parent, list):
            parent.insert(0, copy.deepcopy(parent[last]))
        else:
            parent[last] = copy.deepcopy(rng.choice(NASTY))
    payload = json.dumps(tree, ensure_ascii=rng.random() < 0.5).encode()
    if rng.random() < 0.2:
        payload = payload[: rng.randrange(len(payload))]
    if rng.random() < 0.2:
        at = rng.randrange(len(payload) + 1)
        payload = payload[:at] + rng.randbytes(rng.randint(1, 8)) + payload[at + 4 :]
    return payload


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_batches_never_raise_and_never_lie(store: SqliteStore, applier: Applier, seed: int) -> None:
    """150 spoilt batches, each beside a sound one: no error, and no ack beyond what is committed.

    The sound neighbour is always acknowledged in full.
    """
    rng = random.Random(seed)
    taken = 0
    for n in range(150):
        sound = Box(device="box-2", epoch=f"{seed:08x}{n:08x}")
        sound.produce("window", window(T0_MS + 5_000 * rng.randrange(100)))
        acks = applier.apply_many([(TOPIC, spoilt(rng), T0_MS), sound.payload()])
        check(store, acks[0])
        taken += acks[0] is not None
        assert acks[1] == Ack(epoch=sound.epoch, upto=1)
    assert 15 < taken < 135, "some spoilt batches are readable, some are not"
    assert recompute(store, SITES)["equal"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payload=st.binary(max_size=200),
    topic=st.sampled_from([TOPIC, TOPIC[:-4] + "status"]) | st.text(max_size=60),
)
def test_any_bytes_on_any_topic(store: SqliteStore, applier: Applier, payload: bytes, topic: str) -> None:
    """Bytes that are no batch are never acknowledged and never an error."""
    assert applier.apply(topic, payload, T0_MS) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b'{"epoch":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b'{"v":' + b"9" * 100_000 + b"}",
        b"\x00" * 1_000,
    ],
    ids=["deep list", "deep object", "lone surrogate", "byte order mark", "long number", "zeros"],
)
def test_payloads_that_break_parsers(store: SqliteStore, applier: Applier, payload: bytes) -> None:
    """Deep nesting, endless numbers and broken text are refused like any other nonsense."""
    assert applier.apply(TOPIC, payload, T0_MS) is None


@pytest.mark.parametrize(
    "value",
    ["1" * 5_000, "NaN", "-Infinity", "1e999", '"\\ud800"', "[" * 150 + "]" * 150, '"\\u0000"'],
    ids=["long number", "nan", "infinity", "overflow", "lone surrogate", "deep", "nul"],
)
def test_unknown_fields_with_hostile_values(store: SqliteStore, applier: Applier, value: str) -> None:
    """An unknown field is ignored or its payload refused, whatever JSON allows it to hold."""
    box = Box(epoch=f"{abs(hash(value)) % 2**32:08x}")
    body = json.dumps({**window(), "later": "VALUE"}).replace('"VALUE"', value)
    text = box_text(box.epoch).replace('"BODY"', body).encode()
    ack = applier.apply(TOPIC, text, T0_MS)
    check(store, ack)
    assert recompute(store, SITES)["equal"]


def box_text(epoch: str) -> str:
    return json.dumps(
        {
            "epoch": epoch, "boot": "ab" * 8, "oldest": 1, "sent_ms": 1,
            "items": [{"seq": 1, "kind": "window", "body": "BODY"}],
        }
    )  # fmt: skip


def test_unreadable_payloads_do_not_fill_the_disk(tmp_path: Path) -> None:
    """Only so many are kept per device; the alarm counts them all."""
    store = SqliteStore(tmp_path)
    store._db.execute("PRAGMA synchronous=OFF")
    applier = Applier(store, SITES, lambda: T0_MS)
    applier.apply_many([(TOPIC, f"x{n}".encode(), T0_MS) for n in range(1_200)])
    assert store._db.execute("SELECT count(*) FROM quarantine").fetchone()[0] == 1_000
    assert store._db.execute("SELECT count FROM alarm").fetchone()[0] == 1_200
    store.close()


def test_the_largest_grids_a_batch_may_hold_are_applied_in_time(tmp_path: Path) -> None:
    """A batch of grids of many shapes is cut short at four of a kind; the rest is put aside, nothing is lost."""
    store = SqliteStore(tmp_path)
    box = Box()
    for n in range(8):
        heat = {"cell_mm": 50, "rows": 1_000, "cols": 990 + n, "cells": [0], "mps": [1]}
        box.produce("window", window(T0_MS - 5_000 * (n + 1), heat=heat))
    for n in range(6):
        flow = {
            "cell_mm": 250,
            "rows": 1_000,
            "cols": 990 + n,
            "cells": [0],
            "dx_mm": [-1],
            "dy_mm": [1],
            "path_mm": [2],
        }
        box.produce("window", window(T0_MS + 5_000 * n, heat=None, flow=flow))
    ack = Applier(store, SITES, lambda: T0_MS).apply(*box.payload())
    assert ack == Ack(epoch=box.epoch, upto=14)
    assert store._db.execute("SELECT count(*) FROM heat WHERE cols > 900").fetchone()[0] == 12
    assert store._db.execute("SELECT count(*) FROM flow WHERE cols > 900").fetchone()[0] == 9
    assert store._db.execute("SELECT count(*) FROM quarantine").fetchone()[0] == 7
    store.close()
