"""Backups of a hub: whole or not there, restored with what ended since still ended, refused in one sentence."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from backupworld import Bank, files, now_ms

from branchloop.clock import HOUR_MS
from branchloop.errors import BranchloopError, ConfigError, DependencyError, InputError, UsageError
from branchloop.keys.box import new_private
from branchloop.keys.sealing import encode, raw_public
from branchloop.processes import lock_directory
from hub.backup import latest
from hub.backup.making import make_backup
from hub.backup.restoring import check_backup
from hub.backup.snapshot import await_writers, copy_database
from hub.doctor.machine import examine
from hub.loop.consent import Consent
from hub.loop.journey import Happened
from hub.store import kept
from hub.store.audit import AuditLog, Head
from hub.store.connection import opened, reading
from hub.store.customers import forgotten, linking
from hub.store.customers.consenting import Consenting, Photo
from hub.store.customers.forgotten import JOURNAL
from hub.store.customers.keyring import Keyring
from hub.store.customers.receiptkey import receipt_key
from hub.store.journeys import after, record
from hub.store.schema.core import DATABASE
from hub.store.tokens import Tokens


def consent_of(customer: str) -> Consent:
    return Consent(
        secrets.token_hex(16), customer, "hall", "1", "0" * 64, "check-in", "en", "online", now_ms(),
        now_ms() + 9_000_000, guardian=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bank, Path, bytes]:
    """A bank, its backup, and the backup's bytes."""
    bank = Bank(tmp_path_factory.mktemp("bank")).begin()
    bank.book("Ann Miller")
    file = bank.backup()
    return bank, file, file.read_bytes()


def elsewhere(bank: Bank, folder: Path) -> Bank:
    """The same bank on a new machine: its files, and no data."""
    return Bank(folder, bank.more)


def test_a_hub_lives_on_from_its_backup_on_an_empty_machine(tmp_path: Path) -> None:
    """By the commands: names can be read, tokens and passwords hold, the chain is whole and tells of it."""
    bank = Bank(tmp_path / "old").begin()
    ann, token = bank.book("Ann Miller"), bank.token("auditor")
    key = receipt_key(bank.data).private_numbers()
    out = tmp_path / "hub.backup"
    made = bank.process("backup", str(bank.config.path), "--out", str(out), "--json")
    told = json.loads(made.stdout.splitlines()[-1])
    assert out.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name != "old"] == ["hub.backup"]
    assert "not encrypted" in bank.run("backup", str(bank.config.path), "--out", str(tmp_path / "2")).stderr
    journal = shutil.copy(bank.data / JOURNAL, tmp_path / JOURNAL)
    before = out.read_bytes()
    refused = bank.run("backup", str(bank.config.path), "--out", str(out), code=2)
    assert "never overwritten" in refused.stderr
    assert out.read_bytes() == before

    new = elsewhere(bank, tmp_path / "new")
    args = ("restore", str(new.config.path), "--from", str(out))
    assert "is whole" in new.run(*args, "--check").stdout
    assert not new.data.exists(), "looking touches nothing"
    assert "forgotten" in new.run(*args, code=2).stderr, "nothing says who was forgotten since"
    said = new.process(*args, "--forgotten", str(journal)).stdout
    assert "NOT RESTORED" in said
    assert "known gap" in said
    assert new.name(ann) == "Ann Miller"
    assert new.holds(token)
    assert receipt_key(new.data).private_numbers() == key
    passwords = (bank.config.credentials_dir, new.config.credentials_dir)
    assert files(passwords[0]) == files(passwords[1])
    assert new.actions()[-2:] == ["backup", "restore"]
    assert {path.stat().st_mode & 0o777 for path in new.data.glob("*.db")} == {0o600}
    with closing(AuditLog(new.data)) as log:
        assert log.verify(Head(told["audit"]["seq"], told["audit"]["hash"])).broken_seq is None


