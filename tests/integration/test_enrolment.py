"""Sealed enrolment, withdrawal, rotation and a change of branch, over a real broker to a box with a real key."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from boxpeer import BoxPeer
from brokers import running, until, write_hub
from consentworld import ConsentWorld, consent_world
from paces import within_a_minute
from test_ingest_mqtt import Worker
from written import written

from branchloop.keys.box import new_private, sign_box_key
from branchloop.keys.sealing import decode
from branchloop.processes import free_port
from branchloop.wire.arrivals import Attempt, ConsentGiven
from branchloop.wire.commands import Reply
from hub.api import enrolment
from hub.api.state import now_ms
from hub.loop.consent import Consent
from hub.loop.receipt import verify
from hub.store.connection import opened
from hub.store.customers.consenting import Consenting
from hub.store.customers.receiptkey import receipt_key

PHOTOS = [b"\xff\xd8 photo %d " % i + secrets.token_bytes(20_000) for i in range(3)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ConsentWorld]:
    with consent_world(tmp_path) as made:
        yield made


@pytest.fixture
def kiosk(world: ConsentWorld) -> Iterator[BoxPeer]:
    peer = world.peer()
    yield peer
    peer.close()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ConsentWorld, BoxPeer]]:
    """A world and its kiosk for questions that must change nothing in it."""
    with consent_world(tmp_path_factory.mktemp("standing")) as made:
        peer = made.peer()
        yield made, peer
        peer.close()


def receipts(seen: dict[str, object]) -> list[str]:
    listed = seen["receipts"]
    assert isinstance(listed, list)
    return [str(kept["event"]) for kept in listed]


def test_photos_reach_the_box_as_they_were_and_leave_the_hub(world: ConsentWorld, kiosk: BoxPeer) -> None:
    """The box opens the very bytes; the hub keeps no photo, shows the state and signs receipts."""
    token = world.invite()
    assert world.step(token) == "open"
    assert world.enrol(token, kiosk, PHOTOS).json()["step"] == "waiting"
    seen = world.reaches(token, "enrolled")
    consent = str(seen["consent"])
    assert [kiosk.photos[consent][i] for i in range(3)] == PHOTOS
    assert world.ask("SELECT COUNT(*) FROM command WHERE photo IS NOT NULL") == [(0,)]
    assert receipts(seen) == ["given", "enrolled"]
    for kept in seen["receipts"]:  # type: ignore[attr-defined]
        told = verify(kept["body"], decode(json.loads(kept["body"])["signer"]))
        assert told["consent"] == consent
    assert world.enrol(token, kiosk, PHOTOS).status_code == 422
    until(
        lambda: kiosk.galleries and kiosk.galleries[-1].appointments[0].consent == consent,
        "the gallery names the consent",
    )


def test_withdrawal_is_pending_until_the_box_confirms(world: ConsentWorld, kiosk: BoxPeer) -> None:
    """Out of the gallery at once; `withdrawn`, with proof, only after the box has answered."""
    token = world.invite()
    world.enrol(token, kiosk, PHOTOS)
    seen = world.reaches(token, "enrolled")
    kiosk.mute = True
    until(
        lambda: kiosk.galleries and kiosk.galleries[-1].consents == [seen["consent"]],
        "the gallery names the consent",
    )
    answer = httpx.post(f"{world.api}/api/v1/enrolments/{token}/withdraw", json={})
    assert answer.json()["step"] == "pending"
    until(lambda: kiosk.galleries and kiosk.galleries[-1].consents == [], "the consent has left the gallery")
    assert kiosk.galleries[-1].appointments[0].consent is None
    until(lambda: [c.what for c in kiosk.commands][-1] == "erase", "the box is asked to erase")
    assert world.step(token) == "pending"
    kiosk.mute = False
    kiosk.birth()
    done = world.reaches(token, "withdrawn")
    assert receipts(done) == ["given", "enrolled", "withdrawn", "erased"]
    assert kiosk.templates == {}
    again = httpx.post(f"{world.api}/api/v1/enrolments/{token}/withdraw", json={}).json()
    assert (again["step"], receipts(again)) == ("withdrawn", receipts(done))


def test_an_offline_box_and_a_stopped_ingest_lose_no_command(world: ConsentWorld) -> None:
    """Commands wait for the box and outlive ingest; the answer counts once however often it comes."""
    kiosk = world.peer()
    kiosk.close()
    token = world.invite()
    assert world.enrol(token, kiosk, PHOTOS).status_code == 200
    world.stop_ingest()
    world.start_ingest()
    kiosk.connect()
    seen = world.reaches(token, "enrolled")
    for reply in list(kiosk.replies.values()):
        kiosk.send(reply)
    kiosk.send(Reply(id="0" * 32, at_ms=now_ms(), ok=True, code="done"))
    unknown = "SELECT detail FROM alarm WHERE what='reply'"
    until(lambda: world.ask(unknown), "the unknown answer is reported")
    assert world.view(token) == seen | {"expires_ms": world.view(token)["expires_ms"]}
    kiosk.close()


def test_what_the_box_cannot_use_is_told_and_tried_again(world: ConsentWorld, kiosk: BoxPeer) -> None:
    """A reply with a fault leads to a reason, and new photos by the same link to an enrolment."""
    kiosk.fault = "no_face"
    token = world.invite()
    world.enrol(token, kiosk, PHOTOS)
    seen = world.reaches(token, "retry")
    assert seen["holders"] == [
        {"branch": "north", "device": "kiosk-1", "state": "failed", "reason": "no_face"}
    ]
    kiosk.fault = None
    assert world.enrol(token, kiosk, PHOTOS).status_code == 200
    assert receipts(world.reaches(token, "enrolled")) == ["given", "enrolled"]


def test_a_renewed_key_supersedes_and_the_old_one_does_not_come_back(
    world: ConsentWorld, kiosk: BoxPeer
) -> None:
    """Photos sealed to the old key are answered `old_key`; a replaced certificate is refused with an alarm."""
    old = kiosk.certificate
    token = world.invite()
    body = world.body(token, kiosk, PHOTOS)
    assert kiosk.client is not None
    kiosk.close()
    assert httpx.post(f"{world.api}/api/v1/enrolments/{token}", json=body).status_code == 200
    kiosk.renew()
    kiosk.connect()
    world.knows(kiosk)
    seen = world.reaches(token, "retry")
    assert seen["holders"][0]["reason"] == "old_key"  # type: ignore[index]
    kiosk.birth(old)
    until(lambda: world.ask("SELECT 1 FROM alarm WHERE what='certificate'"), "the old key is reported")
    world.knows(kiosk)
    assert httpx.post(f"{world.api}/api/v1/enrolments/{token}", json=body).status_code == 422
    world.enrol(token, kiosk, PHOTOS)
    world.reaches(token, "enrolled")


@pytest.mark.parametrize("flaw", ["unsigned", "foreign", "expired", "none"])
def test_a_kiosk_without_a_valid_certificate_gets_no_gallery(world: ConsentWorld, flaw: str) -> None:
    """And an alarm says so; nobody can enrol there."""
    peer = BoxPeer(world.broker, world.root, "north")
    other = new_private()
    end = now_ms() + 60_000
    flawed = {
        "unsigned": sign_box_key(other, "north", "kiosk-1", peer.raw, end),
        "foreign": sign_box_key(world.root, "south", "kiosk-1", peer.raw, end),
        "expired": sign_box_key(world.root, "north", "kiosk-1", peer.raw, now_ms() - 1),
        "none": None,
    }[flaw]
    peer.connect(flawed, bare=flawed is None)
    until(lambda: world.ask("SELECT 1 FROM alarm WHERE what='kiosk'"), "the missing key is reported")
    assert bool(world.ask("SELECT 1 FROM alarm WHERE what='certificate'")) == (flaw != "none")
    assert peer.galleries == []
    assert world.view(world.invite())["kiosks"] == []
    peer.close()


def test_a_gallery_comes_at_birth_and_after_a_change(world: ConsentWorld, kiosk: BoxPeer) -> None:
    """Sealed to the kiosk, with a fresh salt, without waiting for the minute."""
    until(lambda: kiosk.galleries, "a gallery at birth")
    first = kiosk.galleries[-1]
    world.book_now("a-2", "c-2", "李芳")
    until(lambda: len(kiosk.galleries[-1].appointments) == 2, "a gallery after the change")
    assert kiosk.galleries[-1].salt != first.salt
    assert kiosk.galleries[-1].made_ms > first.made_ms
    assert [queue.waiting for queue in kiosk.galleries[-1].queues] == [0, 0]


def test_a_consent_moves_with_its_template(world: ConsentWorld, kiosk: BoxPeer) -> None:
    """The old box seals it to the new one's key and deletes it; meanwhile both states are shown."""
    token = world.invite()
    world.enrol(token, kiosk, PHOTOS)
    consent = str(world.reaches(token, "enrolled")["consent"])
    template = kiosk.templates[consent]
    south = world.peer("south")
    south.mute = True
    path = f"{world.api}/api/v1/consents/{consent}/move"
    assert httpx.post(path, headers=world.staff("south"), json={"site": "south"}).status_code == 404
    answer = httpx.post(path, headers=world.staff(), json={"site": "south"})
    assert (answer.status_code, answer.json()["step"]) == (200, "moving"), answer.text
    until(lambda: consent in south.templates, "the new box has the template")
    assert {(h["branch"], h["state"]) for h in world.view(token)["holders"]} == {  # type: ignore[attr-defined]
        ("north", "erased"),
        ("south", "waiting"),
    }
    south.mute = False
    south.birth()
    seen = world.reaches(token, "enrolled")
    assert (south.templates[consent], kiosk.templates) == (template, {})
    assert seen["branch"]["id"] == "south"  # type: ignore[index]
    assert receipts(seen) == ["given", "enrolled", "erased", "moved"]
    south.close()


