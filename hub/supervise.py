"""`hub run`: broker, ingest, API and what goes out, as children of one small process."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from branchloop import exits
from branchloop.credentials import HUB_API, HUB_INGEST
from branchloop.errors import DependencyError
from branchloop.processes import Child, Supervisor, lock_directory
from hub.broker.files import write_nats
from hub.broker.nats import check, executable, forget_sessions
from hub.broker.passwords import read_password
from hub.broker.probe import answers
from hub.config.hub import HubConfig
from hub.deafness import watch_broker
from hub.expiry import watch_certificate
from hub.runtime import Runtime, decide
from hub.store.branches.inforce import SitesInForce
from hub.store.branches.opening import OpeningNotes
from hub.store.connection import prepare
from hub.store.customers import forgotten
from hub.store.figures.reading import Reader
from hub.store.sqlite import SqliteStore

LATE_S = 60.0
GRACE_S = 3.5
"""Per child: all must have ended before whoever stops the hub loses patience."""


def run_hub(config: HubConfig, stop: threading.Event, ready_file: Path | None) -> None:
    """Supervise the hub of a configuration until `stop` is set.

    Raises DependencyError when it runs already, a port is taken, or a password or the broker is missing.
    """
    with lock_directory(config.data_dir) as lock:
        runtime = decide(config)
        prepare(config.data_dir)
        _note_opening(config)
        if config.people.forgotten_file is not None:
            forgotten.place(config.data_dir, config.path.parent / config.people.forgotten_file)
        supervisor = Supervisor(_children(config, runtime, lock))
        readiness = Readiness(config, runtime, supervisor, ready_file)
        supervisor.changed = readiness.changed
        threads = [
            threading.Thread(target=readiness.run, args=(stop,), name="readiness"),
            threading.Thread(target=watch_certificate, args=(config, runtime, stop), name="certificate"),
        ]
        if config.external_broker is None:
            watch = partial(watch_broker, config, runtime, supervisor.children[0], stop)
            threads.append(threading.Thread(target=watch, name="broker"))
        for thread in threads:
            thread.start()
        try:
            supervisor.run(stop)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            readiness.withdraw()


def _note_opening(config: HubConfig) -> None:
    """Before anybody reads: the roll-ups of a branch whose time zone was changed go by the new one."""
    with (
        contextlib.closing(SqliteStore(config.data_dir)) as store,
        contextlib.closing(SitesInForce(config.sites, config.data_dir)) as sites,
    ):
        notes = OpeningNotes(store, sites, lambda text: exits.log(f"hub: {text}"))
        notes.tick(time.time_ns() // 1_000_000)


def _children(config: HubConfig, runtime: Runtime, lock: int) -> list[Child]:
    logs = config.data_dir / "logs"
    logs.mkdir(exist_ok=True)
    programs: dict[str, list[str]] = {}
    if config.external_broker is None:
        conf = write_nats(config, config.data_dir / "broker", runtime.broker_listen)
        check(conf)
        forget_sessions(conf.parent)
        programs["broker"] = [str(executable()), "-c", str(conf)]
    else:
        for user in (HUB_INGEST, HUB_API):
            read_password(config.credentials_dir, user)
    for name, module in (
        ("ingest", "hub.ingest.worker"),
        ("api", "hub.api.main"),
        ("outgoing", "hub.outgoing.main"),
    ):
        programs[name] = [sys.executable, "-m", module, str(config.path)]
    return [
        Child(name, args, log=logs / f"{name}.log", fds=(lock,), grace_s=GRACE_S)
        for name, args in programs.items()
    ]


@dataclass(slots=True)
class Readiness:
    """Says once where the hub can be reached, and keeps the ready file true to the running processes."""

    config: HubConfig
    runtime: Runtime
    supervisor: Supervisor
    file: Path | None
    _changed: threading.Event = field(default_factory=threading.Event)
    _changed_ms: int = 0

    def changed(self) -> None:
        """A child was started, or started again."""
        self._changed_ms = time.time_ns() // 1_000_000
        self._changed.set()

    def run(self, stop: threading.Event) -> None:
        """Look after each change until everything answers."""
        told, begun_s, late = False, time.monotonic(), False
        self.withdraw()
        while not stop.is_set():
            self._changed.clear()
            missing = self._missing()
            if missing is None:
                if not told:
                    exits.tell(f"API ready: {self.runtime.api}\nbroker ready: {self.runtime.broker}\n")
                told = True
                self._write()
                while not self._changed.wait(0.5) and not stop.is_set():
                    pass
            else:
                if not told and not late and time.monotonic() - begun_s > LATE_S:
                    late = True
                    exits.log(f"hub: {missing}; see the logs in {self.config.data_dir / 'logs'}")
                stop.wait(0.1)

    def withdraw(self) -> None:
        """Nobody shall believe the ready file of a hub that does not run."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    def _missing(self) -> str | None:
        runtime = self.runtime
        if self.config.external_broker is None and not answers(
            runtime.broker_dial,
            runtime.broker_port,
            ca_file=self.config.ca_file if runtime.broker_tls else None,
        ):
            return f"the broker {runtime.broker} does not answer"
        try:
            with Reader.open(self.config.data_dir) as reader:
                connected, heard_ms, _ = reader.ingest()
        except DependencyError as error:
            return str(error)
        if not connected or heard_ms <= self._changed_ms:
            return f"ingest is not connected to the broker {runtime.broker}"
        try:
            urllib.request.urlopen(f"{runtime.api}/health", timeout=2).close()  # noqa: S310 - our own address
        except (urllib.error.URLError, OSError):
            return f"the API {runtime.api} does not answer"
        return None

    def _write(self) -> None:
        if self.file is None:
            return
        text = json.dumps(
            {
                "api": self.runtime.api,
                "broker": self.runtime.broker,
                "pids": {"hub": os.getpid(), **{child.name: child.pid for child in self.supervisor.children}},
            }
        )
        fresh = self.file.with_name(self.file.name + ".new")
        with contextlib.suppress(OSError):  # a full disk: the file stays away, the hub goes on
            fresh.write_text(text)
            fresh.replace(self.file)
