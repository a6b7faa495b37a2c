"""Webhooks out of the ledger: signed, in order, at least once; one that hangs holds up no other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from brokers import until
from certificates import Authority
from hubworld import World, world
from jsonschema import Draft202012Validator
from receiver import SECRET, Receiver, receiving

from hub.config.hub import read_config
from hub.loop.delivery import key_of
from hub.loop.journey import Happened, new_journey
from hub.outgoing.main import run
from hub.outgoing.post import Answer, client, post
from hub.store.connection import opened, prepare
from hub.store.journeys import record

SITE = 'id = "hall"\nname = { en = "Hall", zh = "大厅" }\ntimezone = "Asia/Shanghai"\nplan = { width_m = 2.0, height_m = 1.0, cell_m = 0.5 }\n'

PARTNER = (
    '[[partner]]\nid = "travel"\nname = { en = "Travel", zh = "旅行" }\norigins = ["https://t.example"]\n'
)


def configured(folder: Path, *hooks: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hall.toml").write_text(SITE, encoding="utf-8")
    path = folder / "hub.toml"
    path.write_text(
        f'[hub]\ndata_dir = "data"\nsites = ["hall.toml"]\n{PARTNER}{"".join(hooks)}', encoding="utf-8"
    )
    prepare(read_config(path).data_dir)
    return path


def hook(name: str, url: str, **more: object) -> str:
    lines = "".join(
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
        for key, value in more.items()
    )
    return (
        f'[[webhook]]\nid = "{name}"\nurl = "{url}"\nsecret_env = "HOOK_SECRET"\nfrom_start = true\n{lines}'
    )


def happen(config: Path, count: int, site: str = "hall", **more: object) -> None:
    with opened(read_config(config).data_dir) as db:
        for at in range(count):
            record(
                db,
                Happened(
                    "booked",
                    1_800_000_000_000 + at,
                    site,
                    new_journey(),
                    customer="c-1",
                    appointment="a-1",
                    **more,
                ),
            )  # type: ignore[arg-type]


@contextmanager
def outgoing(config: Path, log: Path = Path(os.devnull)) -> Iterator[subprocess.Popen[bytes]]:
    process = start(config, log)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(20) == 0


def start(config: Path, log: Path = Path(os.devnull)) -> subprocess.Popen[bytes]:
    with log.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "hub.outgoing.main", str(config)],
            env={**os.environ, "HOOK_SECRET": SECRET}, stderr=said,
        )  # fmt: skip


def ask(config: Path, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(read_config(config).data_dir / "hub.db")
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def test_what_happens_is_told_in_order_and_signed(tmp_path: Path) -> None:
    with receiving() as one:
        config = configured(tmp_path, hook("core", one.url))
        happen(config, 5)
        with outgoing(config):
            until(lambda: len(one.got) >= 5, "the first lines are told")
            happen(config, 3)
            until(lambda: len(one.got) >= 8, "the later lines are told")
    assert one.ids == list(range(1, 9))
    told = one.got[0]
    assert (told["type"], told["version"]) == ("branchloop.journey.booked", 1)
    assert told["data"]["customer"].startswith("p-")
    assert "c-1" not in str(told)


def test_each_hears_its_own_under_its_own_names(tmp_path: Path) -> None:
    """A partner gets its journeys alone, with a pseudonym that the bank's receiver does not know."""
    with receiving() as bank, receiving() as partner:
        config = configured(
            tmp_path, hook("core", bank.url, stages=["booked"]), hook("travel", partner.url, partner="travel")
        )
        happen(config, 2)
        happen(config, 1, partner="travel", detail={"request": "r-1", "online": "certificate"})
        with outgoing(config):
            until(lambda: len(bank.got) == 3 and len(partner.got) == 1, "both were told")
    assert partner.ids == [3]
    schema = Path(__file__).parents[2] / "docs/protocol/event.schema.json"
    envelope = Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    for told in [*bank.got, *partner.got]:
        envelope.validate(told)
        envelope.validate({**told, "a_key_of_later": 1})
        assert not envelope.is_valid({**told, "data": None})
    assert partner.got[0]["data"]["customer"] != bank.got[2]["data"]["customer"]
    assert "appointment" not in partner.got[0]["data"]
    assert partner.got[0]["data"]["detail"] == {"online": "certificate"}
    assert bank.got[2]["data"]["detail"]["request"] == "r-1"


