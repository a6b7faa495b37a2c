"""One ingest worker: groups of payloads, one commit a group, acknowledgements only after it.

Run as `python -m hub.ingest.worker CONFIG` by `hub run`.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from branchloop import exits
from branchloop.clock import DAY_MS
from branchloop.errors import BranchloopError, DependencyError
from branchloop.processes import stop_event
from branchloop.wire.batches import Ack
from hub.config.hub import HubConfig, read_config
from hub.ingest.apply import Applier
from hub.ingest.checkins import Auditing
from hub.ingest.commands import Outgoing, Trust
from hub.ingest.desired import DesiredOut
from hub.ingest.gallery import Galleries
from hub.ingest.mqtt import Arrived, MqttSource, now_ms, say
from hub.ingest.releasing import Releasing
from hub.ingest.taking_up import TakingUp
from hub.ingest.walltime import WallTime
from hub.ingest.watching import watch_quality
from hub.runtime import read
from hub.store.audit import AuditLog
from hub.store.book.entries import Book
from hub.store.book.tickets import assign_series
from hub.store.branches.inforce import follow
from hub.store.connection import connect_readonly
from hub.store.customers.erasure import finish_erasures, retire_people
from hub.store.customers.keyring import Keyring
from hub.store.figures.retention import prune
from hub.store.schema.core import DATABASE
from hub.store.sqlite import SqliteStore

GROUP = 50
GATHER_S = 0.02
HEARTBEAT_S = 2.0
FIRST_PRUNE_S = 60.0
PRUNE_S = 3_600.0
LONGEST_RETRY_S = 10.0
WORKER = "ingest-1"


class Ingest:
    """Moves what arrives into the store."""

    def __init__(
        self,
        source: MqttSource,
        store: SqliteStore,
        applier: Applier,
        clock: WallTime,
        ticks: Sequence[Callable[[int], None]] = (),
    ) -> None:
        """`ticks` are called with the time, several times a second, while there is a connection."""
        self._clock = clock
        self._ticks = ticks
        self._source = source
        self._store = store
        self._applier = applier
        self._committed_ms: int | None = None
        self._beaten_s = float("-inf")
        self._taken = False
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a broker or store that is away is waited for."""
        retry_s = 0.2
        while not stop.is_set():
            if not self._source.connected.is_set():
                self._heartbeat()
                if not self._source.connect():
                    stop.wait(retry_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                    retry_s = min(LONGEST_RETRY_S, retry_s * 2)
                    continue
                retry_s = 0.2
                self._heartbeat()
            group = self._source.receive(GROUP, 0.2, GATHER_S)
            if group and (acks := self._commit(group, stop)) is not None:
                self._source.committed(group, acks)
            self._tick()
            if time.monotonic() - self._beaten_s >= HEARTBEAT_S or self._source.taken.is_set() != self._taken:
                self._heartbeat()
        self._source.close()
        self._heartbeat()

    def _commit(self, group: Sequence[Arrived], stop: threading.Event) -> Sequence[Ack | None] | None:
        """Apply until the store takes it; None when told to stop before."""
        payloads = [(arrived.topic, arrived.payload, arrived.arrived_ms) for arrived in group]
        retry_s = 0.2
        while not stop.is_set():
            try:
                acks = self._applier.apply_many(payloads)
            except DependencyError as error:
                self._say_once(f"{error} Nothing is acknowledged until it works.")
                stop.wait(retry_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                retry_s = min(LONGEST_RETRY_S, retry_s * 2)
            else:
                self._committed_ms = now_ms()
                self._said = ""
                return acks
        return None

    def _tick(self) -> None:
        for tick in self._ticks:
            try:
                tick(now_ms())
            except (BranchloopError, sqlite3.Error) as error:  # of one tick: ingest and the others go on
                self._say_once(str(error))

    def _heartbeat(self) -> None:
        self._beaten_s = time.monotonic()
        self._source.prove()
        self._taken = self._source.taken.is_set()
        try:
            self._store.heartbeat(
                WORKER, now_ms(), connected=self._taken, committed_ms=self._committed_ms,
                believed_ms=self._clock.believed_ms(),
            )  # fmt: skip
        except DependencyError as error:
            self._say_once(str(error))

    def _say_once(self, text: str) -> None:
        if text != self._said:
            say(text)
        self._said = text


def prune_hourly(config: HubConfig, stop: threading.Event, now: Callable[[], int]) -> None:
    """Finish erasures that broke off, at once and hourly; delete what is past its time, over a connection of its own, so that ingest goes on meanwhile.

    `now` gives a time (UTC ms) that has certainly come.
    """
    wait_s = FIRST_PRUNE_S
    _finish_erasures(config)
    while not stop.wait(wait_s):
        wait_s = PRUNE_S
        _finish_erasures(config)
        try:
            store = SqliteStore(config.data_dir)
            try:
                prune(store, config.retention, config.sites, now())
                keep_ms = config.people.keep_days * DAY_MS
                retire_people(config, now() - keep_ms, now())
            finally:
                store.close()
        except (BranchloopError, sqlite3.Error, OSError) as error:  # a thread that ends keeps all
            say(f"nothing was pruned: {error}")


def _finish_erasures(config: HubConfig) -> None:
    try:
        finished = finish_erasures(config)
    except (BranchloopError, sqlite3.Error, OSError) as error:
        say(f"no erasure that broke off was finished: {error}")
    else:
        if finished:
            say(f"{finished} erasure(s) that had broken off are done.")


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
def main(config: Path) -> None:
    """Run one ingest worker of the hub CONFIG."""
    settings = follow(read_config(config))
    stop = stop_event()
    source = MqttSource(settings, read(settings))
    store = SqliteStore(settings.data_dir)
    clock = WallTime(store.last_believed_ms(), witnessed=bool(store.cursors()))
    whole = threading.Event()
    watching = partial(watch_quality, whole=whole)
    for name, work in (("prune", partial(prune_hourly, now=clock.sure_ms)), ("quality", watching)):
        threading.Thread(target=work, args=(settings, stop), name=name, daemon=True).start()
    try:
        keyring = Keyring.of(settings)
        book = Book(keyring)
        with store.transaction() as transaction:
            assign_series(transaction.db, settings.sites.values())
        trust = Trust.of(settings, book, book)
        audit = AuditLog(settings.data_dir)
        reader = connect_readonly(settings.data_dir / DATABASE)
        releasing = Releasing(store, reader, book, settings.sites)
        applier = Applier(store, settings.sites, now_ms, trust, clock)
        ticks = [
            Outgoing(store, reader, trust, source.publish, keyring.photo, clock.sure_ms).tick,
            Galleries(store, reader, book, settings.sites, source.publish, say, clock.sure_ms).tick,
            DesiredOut(reader, settings.sites, source.publish).tick,
            Auditing(store, reader, audit).tick,
            TakingUp(reader, applier, settings.sites, say, whole).tick,
            lambda _now_ms: releasing.tick(clock.sure_ms()),
        ]
        try:
            Ingest(source, store, applier, clock, ticks).run(stop)
        finally:
            reader.close()
            audit.close()
    finally:
        stop.set()
        store.close()


if __name__ == "__main__":
    exits.run(main)