def test_staff_see_and_withdraw_only_what_is_of_their_branch(world: ConsentWorld, kiosk: BoxPeer) -> None:
    """A consent of another branch looks like none; the list holds neither name nor face."""
    token = world.invite()
    world.enrol(token, kiosk, PHOTOS)
    consent = str(world.reaches(token, "enrolled")["consent"])
    path = f"{world.api}/api/v1/consents/{consent}/withdraw"
    assert httpx.post(path, headers=world.staff("south")).status_code == 404
    listed = httpx.get(f"{world.api}/api/v1/branches/north/consents", headers=world.staff()).json()["items"]
    assert [(item["id"], item["state"]) for item in listed] == [(consent, "given")]
    assert httpx.post(path, headers=world.staff()).json()["state"] == "pending"
    world.reaches(token, "withdrawn")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"agreed": False}, "no consent"),
        ({"sha256": "0" * 64}, "changed since"),
        ({"version": "1999-01"}, "no consent text"),
        ({"minor": True}, "guardian"),
        ({"minor": True, "guardian": {"name": " ", "agreed": True}}, "name is missing"),
        ({"minor": True, "guardian": {"name": "王五", "agreed": False}}, "guardian"),
        ({"expires_ms": 1}, "retention"),
    ],
)
def test_without_a_full_consent_nothing_is_kept(
    standing: tuple[ConsentWorld, BoxPeer], given: dict[str, object], told: str
) -> None:
    """One sentence names what is missing, and nothing is stored or sent."""
    world, kiosk = standing
    token = world.invite()
    answer = world.enrol(token, kiosk, PHOTOS, **given)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert world.ask("SELECT (SELECT COUNT(*) FROM consent) + (SELECT COUNT(*) FROM command)") == [(0,)]


