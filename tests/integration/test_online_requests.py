"""A service done online, end to end: a page asks, the bank's core answers with facts, a signed PDF comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pypdfium2
import pytest
from hubworld import World, world
from paces import within_a_minute
from tables import DOCUMENTS, partner, service

from branchloop.clock import DAY_MS, from_ms
from branchloop.errors import ConfigError
from hub.api import requests as asking
from hub.api.card import access as card_access
from hub.api.issuing import issuer_of
from hub.api.state import now_ms
from hub.documents.signing import read_trusted, verify
from hub.loop.embedding import Embed, issue
from hub.store.book import requests as store
from hub.store.connection import opened, reading
from hub.store.customers.erasure import erase_customer, retire_people
from hub.store.journeys import of_journey

PAGE = "https://travel.example"
PARTS = (
    """
simulated = true
"""
    + service("proof", online="certificate")
    + service("second", online="account")
    + service("loan")
)
HUB = (
    """
[people]
public_url = "https://bank.example"
"""
    + DOCUMENTS
    + partner("travel", PAGE)
)
FACTS = {"account_last_four": "6608", "currency": "CNY", "amount": "52000.00", "as_of": "2026-01-05"}
Headers = dict[str, str]
_numbers = iter(range(10, 99))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("hub")
    command = [
        sys.executable,
        "-m",
        "branchloop.keys.root",
        "document",
        str(folder / "keys"),
        "--name",
        "Example Bank",
    ]
    subprocess.run(command, check=True, capture_output=True)
    with world(folder, parts=PARTS, hub=HUB, book=True) as running:
        yield running


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests of this process are one address within one minute."""
    monkeypatch.setattr(card_access._writes, "most", 10_000)


def page(hub: World) -> Headers:
    token = issue(Embed("travel", PAGE, "hall", now_ms() + DAY_MS), hub.state.book.keyring.mac)
    return {"Authorization": f"Embed {token}", "Origin": PAGE}


def wish(**more: object) -> dict[str, object]:
    return {
        "service": "proof", "name": "王小明", "phone": f"+86 138 0013 80{next(_numbers)}",
        "identity": {"kind": "identity_card", "last_four": "123X"},
        "certificate": {"purpose": "visa"}, "language": "zh", **more,
    }  # fmt: skip


def ask(hub: World, key: str, body: dict[str, object] | None = None) -> httpx.Response:
    headers = {**page(hub), "Idempotency-Key": f"a-random-key-{key:-<20}"}
    return httpx.post(f"{hub.api}/api/v1/card/requests", headers=headers, json=body or wish())


def holding(made: httpx.Response) -> Headers:
    return {"Authorization": f"Pass {made.json()['secret']}", "Origin": PAGE}


def card(hub: World, made: httpx.Response, path: str = "", method: str = "GET") -> httpx.Response:
    return httpx.request(method, f"{hub.api}/api/v1/card/request{path}", headers=holding(made))


def core(
    hub: World, path: str = "", body: object = None, role: str = "core", method: str = "POST"
) -> httpx.Response:
    url = f"{hub.api}/api/v1/branches/hall/requests{path}"
    return httpx.request(method, url, headers=hub.token(role, "hall"), json=body)


def fulfilled(hub: World, made: httpx.Response, **changed: object) -> httpx.Response:
    return core(hub, f"/{made.json()['details']['id']}/fulfil", {"certificate": {**FACTS, **changed}})