def test_a_backup_is_of_one_moment_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Customers book without a pause meanwhile: none is refused, and everybody in the copy has a key."""
    bank = Bank(tmp_path / "old").begin()
    stop, faults = threading.Event(), list[BranchloopError]()
    booked: list[str] = []

    def customers() -> None:
        try:
            while not stop.is_set():
                booked.append(bank.book(f"Customer {len(booked)}").id)
        except BranchloopError as error:
            faults.append(error)

    writer = threading.Thread(target=customers)
    writer.start()
    try:
        held = [len(booked)]
        for turn in range(4):
            bank.backup(f"{turn}")
            held.append(len(booked))
    finally:
        stop.set()
        writer.join()
    assert faults == []
    assert held[-1] > held[0], "somebody booked while it was made"
    for turn in range(4):
        new = elsewhere(bank, tmp_path / f"new-{turn}")
        new.restore(bank.folder / f"{turn}", journal=bank.data / JOURNAL)
        book = [row[0] for row in new.ask("SELECT id FROM appointment ORDER BY booked_ms, booking_no")]
        assert set(book) == set(booked[: len(book)]), "all of a moment, nothing later"
        assert held[turn] <= len(book) <= held[turn + 1]
        with reading(new.data) as db:
            rows = db.execute("SELECT customer FROM appointment").fetchall()
        keys = {row[0] for row in new.ask("SELECT customer FROM key", "keys.db")}
        assert {customer for (customer,) in rows} <= keys


def test_a_backup_gets_its_turn_between_writers_without_a_pause(tmp_path: Path) -> None:
    """Free for ten milliseconds of every half second: that is found, and who never lets go is not waited for for ever."""
    bank = Bank(tmp_path / "old").begin()
    stop, held = threading.Event(), threading.Event()

    def writer() -> None:
        with closing(sqlite3.connect(bank.data / DATABASE, isolation_level=None)) as db:
            while not stop.is_set():
                db.execute("BEGIN IMMEDIATE")
                held.set()
                stop.wait(0.5)
                db.execute("COMMIT")
                stop.wait(0.01)

    writing = threading.Thread(target=writer)
    writing.start()
    try:
        assert held.wait(30)
        for _ in range(4):
            await_writers(bank.data / DATABASE)
    finally:
        stop.set()
        writing.join()
    with opened(bank.data), pytest.raises(DependencyError, match="locked"):
        await_writers(bank.data / DATABASE, patience_s=0.1)


def test_what_ended_since_stays_ended(tmp_path: Path) -> None:
    """Forgotten, taken back and revoked after the backup; the restore ends all of it again, by the journal alone."""
    bank = Bank(tmp_path / "old").begin()
    bank.book("Came Back", "c-back")
    bank.erase("c-back")
    back = bank.book("Came Back", "c-back")
    gone, stays = bank.book("Gone Girl", "c-gone"), bank.book("Ann Miller", "c-stays")
    lost, held = bank.token("lost"), bank.token("held")
    withdrawn, given = consent_of("c-stays"), consent_of("c-stays")
    key = receipt_key(bank.data)
    with opened(bank.data) as db:
        for consent in (withdrawn, given):
            Consenting(db, key).give(consent, None, now_ms())
        for customer in ("c-stays", "c-other"):
            db.execute(
                "INSERT INTO partner_link (partner, subject, customer, consent, purposes, text_version, text_sha256, language,"
                " site, journey, given_ms, expires_ms) VALUES ('travel', ?1, ?1, ?2, '[]', '1', '', 'en', 'hall', 'j', 0, ?3)",
                (customer, secrets.token_hex(16), now_ms() + 9_000_000),
            )
    file = bank.backup()
    bank.erase("c-gone")
    with opened(bank.data) as db:
        Consenting(db, key).withdraw(withdrawn, now_ms())
        (found,) = linking.of_customer(db, "c-stays", now_ms())
        linking.unlink(db, Keyring.of(bank.config), key, found, now_ms())
    with closing(Tokens(bank.data)) as tokens:
        tokens.revoke("lost", now_ms())
    journal = (bank.data / JOURNAL).read_text()
    assert "c-gone" not in journal
    assert forgotten.digest("c-gone") not in journal, "the journal names nobody, not even to who guesses"

    new = elsewhere(bank, tmp_path / "new")
    told = new.restore(file, journal=bank.data / JOURNAL)
    ended = told["ended_again"]
    assert (ended["customers"], ended["consents"], ended["links"], ended["tokens"]) == (1, 1, 1, 1)
    assert new.ask("SELECT customer FROM partner_link") == [("c-other",)]
    assert new.name(gone) is None
    assert new.name(stays) == "Ann Miller"
    assert new.name(back) == "Came Back", "forgotten before the backup, and a customer again in it"
    assert new.ask("SELECT 1 FROM key WHERE customer='c-gone'", "keys.db") == []
    assert b"c-gone" not in (new.data / "hub.db").read_bytes()
    assert (new.holds(lost), new.holds(held)) == (False, True)
    states = dict(new.ask("SELECT id, state FROM consent"))
    assert (states[withdrawn.id], states[given.id]) == ("withdrawn", "given")
    assert forgotten.read(new.data / JOURNAL) == forgotten.read(bank.data / JOURNAL)

    blind = elsewhere(bank, tmp_path / "blind")
    told = blind.restore(file, no_journal=True)
    assert told["journal"] is False
    assert blind.name(gone) == "Gone Girl", "which the command says plainly"


def test_a_withdrawal_that_is_under_way_is_in_the_backup_or_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written down, not yet committed: the copy waits for it, else the restore would take it for carried out."""
    bank = Bank(tmp_path / "old").begin()
    consent, noted, was_read, copied = consent_of("c-ann"), *(threading.Event() for _ in range(3))
    key = receipt_key(bank.data)
    with opened(bank.data) as db:
        Consenting(db, key).give(consent, None, now_ms())

    def withdraw() -> None:
        with opened(bank.data) as db:
            Consenting(db, key).withdraw(consent, now_ms())
            noted.set()
            assert was_read.wait(20)
            assert not copied.wait(0.5), "it was copied without waiting"

    def read(path: Path) -> forgotten.Journal:
        found = journal_of(path)
        if not was_read.is_set():
            assert len(found.ended) == 1
            was_read.set()
        return found

    def copy(source: Path, target: Path) -> None:
        copy_database(source, target)
        copied.set()

    journal_of = forgotten.read
    customer = threading.Thread(target=withdraw)
    customer.start()
    assert noted.wait(20)
    monkeypatch.setattr("hub.backup.making.forgotten.read", read)
    monkeypatch.setattr("hub.backup.making.copy_database", copy)
    file = bank.backup()
    customer.join()
    new = elsewhere(bank, tmp_path / "new")
    new.restore(file, journal=bank.data / JOURNAL)
    assert new.ask("SELECT state FROM consent") == [("withdrawn",)]