def test_a_guardian_consents_for_a_minor(world: ConsentWorld, kiosk: BoxPeer) -> None:
    """The guardian's name lies encrypted under the customer's key."""
    token = world.invite()
    guardian = {"name": "王五", "agreed": True}
    assert world.enrol(token, kiosk, PHOTOS, minor=True, guardian=guardian).status_code == 200
    ((sealed,),) = world.ask("SELECT guardian_name FROM consent")
    assert isinstance(sealed, bytes)
    assert "王五".encode() not in sealed
    assert world.keys.unwrap("c-1", sealed, "guardian's name") == "王五".encode()


def test_unknown_links_tell_nothing_and_are_counted(
    world: ConsentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """404 for any wrong token, 429 for whoever goes on; a right one is not held up."""
    within_a_minute(monkeypatch, enrolment)
    token = world.invite()
    with httpx.Client(base_url=f"{world.api}/api/v1/enrolments") as client:
        codes = [client.get(f"/{secrets.token_urlsafe(32)}").status_code for _ in range(70)]
        assert codes[0] == 404
        assert codes[-1] == 429
        assert client.get(f"/{token}").status_code == 200


def test_only_the_route_for_photos_takes_large_bodies(standing: tuple[ConsentWorld, BoxPeer]) -> None:
    """1.6 MB there, 64 KiB elsewhere."""
    world, _ = standing
    token = world.invite()
    big = {"Content-Type": "application/json"}
    path = f"{world.api}/api/v1/enrolments/{token}"
    assert httpx.post(path, content=b"x" * 1_500_000, headers=big).status_code == 422
    assert httpx.post(path, content=b"x" * 1_700_000, headers=big).status_code == 413
    assert httpx.post(f"{path}/withdraw", content=b"x" * 70_000, headers=big).status_code == 413


def test_no_photo_and_no_name_lies_anywhere(world: ConsentWorld, kiosk: BoxPeer) -> None:
    """A byte search of the hub's data, the broker's store and all logs, after enrolment and withdrawal."""
    token = world.invite()
    guardian = {"name": "Guardian Name-Nobody-Else-Has", "agreed": True}
    world.enrol(token, kiosk, PHOTOS, minor=True, guardian=guardian)
    world.reaches(token, "enrolled")
    search(world, guardian["name"])  # type: ignore[arg-type]
    httpx.post(f"{world.api}/api/v1/enrolments/{token}/withdraw", json={})
    world.reaches(token, "withdrawn")
    search(world, guardian["name"])  # type: ignore[arg-type]


def search(world: ConsentWorld, name: str) -> None:
    from base64 import b64encode, urlsafe_b64encode

    needles = [name.encode(), name.encode("utf-16-le")]
    for photo in PHOTOS:
        part = photo[300:360]
        needles += [part, b64encode(part), urlsafe_b64encode(part), part.hex().encode()]
    files = written(world.folder)
    assert any(path.name == "hub.db" for path in files)
    assert any(path.suffix == ".blk" for path in files), "the broker's store is searched"
    for path, content in files.items():
        for needle in needles:
            assert needle not in content, path


def test_erase_forgets_a_customer_and_shows_what_each_box_confirmed(
    world: ConsentWorld, kiosk: BoxPeer
) -> None:
    """Pending while the box is silent, then withdrawn; again changes nothing; an unknown one is exit 4."""
    token = world.invite()
    world.enrol(token, kiosk, PHOTOS)
    world.reaches(token, "enrolled")
    kiosk.mute = True
    told = json.loads(erase(world, "c-1", "--json").stdout.splitlines()[-1])
    assert told["pending"] == 1
    assert [(each["state"], each["holder"]) for each in told["consents"]] == [("pending", "erasing")]
    kiosk.mute = False
    kiosk.birth()
    world.reaches(token, "withdrawn")
    assert "Everything is deleted." in erase(world, "c-1").stdout
    unknown = erase(world, "nobody")
    assert (unknown.returncode, "is not known here" in unknown.stderr) == (4, True)


def erase(world: ConsentWorld, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "branchloop.cli", "erase", *args],
        capture_output=True, text=True, check=False,
        env={**os.environ, "BRANCHLOOP_HUB": str(world.config.path)},
    )  # fmt: skip