def text(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return str(document[0].get_textpage().get_text_range())
    finally:
        document.close()


def test_a_certificate_from_the_wish_to_the_signed_page(hub: World) -> None:
    made = ask(hub, "whole")
    assert made.status_code == 201, made.text
    details = made.json()["details"]
    assert (details["state"], details["masked_name"], details["may"]) == ("asked", "王*", ["withdraw"])
    assert details["document"] is False
    assert card(hub, made, "/document.pdf").status_code == 404

    listed = core(hub, method="GET", role="staff").json()["items"]
    assert details["id"] in [each["id"] for each in listed]
    assert "王小明" not in json.dumps(listed, ensure_ascii=False)
    told = core(hub, f"/{details['id']}", method="GET").json()
    assert (told["name"], told["identity"]["last_four"], told["certificate"]["purpose"]) == (
        "王小明",
        "123X",
        "visa",
    )
    assert core(hub, f"/{details['id']}/check", role="staff").json()["state"] == "checking"

    done = fulfilled(hub, made)
    assert done.status_code == 200, done.text
    state = card(hub, made).json()
    assert (state["state"], state["document"], state["may"]) == ("ready", True, ["fetch", "withdraw"])
    assert state["verify_url"] == f"https://bank.example/verify/{state['code']}"

    fetched = card(hub, made, "/document.pdf")
    assert fetched.headers["content-type"] == "application/pdf"
    assert fetched.headers["access-control-allow-origin"] == PAGE
    said = text(fetched.content)
    for each in (
        "王小明",
        "CNY 52,000.00",
        "2026-01-05",
        "示例银行",
        "Example Bank",
        state["code"],
        "模拟数据",
    ):
        assert each in said, each
    trusted = read_trusted(hub.config.path.parent / "keys" / "document-root.crt")
    assert verify(fetched.content, trusted, now_ms()).genuine
    assert card(hub, made).json()["state"] == "collected"
    assert card(hub, made, "/document.pdf").content == fetched.content

    with reading(hub.config.data_dir) as db:
        kept = store.get(db, "hall", details["id"])
        happened = [
            (each.happened.stage, each.happened.detail["state"]) for each in of_journey(db, kept.journey)
        ]
        dump = "\n".join(db.iterdump())
    assert happened == [
        ("document", "asked"), ("document", "checking"), ("document", "ready"), ("served", "ready"), ("outcome", "ready"),
        ("document", "collected"),
    ]  # fmt: skip
    for secret in ("王小明", "52000.00", made.json()["secret"], "+86138001380"):
        assert secret not in dump, secret
        assert secret.encode().hex().upper() not in dump, secret


def test_a_request_is_one_however_often_it_is_sent(hub: World) -> None:
    body = wish()
    first, again = ask(hub, "once", body), ask(hub, "once", body)
    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert first.json()["secret"] == again.json()["secret"]
    assert ask(hub, "once", {**body, "name": "李四"}).status_code == 409


def test_the_same_facts_again_change_nothing_and_other_facts_are_refused(hub: World) -> None:
    made = ask(hub, "facts")
    told: list[int] = []
    threads = [
        threading.Thread(target=lambda: told.append(fulfilled(hub, made).status_code)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [200] * 4
    pdf = card(hub, made, "/document.pdf").content
    assert fulfilled(hub, made).json()["code"] == card(hub, made).json()["code"]
    other = fulfilled(hub, made, amount="52000.01")
    assert other.status_code == 409
    assert card(hub, made, "/document.pdf").content == pdf
    with reading(hub.config.data_dir) as db:
        journey = store.get(db, "hall", made.json()["details"]["id"]).journey
        assert [each.happened.stage for each in of_journey(db, journey)].count("served") == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": "52,000.00"}, {"amount": "-1"}, {"amount": "1e9"}, {"amount": "NaN"}, {"amount": 52000.0},
        {"amount": "007"}, {"currency": "USD"}, {"currency": "yuan"}, {"as_of": "2999-01-01"},
        {"frozen_until": "2020-01-01"}, {"account_last_four": "62220001"},
    ],
)  # fmt: skip
def test_facts_that_cannot_be_so_are_refused_and_nothing_is_made(
    hub: World, changed: dict[str, object]
) -> None:
    made = ask(hub, f"bad-{json.dumps(changed)}"[:60])
    refused = fulfilled(hub, made, **changed)
    assert refused.status_code == 422, refused.text
    assert refused.json()["hint"]
    assert card(hub, made).json()["state"] == "asked"


def test_the_same_facts_again_change_nothing_days_later_either(
    hub: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that heard no answer tries again once the hold is over: it was fulfilled, and is told so."""
    made, hold = ask(hub, "days-later"), from_ms(now_ms() + 2 * DAY_MS).date().isoformat()
    assert fulfilled(hub, made, frozen_until=hold).status_code == 200
    later_ms = now_ms() + 5 * DAY_MS
    monkeypatch.setattr("hub.api.requests.now_ms", lambda: later_ms)
    again = fulfilled(hub, made, frozen_until=hold)
    assert (again.status_code, again.json().get("state")) == (200, "ready")
    other = fulfilled(hub, made, frozen_until="2020-01-01")
    assert (other.status_code, "other facts" in other.json()["detail"]) == (409, True)


def test_an_account_is_told_by_its_last_digits(hub: World) -> None:
    made = ask(hub, "account", wish(service="second", certificate=None))
    assert made.status_code == 201, made.text
    identity = made.json()["details"]["id"]
    assert core(hub, f"/{identity}/fulfil", {"certificate": FACTS}).status_code == 422
    facts = {
        "account": {"product": {"en": "Class II debit account", "zh": "二类借记账户"}, "last_four": "1234"}
    }
    assert core(hub, f"/{identity}/fulfil", facts).status_code == 200
    told = card(hub, made).json()
    assert (told["state"], told["account"]["last_four"], told["document"]) == ("ready", "1234", False)
    assert card(hub, made, "/document.pdf").status_code == 404
    assert card(hub, made, "/withdraw", "POST").status_code == 409


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"service": "loan"}, 422), ({"service": "none"}, 422), ({"certificate": None}, 422),
        ({"service": "second"}, 422), ({"phone": "12"}, 422), ({"name": "<script>alert(1)</script>"}, 422),
        ({"name": "محمد"}, 422), ({"identity": {"kind": "identity_card", "last_four": "110101199001011234"}}, 422),
        ({"certificate": {"purpose": "visa", "amount": "1000000.00"}}, 422),
    ],
)  # fmt: skip
def test_a_wish_that_cannot_be_is_refused_with_a_sentence(
    hub: World, changed: dict[str, object], status: int
) -> None:
    refused = ask(hub, f"wish-{json.dumps(changed)}"[:60], wish(**changed))
    assert refused.status_code == status, refused.text
    assert refused.json()["hint"]


def test_declined_says_why_in_both_languages(hub: World) -> None:
    made = ask(hub, "declined")
    path = f"/{made.json()['details']['id']}"
    reason = {"en": "No deposit in this currency.", "zh": "无该币种存款。"}
    assert core(hub, f"{path}/decline", {"reason": reason}).json()["state"] == "declined"
    assert card(hub, made).json()["reason"] == reason
    assert fulfilled(hub, made).status_code == 409
    assert card(hub, made, "/withdraw", "POST").status_code == 409


def test_a_phone_may_have_three_open_requests(hub: World) -> None:
    body = wish()
    told = [ask(hub, f"many{at}", body).status_code for at in range(4)]
    assert told == [201, 201, 201, 409]
    refused = ask(hub, "many9", body).json()
    assert refused["type"] == "urn:branchloop:problem:too-many-open"
    assert "ask in the branch" in refused["hint"]  # the number may be somebody else's


def test_a_pass_of_a_request_opens_no_visit(hub: World) -> None:
    made = ask(hub, "no-visit")
    assert httpx.get(f"{hub.api}/api/v1/card/pass", headers=holding(made)).status_code == 404


def test_staff_may_look_but_only_the_core_and_managers_state_facts(hub: World) -> None:
    path = f"/{ask(hub, 'roles').json()['details']['id']}"
    assert core(hub, f"{path}/fulfil", {"certificate": FACTS}, role="staff").status_code == 403
    assert core(hub, f"{path}/withdraw", role="staff").status_code == 403
    assert core(hub, path, method="GET", role="staff").status_code == 200
    assert core(hub, f"{path}/fulfil", {"certificate": FACTS}, role="manager").status_code == 200
    board = httpx.get(f"{hub.api}/api/v1/branches/hall/board", headers=hub.token("core", "hall"))
    assert board.status_code == 403


def test_anybody_may_ask_whether_a_document_stands(hub: World) -> None:
    made = ask(hub, "verify")
    identity = made.json()["details"]["id"]
    fulfilled(hub, made)
    code = card(hub, made).json()["code"]
    typed = code.lower().replace("-", "")
    told = httpx.get(f"{hub.api}/api/v1/verify/{typed}").json()
    assert (told["state"], told["masked_name"], told["issuer"]["zh"]) == ("valid", "王*", "示例银行")
    assert "52000" not in json.dumps(told)
    shown = httpx.get(f"{hub.api}/verify/{code}")
    assert "本凭证有效" in shown.text
    assert "This document is valid" in shown.text
    assert core(hub, f"/{identity}/withdraw").json()["state"] == "withdrawn"
    assert httpx.get(f"{hub.api}/api/v1/verify/{code}").json()["state"] == "withdrawn"
    assert "本凭证已撤销" in httpx.get(f"{hub.api}/verify", params={"code": code}).text
    assert card(hub, made, "/document.pdf").status_code == 404
    odd = httpx.get(f"{hub.api}/verify", params={"code": '"><script>alert(1)</script>'})
    assert (odd.status_code, "<script>" in odd.text) == (404, False)


def test_a_hub_without_a_document_key_makes_no_certificate(tmp_path: Path) -> None:
    without = HUB[: HUB.index("[documents]")] + HUB[HUB.index("[[partner]]") :]
    with world(tmp_path, parts=PARTS, hub=without, book=True) as other:
        refused = ask(other, "none")
        assert (refused.status_code, refused.json()["hint"]) == (409, "Book a visit.")
        assert ask(other, "account", wish(service="second", certificate=None)).status_code == 201


def test_codes_cannot_be_guessed_for_long(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    within_a_minute(monkeypatch, asking)
    told = [httpx.get(f"{hub.api}/api/v1/verify/0000-0000-0000-{at:04d}").status_code for at in range(50)]
    assert set(told) == {404, 429}
    page = httpx.get(f"{hub.api}/verify/0000-0000-0000-0050")
    assert page.status_code == 429
    assert 1 <= int(page.headers["Retry-After"]) <= 60


def test_a_document_has_its_time(hub: World) -> None:
    made = ask(hub, "time")
    fulfilled(hub, made)
    identity = made.json()["details"]["id"]
    over_ms = now_ms() + 31 * DAY_MS
    with reading(hub.config.data_dir) as db:
        found = store.get(db, "hall", identity)
        assert (found.now(now_ms()), found.now(over_ms), found.fetchable(over_ms)) == (
            "ready",
            "expired",
            False,
        )
    with opened(hub.config.data_dir) as db:
        db.execute("UPDATE request SET expires_ms=? WHERE id=?", (now_ms() - 1, identity))
    assert card(hub, made).json()["state"] == "expired"
    assert card(hub, made, "/document.pdf").status_code == 404
    assert fulfilled(hub, made).status_code == 409
    retire_people(hub.config, now_ms() - 90 * DAY_MS, now_ms())
    with reading(hub.config.data_dir) as db:
        assert store.get(db, "hall", identity).state == "expired"
        assert db.execute("SELECT document FROM request WHERE id=?", (identity,)).fetchone() == (None,)


def test_a_forgotten_customer_leaves_nothing_that_names_them(hub: World) -> None:
    made = ask(hub, "forget")
    fulfilled(hub, made)
    identity = made.json()["details"]["id"]
    code = card(hub, made).json()["code"]
    customer = core(hub, f"/{identity}", method="GET").json()["customer"]
    erase_customer(hub.config.data_dir, customer, now_ms(), hub.state.people)
    assert card(hub, made).status_code == 401
    assert core(hub, f"/{identity}", method="GET").status_code == 404
    with reading(hub.config.data_dir) as db:
        row = db.execute("SELECT * FROM request WHERE id=?", (identity,)).fetchone()
        dump = "\n".join(db.iterdump())
        assert store.by_code(db, code) is None
    assert customer not in dump
    assert code not in row
    assert not [each for each in row if isinstance(each, bytes) and each]


def test_a_request_of_long_ago_names_nobody(hub: World) -> None:
    made = ask(hub, "old")
    identity = made.json()["details"]["id"]
    customer = core(hub, f"/{identity}", method="GET").json()["customer"]
    with opened(hub.config.data_dir) as db:
        db.execute("UPDATE request SET made_ms=? WHERE id=?", (now_ms() - 100 * DAY_MS, identity))
    retire_people(hub.config, now_ms() - 90 * DAY_MS, now_ms())
    with reading(hub.config.data_dir) as db:
        assert store.get(db, "hall", identity).masked_name == "*"
    assert not hub.state.book.keyring.forget(customer)


def test_a_hub_that_cannot_sign_says_so_to_its_own_log_alone(hub: World) -> None:
    with pytest.raises(ConfigError, match="signs no documents"):
        issuer_of(replace(hub.config, documents=None))
    key = hub.config.path.parent / "keys" / "document.pem"
    key.chmod(0o644)
    try:
        with pytest.raises(ConfigError, match="may be read by others"):
            issuer_of(hub.config)
        refused = ask(hub, "no-key")
        assert refused.status_code == 503
        assert "document.pem" not in refused.text
    finally:
        key.chmod(0o600)


def test_a_branchs_list_reads_no_more_than_it_tells(hub: World) -> None:
    """The oldest that are open; or the newest of all, in the same order."""
    for name in ("list-a", "list-b", "list-c"):
        assert ask(hub, name).status_code == 201
    with reading(hub.config.data_dir) as db:
        every = [
            id_ for (id_,) in db.execute("SELECT id FROM request WHERE site='hall' ORDER BY made_ms, id")
        ]
        waiting = store.of_site(db, "hall", only_open=True, most=1_000)
        asked: list[str] = []
        db.set_trace_callback(asked.append)
        first = store.of_site(db, "hall", only_open=True, most=2)
        newest = store.of_site(db, "hall", only_open=False, most=2)
        db.set_trace_callback(None)
    assert [each.id for each in first] == [each.id for each in waiting[:2]]
    assert [each.id for each in newest] == every[-2:]
    assert all("LIMIT 2" in each for each in asked)
