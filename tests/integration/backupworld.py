"""A bank's hub on disk with people in its book, and the commands that back it up and restore it, as real processes."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from tables import service

from branchloop import exits
from hub.backup.making import make_backup
from hub.backup.manifest import Manifest
from hub.backup.restoring import Options, restore
from hub.broker.passwords import ensure_password
from hub.config.hub import HubConfig, read_config
from hub.main import cli
from hub.store import kept
from hub.store.audit import AuditLog
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Book, Wanted
from hub.store.book.places import day_slots
from hub.store.connection import opened, prepare, reading
from hub.store.customers.erasure import erase_customer
from hub.store.customers.holders import People
from hub.store.customers.keyring import Keyring
from hub.store.tokens import Tokens

SITE = """
id = "hall"
name = { en = "Hall", zh = "大厅" }
timezone = "Asia/Kolkata"
plan = { width_m = 2.0, height_m = 1.0, cell_m = 0.5 }
"""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Bank:
    """A hub's folder; its data directory is `data`."""

    folder: Path
    more: str = ""
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "hall.toml").write_text(SITE + service("loan", per_slot=100), encoding="utf-8")
        (self.folder / "hub.toml").write_text(
            f'[hub]\ndata_dir = "data"\nsites = ["hall.toml"]\n{self.more}', encoding="utf-8"
        )
        self.config: HubConfig = read_config(self.folder / "hub.toml")

    @property
    def data(self) -> Path:
        return self.config.data_dir

    def begin(self) -> Bank:
        """An empty hub with its keys and a broker password."""
        prepare(self.data)
        Keyring.of(self.config)
        ensure_password(self.config.credentials_dir, "hub/ingest")
        return self

    def book(self, name: str, customer: str | None = None) -> Appointment:
        """An appointment in three days."""
        book, site = Book(Keyring.of(self.config)), self.config.sites["hall"]
        day = (datetime.now(UTC) + timedelta(days=3)).date()
        with opened(self.data) as db:
            start_ms = next(slot.start_ms for slot in day_slots(db, site, "loan", day, now_ms()) if slot.free)
            return book.book(db, site, Wanted("loan", start_ms, name, customer=customer), now_ms())

    def name(self, made: Appointment) -> str | None:
        """Whose it is, as kept now."""
        book = Book(Keyring.of(self.config))
        with reading(self.data) as db:
            return book.name(db, made)

    def erase(self, customer: str) -> None:
        keyring = Keyring.of(self.config)
        erase_customer(self.data, customer, now_ms(), People(Book(keyring), keyring))

    def token(self, name: str) -> str:
        with closing(Tokens(self.data)) as tokens:
            return tokens.add(name, "auditor", (), now_ms())

    def holds(self, token: str) -> bool:
        with closing(Tokens(self.data)) as tokens:
            return tokens.find(token) is not None

    def log(self, action: str) -> None:
        with closing(AuditLog(self.data)) as log:
            log.append(now_ms(), "tester", "auditor", action)

    def actions(self) -> list[str]:
        return [row[0] for row in self.ask("SELECT action FROM audit ORDER BY seq", "audit.db")]

    def ask(self, query: str, database: str = "hub.db") -> list[Any]:
        with closing(sqlite3.connect(self.data / database)) as db:
            return db.execute(query).fetchall()

    def backup(self, name: str = "hub.backup") -> Path:
        """In this process."""
        self.made: Manifest = make_backup(self.config, self.folder / name, self.said.append)
        return self.folder / name

    def restore(self, file: Path, **options: Any) -> dict[str, Any]:
        """In this process."""
        kept.let_go()
        private = options.pop("private", None)
        return restore(self.config, file, private, Options(**options), self.said.append)

    def run(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`branchloop hub …` as in `process`, but in this one, which stays as urgent as it is."""
        kept.let_go()
        out, error = io.StringIO(), io.StringIO()
        urgent = mock.patch("os.nice")
        with urgent, redirect_stdout(out), redirect_stderr(error), pytest.raises(SystemExit) as ended:
            exits.run(cli, list(args))
        done = subprocess.CompletedProcess(args, ended.value.code or 0, out.getvalue(), error.getvalue())
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def process(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`branchloop hub …` as a process."""
        done = subprocess.run(
            [sys.executable, "-m", "hub.main", *args], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def figures(self, *args: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.run(*args, "--json").stdout.splitlines()[-1])
        return told


def files(folder: Path, but: Callable[[Path], bool] = lambda path: path.name == ".lock") -> dict[str, bytes]:
    """Everything in a folder, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not but(path)
    }