def test_a_command_outlives_a_killed_ingest(tmp_path: Path) -> None:
    """Kill -9 of the real process while a box is away: the box is asked as soon as both are back."""
    port = free_port()
    config = write_hub(tmp_path, broker=f"mqtt://127.0.0.1:{port}")
    with running("nats", tmp_path, config, port=port) as broker:
        worker = Worker(config, port)
        worker.start()
        until(worker.connected, "ingest is connected")
        data = tmp_path / "data"
        peer = BoxPeer(broker, new_private(), "north", "box-1")
        with opened(data) as db:
            consenting = Consenting(db, receipt_key(data))
            given = Consent(
                "f" * 32, "c-1", "north", "2026-11", "0" * 64, "checkin", "en", "kiosk", now_ms(),
                now_ms() + 86_400_000, guardian=False,
            )  # fmt: skip
            consenting.kiosk_gave(given, "box-1", now_ms())
            consenting.withdraw(given, now_ms())
        until(lambda: worker.ask("SELECT sends FROM command WHERE sends>0"), "the command was sent")
        worker.kill()
        worker.start()
        peer.connect(bare=True)
        try:
            until(lambda: worker.ask("SELECT state FROM consent") == [("withdrawn",)], "it is withdrawn")
        finally:
            peer.close()
            worker.kill()
        assert [command.what for command in peer.commands][-1] == "erase"