def test_a_partner_s_name_for_a_customer_is_told_to_that_partner_alone(tmp_path: Path) -> None:
    """Beside the bank's own name for the same customer it would join what the two hold; so it would in the feed."""
    linked = {"partner": "travel", "detail": {"pairwise": "p-of-travel", "purposes": "share"}}
    with receiving() as bank, receiving() as partner:
        hooks = PARTNER + hook("crm", bank.url) + hook("travel", partner.url, partner="travel")
        with world(tmp_path, hub=hooks, book=True) as hub:
            config = tmp_path / "hub.toml"
            happen(config, 1, **linked)
            with outgoing(config):
                until(lambda: len(bank.got) == len(partner.got) == 1, "both were told")
            core = hub.token("core", "hall")
            (fed,) = httpx.get(f"{hub.api}/api/v1/events", headers=core).json()["items"]
    assert partner.got[0]["data"]["detail"] == linked["detail"]
    assert bank.got[0]["data"]["detail"] == fed["data"]["detail"] == {"purposes": "share"}


def test_one_that_hangs_or_drips_holds_up_nobody(tmp_path: Path) -> None:
    with receiving(answers=lambda _count: 0) as hangs, receiving(drip=True) as drips, receiving() as good:
        config = configured(
            tmp_path, hook("hangs", hangs.url), hook("drips", drips.url), hook("good", good.url)
        )
        happen(config, 20)
        with outgoing(config):
            until(lambda: len(good.got) == 20, "the good one has all")
            assert not hangs.got
            assert not drips.got
            until(
                lambda: len(ask(config, "SELECT 1 FROM webhook_target WHERE error LIKE '%did not answer%'")) == 2,
                "both are told as not answering", 40,
            )  # fmt: skip
            hangs.released.set()
            drips.released.set()
            hangs.answers = lambda _count: 204
            drips.drip = False
            until(lambda: len(hangs.got) >= 20 and len(drips.got) >= 20, "both caught up", 40)
    assert hangs.ids == drips.ids == list(range(1, 21))


def test_faults_are_tried_again_in_order(tmp_path: Path) -> None:
    """Every third answer is a 500, a redirect is not followed, a request for patience is heeded."""
    with receiving(answers=lambda count: 500 if count % 3 == 0 else 302 if count % 4 == 0 else 204) as one:
        config = configured(tmp_path, hook("core", one.url))
        happen(config, 6)
        with outgoing(config):
            until(lambda: len(one.ids) == 6, "all are told", 60)
    assert one.ids == list(range(1, 7))


def test_one_that_is_gone_is_left_alone_until_somebody_says_so(tmp_path: Path) -> None:
    with receiving(answers=lambda count: 410 if count == 1 else 204) as one:
        config = configured(tmp_path, hook("core", one.url))
        happen(config, 2)
        with outgoing(config):
            until(lambda: ask(config, "SELECT disabled FROM webhook_target") == [(1,)], "it is disabled")
            from hub.store.outgoing import retry

            with opened(read_config(config).data_dir) as db:
                assert retry(db, "core")
            until(lambda: len(one.got) == 2, "it is told again", 20)
    assert one.ids == [1, 2]


def test_what_nobody_takes_becomes_a_dead_letter_and_the_next_is_told(tmp_path: Path) -> None:
    """After give_up_h; a retry takes it up again from there."""
    with receiving(answers=lambda count: 500 if count < 4 else 204) as one:
        config = configured(tmp_path, hook("core", one.url, give_up_h=0.0004))
        happen(config, 3)
        with outgoing(config, tmp_path / "log"):
            until(
                lambda: ask(config, "SELECT entry FROM webhook_dead") == [(1,)], "the first is given up", 30
            )
            until(
                lambda: "webhook core: line 1 is given up" in (tmp_path / "log").read_text(),
                "the log says so",
            )
            until(lambda: one.ids == [2, 3], "the others are told", 30)
            from hub.store.outgoing import retry

            with opened(read_config(config).data_dir) as db:
                retry(db, "core")
            until(lambda: 1 in one.ids, "the dead letter is told after all", 30)


