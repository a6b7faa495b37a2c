"""Keys of new customers, made ahead: each has one of its own, and deleting it deletes what it opens."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from branchloop.errors import DependencyError
from hub.store.customers.keyring import DATABASE, SPARE, Keyring


def test_new_customers_have_a_key_each_though_many_ask_at_once(tmp_path: Path) -> None:
    rings = [Keyring(tmp_path, bytes(32)) for _ in range(2)]  # as two processes
    drawn: list[str] = []
    wrapped: dict[str, bytes] = {}

    def draw(ring: Keyring) -> None:
        for _ in range(SPARE):
            customer = ring.new_customer()
            drawn.append(customer)
            wrapped[customer] = ring.wrap(customer, customer.encode(), "name")

    threads = [threading.Thread(target=draw, args=(rings[at % 2],)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == len(set(drawn)) == 6 * SPARE
    assert all(rings[0].unwrap(each, wrapped[each], "name") == each.encode() for each in drawn)
    assert rings[0].forget(drawn[0])
    assert rings[1].unwrap(drawn[0], wrapped[drawn[0]], "name") is None


def test_keys_made_ahead_are_written_together(tmp_path: Path) -> None:
    ring = Keyring(tmp_path, bytes(32))
    customer = ring.new_customer()
    with sqlite3.connect(tmp_path / DATABASE) as db:
        (count,) = db.execute("SELECT count(*) FROM key").fetchone()
        assert count == SPARE
        before = db.execute("SELECT wrapped FROM key WHERE customer=?", (customer,)).fetchone()
        ring.wrap(customer, b"Ann", "name")
        assert db.execute("SELECT wrapped FROM key WHERE customer=?", (customer,)).fetchone() == before
    db.close()


def test_without_a_disk_nobody_gets_a_key(tmp_path: Path) -> None:
    ring = Keyring(tmp_path, bytes(32))
    (tmp_path / DATABASE).write_bytes(b"not a database" * 500)
    with pytest.raises(DependencyError, match="cannot be used"):
        ring.new_customer()