def test_a_consent_given_at_the_kiosk_is_kept_once(world: ConsentWorld, kiosk: BoxPeer) -> None:
    """With a receipt and in the gallery; one for an unknown appointment goes into quarantine."""
    given = ConsentGiven(
        id="k-1", at_ms=now_ms(), consent="c" * 32, appointment="a-1", text_version="2026-11", language="zh",
        expires_ms=now_ms() + 400 * 86_400_000,
    )  # fmt: skip
    kiosk.templates["c" * 32] = b"made here"
    for seq in (1, 1, 2):
        kiosk.report("consent", given, seq)
    kiosk.report("consent", given.model_copy(update={"appointment": "a-9", "consent": "d" * 32}), 3)
    until(lambda: world.ask("SELECT 1 FROM quarantine"), "the unknown appointment is put aside")
    ((channel, expires_ms, given_ms),) = world.ask("SELECT channel, expires_ms, given_ms FROM consent")
    assert channel == "kiosk"
    assert int(str(expires_ms)) - int(str(given_ms)) == 90 * 86_400_000
    assert world.ask("SELECT event FROM consent_receipt") == [("given",)]
    until(
        lambda: kiosk.galleries and kiosk.galleries[-1].appointments[0].consent == "c" * 32,
        "the gallery names the consent",
    )
    answer = httpx.post(f"{world.api}/api/v1/consents/{'c' * 32}/withdraw", headers=world.staff())
    assert answer.json()["state"] == "pending"
    until(lambda: world.ask("SELECT state FROM consent") == [("withdrawn",)], "it is withdrawn")
    assert kiosk.templates == {}


def test_a_template_that_a_kiosk_deleted_too_early_is_held_there_no_more(
    world: ConsentWorld, kiosk: BoxPeer
) -> None:
    """Its customer may enrol anew, and an alarm says so; of a consent that ends anyway there is none."""
    for seq, (consent, days) in enumerate([("c" * 32, 90), ("d" * 32, 0)], 1):
        given = ConsentGiven(
            id=f"k-{seq}", at_ms=now_ms(), consent=consent, appointment="a-1", text_version="2026-11",
            language="zh", expires_ms=now_ms() + days * 86_400_000 + 600_000,
        )  # fmt: skip
        kiosk.report("consent", given, seq)
    kiosk.report("attempt", Attempt(id="x-1", at_ms=now_ms(), outcome="expired", consent="d" * 32), 3)
    kiosk.report("attempt", Attempt(id="x-2", at_ms=now_ms(), outcome="expired", consent="c" * 32), 4)
    until(lambda: world.ask("SELECT detail FROM alarm WHERE what='kiosk'"), "an alarm tells of it")
    holders = "SELECT state, reason FROM consent_holder ORDER BY consent"
    assert world.ask(holders) == [("failed", "deleted"), ("enrolled", "")]
    assert world.ask("SELECT count FROM alarm WHERE what='kiosk'") == [(1,)]
    assert world.ask("SELECT state FROM consent") == [("given",), ("given",)]