def test_a_receiver_with_a_certificate_of_the_bank_s_own_authority_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the hub's machine believes, and by nothing else."""
    Authority.make(tmp_path / "tls").sign()
    with receiving(tls=tmp_path / "tls") as one:
        config = configured(tmp_path, hook("crm", one.url))
        happen(config, 1)
        with outgoing(config):
            until(
                lambda: ask(config, "SELECT 1 FROM webhook_target WHERE error LIKE 'its certificate is not believed (%put its authority%'") == [(1,)],
                "it is not believed",
            )  # fmt: skip
        assert not one.got
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls" / "ca.pem"))
        with outgoing(config):
            until(lambda: one.ids == [1], "it is told", 30)


def test_an_authority_s_file_that_is_gone_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reminders and all other receivers go by the same process."""
    monkeypatch.setenv("SSL_CERT_FILE", "/gone.pem")

    async def go(url: str) -> Answer:
        async with client() as to:
            return await post(to, url, [key_of(SECRET, "test")], "msg_1", b'{"id": "1"}')

    with receiving() as one:
        assert asyncio.run(go(one.url)) == Answer()


def test_a_new_address_has_all_of_its_time_before_it(tmp_path: Path) -> None:
    """What the one before it did not take for days is no dead letter the first time that the new one is busy."""
    with (
        receiving(answers=lambda _count: 500) as old,
        receiving(answers=lambda count: 503 if count == 1 else 204) as new,
    ):
        config = configured(tmp_path, hook("core", old.url))
        happen(config, 1)
        with outgoing(config):
            until(lambda: ask(config, "SELECT 1 FROM webhook_target WHERE attempts>0") == [(1,)], "it failed")
        with opened(read_config(config).data_dir) as db:
            db.execute("UPDATE webhook_target SET failing_since_ms=failing_since_ms-100*3600000")
        config = configured(tmp_path, hook("core", new.url))
        with outgoing(config):
            until(lambda: new.ids == [1], "the new one is told", 30)
    assert ask(config, "SELECT entry FROM webhook_dead") == []


SLOW = 20
OK = b"HTTP/1.1 200 OK\r\n"


def endless() -> Iterator[bytes]:
    yield OK + b"transfer-encoding: chunked\r\n\r\n"
    for _ in range(4000):
        yield b"10000\r\n" + b"a" * 0x10000 + b"\r\n"


def stalling() -> Iterator[bytes]:
    yield OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n"
    threading.Event().wait(5)


@pytest.mark.parametrize(
    "answer",
    [
        endless,
        stalling,
        lambda: iter([OK + b"content-length: 10\r\n\r\nok"]),
        lambda: iter([OK + b"content-length: 2\r\ncontent-encoding: gzip\r\n\r\nok"]),
    ],
    ids=["endless", "stalling", "short", "gzip"],
)
def test_the_status_decides_whatever_the_body_is(answer: Callable[[], Iterator[bytes]]) -> None:
    async def go(url: str) -> Answer:
        async with client() as to:
            return await post(to, url, [key_of(SECRET, "test")], "msg_1", b'{"id": "1"}', total_s=3)

    with receiving(raw=answer) as one:
        assert asyncio.run(go(one.url)) == Answer()
        assert one.ids == [1]
        assert one.wrote < 30_000_000, "no more than what was on the line is read"


def test_names_that_are_not_found_hold_up_neither_others_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look for a name that no server answers takes half a minute, and nobody can break it off."""
    answered, looks = threading.Event(), list[str]()
    looked = socket.getaddrinfo

    def hanging(host: Any, *args: Any, **more: Any) -> Any:
        if ".slow.example" in str(host):
            looks.append(host)
            answered.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no name server answers")
        return looked(host, *args, **more)

    async def go(one: Receiver) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run(read_config(config), stop))
        await asyncio.to_thread(until, lambda: len(looks) >= SLOW, "all names are looked for", 20)
        happen(config, 5)
        await asyncio.to_thread(until, lambda: len(one.got) == 6, "the good one has all", 20)
        stop.set()
        await running

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    try:
        with receiving() as one:
            slow = [hook(f"slow-{at}", f"https://s{at}.slow.example/hook") for at in range(SLOW)]
            config = configured(tmp_path, hook("good", one.url), *slow)
            happen(config, 1)
            began_s = time.monotonic()
            asyncio.run(go(one))
            assert time.monotonic() - began_s < 15
        assert one.ids == list(range(1, 7))
    finally:
        answered.set()