def test_a_journal_that_cannot_be_the_one_is_refused(tmp_path: Path) -> None:
    """One of another hub, one older than the backup, one that is none: nothing is restored by them."""
    bank = Bank(tmp_path / "old").begin()
    bank.book("Gone Girl", "c-gone")
    bank.backup("first")
    early = shutil.copy(bank.data / JOURNAL, tmp_path / "early")
    bank.erase("c-gone")
    file = bank.backup()
    other = Bank(tmp_path / "other").begin()
    other.backup()
    (tmp_path / "none").write_text("hello\n")
    new = elsewhere(bank, tmp_path / "new")
    for journal, message in (
        (Path(early), "older than the backup"),
        (other.data / JOURNAL, "another hub"),
        (tmp_path / "none", "no journal"),
    ):
        with pytest.raises(InputError, match=message):
            new.restore(file, journal=journal)
        assert files(new.data) == {}


def damaged(file: Path, content: bytes, change: Callable[[bytes], bytes]) -> Path:
    file.write_bytes(change(content))
    return file


def repacked(content: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """A backup whose parts were exchanged, with a tar that is right."""
    parts: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as tar:
        for entry in tar:
            source = tar.extractfile(entry)
            assert source is not None
            parts[entry.name] = source.read()
    change(parts)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, part in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(part)
            tar.addfile(entry, io.BytesIO(part))
    return gzip.compress(out.getvalue())


def told(**keys: object) -> Callable[[bytes], bytes]:
    def change(parts: dict[str, bytes]) -> None:
        parts["manifest.json"] = json.dumps({**json.loads(parts["manifest.json"]), **keys}).encode()

    return lambda content: repacked(content, change)


def without(name: str) -> Callable[[bytes], bytes]:
    return lambda content: repacked(content, lambda parts: parts.__delitem__(name))


def one_bit_off(content: bytes, place: int) -> bytes:
    """A backup with a flipped bit, here or later: of a run of zeros some bits may say it another way."""
    whole = gzip.decompress(content)
    for at in range(place, len(content)):
        found = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        try:
            if gzip.decompress(found) != whole:
                return found
        except (OSError, EOFError, zlib.error):
            return found
    pytest.fail("no bit tells anything")


def climbing(parts: dict[str, bytes]) -> None:
    tree = json.loads(parts["manifest.json"])
    tree["parts"][0]["name"] = "../hub.db"
    parts["manifest.json"] = json.dumps(tree).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[: len(content) // 2], "damaged"),
        (lambda content: content[:-4], "damaged"),
        (lambda content: one_bit_off(content, 5_000), "damaged"),
        (lambda _: b"not a backup", "no backup"),
        (lambda _: b"", "no backup"),
        (lambda _: gzip.compress(b"not a tar" * 200), "no backup|damaged"),
        (told(what="something else"), "no backup"),
        (told(format=2, version="9.0.0"), "newer version 9.0.0"),
        (told(sites=["elsewhere"]), "of other branches: elsewhere"),
        (told(audit={"seq": 1, "hash": "0" * 64}), "audit log is another"),
        (told(parts=[]), "is missing"),
        (without("keys.db"), "keys.db is missing"),
        (lambda content: repacked(content, climbing), "manifest is wrong"),
        (
            lambda content: repacked(content, lambda parts: parts.__setitem__("more", b"")),
            "more than it says",
        ),
    ],
)
def test_what_is_no_whole_backup_of_this_hub_is_refused(
    finished: tuple[Bank, Path, bytes], tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    """Cut off, changed, foreign, newer: one sentence with exit code 4, by check and restore, and nothing is touched."""
    bank, _, content = finished
    new, file = elsewhere(bank, tmp_path / "new"), damaged(tmp_path / "backup", content, change)
    with pytest.raises(InputError, match=message) as error:
        new.restore(file, journal=bank.data / JOURNAL)
    assert error.value.exit_code == 4
    assert error.value.hint
    assert files(tmp_path / "new" / "data") == {} if new.data.exists() else True
    with pytest.raises(InputError, match=message):
        check_backup(new.config, file, None, new.said.append)


def other_schema(folder: Path, change: Callable[[sqlite3.Connection], None]) -> Callable[[bytes], bytes]:
    """A backup as another version makes it, whose hub.db has another schema."""

    def exchange(parts: dict[str, bytes]) -> None:
        path = folder / "other.db"
        path.write_bytes(parts["hub.db"])
        with closing(sqlite3.connect(path)) as db, db:
            change(db)
        parts["hub.db"] = path.read_bytes()
        tree = json.loads(parts["manifest.json"])
        (part,) = (each for each in tree["parts"] if each["name"] == "hub.db")
        part |= {"bytes": len(parts["hub.db"]), "sha256": hashlib.sha256(parts["hub.db"]).hexdigest()}
        parts["manifest.json"] = json.dumps(tree).encode()

    return lambda content: repacked(content, exchange)


def test_a_database_of_a_newer_version_is_refused(finished: tuple[Bank, Path, bytes], tmp_path: Path) -> None:
    """It knows a migration that this version does not: restored, it would be misread."""
    bank, _, content = finished

    def newer(db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('hub', 'm999_later', '')"
        )

    file = damaged(tmp_path / "backup", content, other_schema(tmp_path, newer))
    new = elsewhere(bank, tmp_path / "new")
    with pytest.raises(InputError, match=r"newer version .* hub.db has hub:m999_later"):
        new.restore(file, journal=bank.data / JOURNAL)
    assert files(new.data) == {}


def test_an_older_schema_is_brought_up(finished: tuple[Bank, Path, bytes], tmp_path: Path) -> None:
    """A step that is not in the backup is done at the restore, as at any start."""
    bank, _, content = finished

    def older(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM _sqlite_migrations WHERE migration_set='outgoing'")
        for table in ("webhook_target", "webhook_dead", "reminder"):
            db.execute(f"DROP TABLE {table}")
        db.execute("DROP INDEX appointment_remind")

    file = damaged(tmp_path / "backup", content, other_schema(tmp_path, older))
    new = elsewhere(bank, tmp_path / "new")
    new.restore(file, journal=bank.data / JOURNAL)
    assert new.ask("SELECT count(*) FROM webhook_target") == [(0,)]
    assert new.ask("SELECT count(*) FROM appointment") == [(1,)]


def test_data_that_is_there_is_never_lost(tmp_path: Path) -> None:
    """Refused; with --set-aside it is moved, byte for byte, and its longer audit log goes on."""
    bank = Bank(tmp_path / "old").begin()
    ann = bank.book("Ann Miller")
    file = bank.backup()
    bank.book("Later Than That")
    bank.log("after the backup")
    with closing(AuditLog(bank.data)) as log:
        head = log.head()
    kept.let_go()
    before = files(bank.data)
    with pytest.raises(UsageError, match=r"holds a hub.db already"):
        bank.restore(file)
    assert files(bank.data) == before
    told = bank.restore(file, set_aside=True)
    aside = files(Path(told["set_aside"]))
    assert all(aside[name] == before[name] for name in ("hub.db", "keys.db", "audit.db", "people.key"))
    assert told["audit_lines_kept"] == 1
    assert bank.actions()[-2:] == ["after the backup", "restore"]
    with closing(AuditLog(bank.data)) as log:
        assert log.verify(head).broken_seq is None
    assert bank.name(ann) == "Ann Miller"
    assert [row[0] for row in bank.ask("SELECT id FROM appointment")] == [ann.id]


def test_an_auditor_with_a_later_head_is_told_of_the_restore(tmp_path: Path) -> None:
    """The chain alone is whole; against a head of after the backup it says which lines are missing, and why."""
    bank = Bank(tmp_path / "old").begin()
    file = bank.backup()
    for n in range(3):
        bank.log(f"later {n}")
    with closing(AuditLog(bank.data)) as log:
        head = log.head()
    new = elsewhere(bank, tmp_path / "new")
    new.restore(file, journal=bank.data / JOURNAL)
    with closing(AuditLog(new.data)) as log:
        assert log.verify().broken_seq is None
        cut = log.verify(head)
        assert cut.broken_seq == 3
        assert "the log was cut off; line 2 says that the hub was restored from the backup of" in cut.reason
        for n in range(4):
            log.append(now_ms(), "tester", "auditor", f"anew {n}")
        other = log.verify(head)
        assert other.broken_seq == head.seq
        assert "not the one exported; line 2 says that the hub was restored" in other.reason
        assert "whose log ends at line 1" in other.reason


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another account")
def test_what_root_restores_is_the_hub_s_own(finished: tuple[Bank, Path, bytes], tmp_path: Path) -> None:
    """Files of root's alone would keep the hub from starting, and from forgetting anybody."""
    bank, file, _ = finished
    new = elsewhere(bank, tmp_path / "new")
    new.data.mkdir()
    os.chown(new.data, 4_321, 4_321)
    new.restore(file, journal=bank.data / JOURNAL)
    assert {path.stat().st_uid for path in new.data.rglob("*")} == {4_321}
    (new.data / JOURNAL).unlink()
    forgotten.note(new.data, "token", ["t"], 1)
    assert (new.data / JOURNAL).stat().st_uid == 4_321


def test_a_hub_that_runs_is_left_alone(finished: tuple[Bank, Path, bytes], tmp_path: Path) -> None:
    """Whoever owns the data directory keeps it: exit code 5."""
    bank, file, _ = finished
    new = elsewhere(bank, tmp_path / "new")
    with lock_directory(new.data), pytest.raises(DependencyError, match="running already") as error:
        new.restore(file, journal=bank.data / JOURNAL, set_aside=True)
    assert error.value.exit_code == 5
    assert files(new.data) == {}


def test_a_sealed_backup_opens_with_its_private_key_alone(tmp_path: Path) -> None:
    """hub.toml holds only the public half; without the other, or with another's, or changed, nothing comes out."""
    private = new_private()
    public = encode(raw_public(private.public_key()))
    bank = Bank(tmp_path / "old", f'[backup]\npublic = "{public}"\n').begin()
    ann = bank.book("Ann Miller")
    file = bank.backup()
    content = file.read_bytes()
    assert not content.startswith(b"\x1f\x8b")
    assert b"manifest" not in content
    new = elsewhere(bank, tmp_path / "new")
    with pytest.raises(UsageError, match="is sealed"):
        new.restore(file, journal=bank.data / JOURNAL)
    with pytest.raises(InputError, match="not to this one"):
        new.restore(file, journal=bank.data / JOURNAL, private=new_private())
    for change in (content[:-1], content[:300] + b"x" + content[301:], content[:100], content + b"x"):
        changed = tmp_path / "changed"
        changed.write_bytes(change)
        with pytest.raises(InputError, match=r"seal does not hold|damaged"):
            new.restore(changed, journal=bank.data / JOURNAL, private=private)
    new.restore(file, journal=bank.data / JOURNAL, private=private)
    assert new.name(ann) == "Ann Miller"


def test_the_key_that_opens_backups_is_made_once(tmp_path: Path) -> None:
    """`keys backup` prints what hub.toml wants; what it makes opens a backup by the command."""
    made = subprocess.run(
        [sys.executable, "-m", "branchloop.keys.root", "backup", str(tmp_path / "keys"), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    public = json.loads(made.stdout)["backup_public"]
    bank = Bank(tmp_path / "old", f'[backup]\npublic = "{public}"\n').begin()
    file = bank.backup()
    args = ("restore", str(bank.config.path), "--from", str(file), "--check")
    assert bank.figures(*args, "--key", str(tmp_path / "keys" / "backup.pem"))["sites"] == ["hall"]
    (tmp_path / "keys" / "backup.pem").chmod(0o644)
    assert "chmod 600" in bank.run(*args, "--key", str(tmp_path / "keys" / "backup.pem"), code=3).stderr


def test_photos_on_their_way_are_in_no_backup(tmp_path: Path) -> None:
    """A sealed photo is left out; after the restore its enrolment is ended, so that the customer is asked again."""
    bank = Bank(tmp_path / "old").begin()
    bank.book("Ann Miller", "c-ann")
    photo = secrets.token_bytes(20_000)
    consent = consent_of("c-ann")
    with opened(bank.data) as db:
        consenting = Consenting(db, receipt_key(bank.data))
        consenting.give(consent, None, now_ms())
        consenting.enrol(consent, "kiosk-1", [Photo(0, photo)], now_ms())
    file = bank.backup()
    assert bank.made.photos_left_out == 1
    assert photo[100:200] not in gzip.decompress(file.read_bytes())
    assert bank.ask("SELECT length(photo) FROM command") == [(20_000,)], "the hub's own is untouched"
    new = elsewhere(bank, tmp_path / "new")
    assert new.restore(file, journal=bank.data / JOURNAL)["ended_again"]["enrolments"] == 1
    assert new.ask("SELECT state, photo FROM command") == [("expired", None)]
    assert new.ask("SELECT state FROM consent_holder") == [("failed",)]


def test_who_reads_the_ledger_by_number_misses_nothing(tmp_path: Path) -> None:
    """Lines written after the restore come after every number that was given out before it."""
    bank = Bank(tmp_path / "old").begin()
    happened = Happened("booked", now_ms(), "hall", "j-1")
    with opened(bank.data) as db:
        record(db, happened)
    file = bank.backup()
    with opened(bank.data) as db:
        record(db, *[happened] * 5)
    seen = bank.ask("SELECT max(id) FROM journey_event")[0][0]
    new = elsewhere(bank, tmp_path / "new")
    new.restore(file, journal=bank.data / JOURNAL)
    with opened(new.data) as db:
        record(db, happened)
        assert len(after(db, seen, 10)) == 1


def test_another_key_over_names_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a variable it is in no backup; under another one no name could be read, so nothing is restored."""
    first, second = ("A" * 43 + "=", "B" * 42 + "A=")
    monkeypatch.setenv("NAMES", first)
    bank = Bank(tmp_path / "old", '[people]\nkey_env = "NAMES"\n').begin()
    ann = bank.book("Ann Miller")
    file = bank.backup()
    assert bank.made.part("people.key") is None
    new = elsewhere(bank, tmp_path / "new")
    monkeypatch.setenv("NAMES", second)
    with pytest.raises(ConfigError, match="not the key over names"):
        new.restore(file, journal=bank.data / JOURNAL)
    assert files(new.data) == {}
    monkeypatch.setenv("NAMES", first)
    new.restore(file, journal=bank.data / JOURNAL)
    assert new.name(ann) == "Ann Miller"


def test_a_key_over_names_elsewhere_is_put_back_and_never_over_another(tmp_path: Path) -> None:
    """`people.key_file` outside the data directory: made where it is missing, refused where it is another one."""
    bank = Bank(tmp_path / "old", '[people]\nkey_file = "names.key"\n').begin()
    ann = bank.book("Ann Miller")
    file = bank.backup()
    new = elsewhere(bank, tmp_path / "new")
    other = new.folder / "names.key"
    other.write_text("A" * 43 + "=\n")
    other.chmod(0o600)
    with pytest.raises(ConfigError, match=r"names.key is not the key over names"):
        new.restore(file, journal=bank.data / JOURNAL)
    assert files(new.data) == {}
    other.unlink()
    new.restore(file, journal=bank.data / JOURNAL)
    assert new.name(ann) == "Ann Miller"
    assert other.stat().st_mode & 0o777 == 0o600
    assert not (new.data / "people.key").exists()


def test_a_journal_on_another_disk_is_found_by_itself(tmp_path: Path) -> None:
    """`people.forgotten_file`: erasures go there, and a restore with an empty data directory reads it there."""
    bank = Bank(tmp_path / "old").begin()
    gone = bank.book("Gone Girl", "c-gone")
    file = bank.backup()
    bank.more = f'[people]\nforgotten_file = "{tmp_path / "other-disk.log"}"\n'
    forgotten.place(bank.data, tmp_path / "other-disk.log")
    bank.erase("c-gone")
    new = elsewhere(bank, tmp_path / "new")
    assert new.restore(file)["ended_again"]["customers"] == 1
    assert new.name(gone) is None


def test_every_refusal_has_a_sentence_and_a_remedy(
    finished: tuple[Bank, Path, bytes], tmp_path: Path
) -> None:
    """A file that is not there, a folder that is not there, both journal options at once."""
    bank, file, _ = finished
    new = elsewhere(bank, tmp_path / "new")
    with pytest.raises(BranchloopError, match="cannot be read") as error:
        new.restore(tmp_path / "nothing", no_journal=True)
    assert error.value.exit_code == 4
    with pytest.raises(UsageError, match="no folder"):
        bank.backup("nowhere/at/all")
    both = ("--forgotten", str(bank.data / JOURNAL), "--no-forgotten")
    new.run("restore", str(new.config.path), "--from", str(file), *both, code=2)
    new.run("backup", str(new.config.path), "--out", str(tmp_path / "x"), code=5)
    assert not (tmp_path / "x").exists()


def test_the_doctor_says_when_the_last_backup_was_made(tmp_path: Path) -> None:
    """None, one of now, one of three days ago; a backup that failed is none."""
    bank = Bank(tmp_path / "hub").begin()

    def said() -> list[str]:
        found = [each for each in examine(bank.config) if "backup" in each["text"]]
        return [f"{each['state']}: {each['text'].split(',')[0]}" for each in found]

    assert said() == ["warn: no backup of this hub was made yet: see docs/operate.md"]
    file = bank.backup()
    assert said() == ["good: the last backup was made 0 h ago"]
    latest.note(bank.data, now_ms() - 72 * HOUR_MS)
    with pytest.raises(UsageError):
        make_backup(bank.config, file, bank.said.append)
    assert said() == ["warn: the last backup was made 72 h ago"]
    (bank.data / latest.FILE).write_text("yesterday\n", encoding="utf-8")
    (broken,) = said()
    assert broken.startswith("warn: when the last backup was made cannot be read")
    bank.backup("again.backup")
    assert said() == ["good: the last backup was made 0 h ago"]