def test_a_clock_that_was_set_back_holds_up_nothing(tmp_path: Path) -> None:
    """Ten minutes are the longest pause: a next try further ahead was noted before the clock was set."""
    with receiving(answers=lambda count: 500 if count == 1 else 204) as one:
        config = configured(tmp_path, hook("core", one.url))
        happen(config, 1)
        with outgoing(config):
            until(lambda: ask(config, "SELECT attempts FROM webhook_target") == [(1,)], "it failed once")
            with opened(read_config(config).data_dir) as db:
                db.execute("UPDATE webhook_target SET next_ms=next_ms+3600000")
            until(lambda: one.ids == [1], "it is told all the same", 20)


def test_killed_in_the_middle_nothing_is_lost(tmp_path: Path) -> None:
    """Kill -9 again and again: every line arrives, in order; only what was on its way arrives twice."""
    with receiving() as one:
        config = configured(tmp_path, hook("core", one.url))
        happen(config, 400)
        kills = 0
        while len(one.ids) < 400:
            process = start(config)
            had = len(one.got)
            until(lambda had=had: len(one.got) >= had + 90 or len(one.ids) == 400, "some are told", 30)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            kills += 1
    assert one.ids == list(range(1, 401))
    assert kills >= 4


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('url = "http://bank.example/hook"', "not encrypted"),
        ('url = "https://user:secret@bank.example/hook"', "password"),
        ('url = "ftp://bank.example"', "url"),
    ],
)
def test_an_address_that_leaks_is_refused(tmp_path: Path, line: str, says: str) -> None:
    from branchloop.errors import ConfigError

    with pytest.raises(ConfigError, match=says):
        configured(tmp_path, f'[[webhook]]\nid = "core"\n{line}\nsecret_env = "X"\n')


def test_the_feed_is_the_core_system_s_and_the_targets_are_head_office_s(tmp_path: Path) -> None:
    with receiving() as one:
        extra = hook("core", one.url)
        with world(tmp_path, hub=extra, book=True) as hub:
            office, core = hub.token("head_office"), hub.token("core", "hall")
            happen(tmp_path / "hub.toml", 3)
            page = httpx.get(f"{hub.api}/api/v1/events?after=1&limit=1", headers=core).json()
            assert ([each["id"] for each in page["items"]], page["next"], page["head"]) == (["2"], 2, 3)
            with outgoing(tmp_path / "hub.toml"):
                until(lambda: len(one.got) == 3, "it is told")
                until(lambda: _target(hub, office)["behind"] == 0, "the cursor is at the end")
            for beyond in (2**53 + 1, 2**70):  # SQLite's numbers end at 2**63
                events = f"{hub.api}/api/v1/events"
                assert httpx.get(events, params={"after": beyond}, headers=core).status_code == 422
                resumed = {**core, "Last-Event-ID": str(beyond)}
                assert httpx.get(f"{events}/stream", headers=resumed).status_code == 422
            told = _stream(hub, core, last="1")
            assert told == ["2", "3"]
            missing = httpx.post(f"{hub.api}/api/v1/events/targets/none/retry", headers=office)
            assert missing.status_code == 404
            assert (
                httpx.post(f"{hub.api}/api/v1/events/targets/core/retry", headers=office).status_code == 200
            )


def test_head_office_sees_no_single_journey_and_a_core_system_those_of_its_branches(tmp_path: Path) -> None:
    """What is out of scope is passed over: by `next` as by the stream."""
    with world(tmp_path, book=True) as hub:
        for site in ("hall", "annex", "annex", "hall"):
            happen(tmp_path / "hub.toml", 1, site=site)
        events = f"{hub.api}/api/v1/events"
        for path in (events, f"{events}/stream"):
            assert httpx.get(path, headers=hub.token("head_office")).status_code == 403
        core = hub.token("core", "hall")
        pages = [httpx.get(events, params={"after": at, "limit": 2}, headers=core).json() for at in (0, 1, 2)]
        told = [([each["id"] for each in page["items"]], page["next"], page["head"]) for page in pages]
        assert told == [(["1"], 2, 4), ([], 3, 4), (["4"], 4, 4)]
        assert _stream(hub, core, last="0") == ["1", "4"]


def _target(hub: World, office: dict[str, str]) -> dict[str, object]:
    (found,) = httpx.get(f"{hub.api}/api/v1/events/targets", headers=office).json()["items"]
    return dict(found)


def _stream(hub: World, core: dict[str, str], last: str) -> list[str]:
    found: list[str] = []
    with httpx.stream(
        "GET", f"{hub.api}/api/v1/events/stream", headers={**core, "Last-Event-ID": last}, timeout=20
    ) as lines:
        for line in lines.iter_lines():
            if line.startswith("id: ") and line[4:] != last:
                found.append(line[4:])
            if len(found) == 2:
                break
    return found


def test_a_retry_is_not_lost_to_what_is_just_being_told(tmp_path: Path) -> None:
    """The cursor that a retry set back is not overwritten by the delivery that was under way."""
    from hub.store import outgoing as kept

    config = configured(tmp_path, hook("core", "http://127.0.0.1:9/hook"))
    happen(config, 3)
    with opened(read_config(config).data_dir) as db:
        kept.begin(db, "core", "http://127.0.0.1:9/hook", 0, from_start=True)
        kept.give_up(db, "core", 0, 1, 1, "it answered 500")
        assert kept.retry(db, "core")
        assert not kept.delivered(db, "core", 1, 3, 1)
        found = kept.find(db, "core")
        assert found is not None
        assert found.cursor == 0


def test_a_stop_of_the_hub_is_not_the_receiver_s(tmp_path: Path) -> None:
    """Of four days of which the hub was off for all but an hour, an hour counts for `give_up_h`; asked again, no more."""
    from hub.store import outgoing as kept

    with receiving(answers=lambda count: 503 if count == 1 else 204) as one:
        config = configured(tmp_path, hook("core", one.url))
        happen(config, 1)
        now_ms = time.time_ns() // 1_000_000
        hour_ms, off_ms = 3_600_000, 4 * 24 * 3_600_000
        with opened(read_config(config).data_dir) as db:
            kept.begin(db, "core", one.url, now_ms - off_ms, from_start=True)
            kept.failed(db, "core", now_ms - off_ms, now_ms - off_ms + hour_ms, "it answered 503")
            for _ in range(2):
                found = kept.begin(db, "core", one.url, now_ms, from_start=True)
                assert found.failing_since_ms == now_ms - hour_ms
        with outgoing(config):
            until(lambda: one.ids == [1], "it is told in the end", 30)
        assert one.asked == 2
        assert ask(config, "SELECT count(*) FROM webhook_dead") == [(0,)]


def test_a_failure_counts_for_the_line_that_failed_alone(tmp_path: Path) -> None:
    """Another process has told it meanwhile: the receiver is neither disabled nor made to wait."""
    from hub.store import outgoing as kept

    def answer(count: int) -> int:
        if count > 1:
            return 204
        with opened(read_config(config).data_dir) as db:
            assert kept.delivered(db, "core", 0, 1, 1)
        return 410

    with receiving(answers=answer) as one:
        config = configured(tmp_path, hook("core", one.url))
        happen(config, 3)
        with outgoing(config):
            until(lambda: one.ids == [2, 3], "the others are told", 20)
        assert ask(config, "SELECT disabled, attempts FROM webhook_target") == [(0, 0)]
