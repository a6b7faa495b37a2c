"""Scenes, links, tags and partners over the API: what a card opens with, for whom, and who may know."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hubworld import World, world
from tables import partner, service

from branchloop.clock import DAY_MS
from branchloop.keys.sealing import decode
from hub.api.state import now_ms
from hub.loop.embedding import Embed, issue, read
from hub.loop.journey import Happened
from hub.store.book.passes import find_pass
from hub.store.connection import opened, reading
from hub.store.customers.receiptkey import receipt_key
from hub.store.journeys import record

PAGE = "https://agency.example"
PARTS = (
    service("loan", minutes=20, per_slot=5)
    + service("proof", name=("Proof", "证明"), minutes=10, online="certificate")
    + service("second", online="account")
)
HUB = (
    """
scenes = "scenes.toml"
"""
    + partner("agency", PAGE, name=("Agency", "中介"), per_served=7.5)
    + partner("shop", "https://shop.example", name=("Shop", "商店"), sites=["hall"])
    + """
[value]
per_served = 20.0
"""
)
SCENES = """
[[tag]]
id = "visa"
name = { en = "Visa", zh = "签证" }
purposes = ["suggest", "share"]
[[scene]]
id = "travel"
name = { en = "Travel", zh = "旅行" }
[[scene.rule]]
id = "proof"
service = "proof"
reason = { en = "A proof of deposit", zh = "存款证明" }
[[scene.rule]]
id = "visa"
service = "loan"
reason = { en = "For the journey", zh = "旅费" }
weight = 5
when = { tags = ["visa"] }
[[next]]
id = "papers"
outcomes = ["documents_missing"]
service = "loan"
reason = { en = "Bring the papers", zh = "补齐资料" }
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("hub")
    (folder / "scenes.toml").write_text(SCENES)
    with world(folder, parts=PARTS, hub=HUB, book=True) as running:
        yield running


def page(hub: World, subject: str | None = None, scene: str | None = "travel") -> dict[str, str]:
    embed = Embed("agency", PAGE, "hall", now_ms() + DAY_MS, scene=scene, subject=subject)
    return {"Authorization": f"Embed {issue(embed, hub.state.book.keyring.mac)}", "Origin": PAGE}


def test_a_card_opens_with_what_the_table_says_now(hub: World) -> None:
    """By rule and reason; the table is changed under the running hub, and a bad one changes nothing."""
    offer = httpx.get(f"{hub.api}/api/v1/card/offer", headers=page(hub)).json()
    assert (offer["opens_with"], offer["linked"]) == ("proof", None)
    assert [(each["rule"], each["online"]) for each in offer["suggestions"]] == [
        ("travel/proof", "certificate")
    ]
    unknown = httpx.get(f"{hub.api}/api/v1/card/offer", headers=page(hub, scene="nowhere")).json()
    assert [each["rule"] for each in unknown["suggestions"]] == ["built-in"]
    signed_in = httpx.get(f"{hub.api}/api/v1/card/offer", headers=page(hub, "u-0")).json()
    assert signed_in["linked"] is False
    path = Path(hub.config.path.parent / "scenes.toml")
    path.write_text(SCENES.replace('"A proof of deposit"', '"Now another reason"'))
    changed = httpx.get(f"{hub.api}/api/v1/card/offer", headers=page(hub)).json()
    assert changed["suggestions"][0]["reason"]["en"] == "Now another reason"
    path.write_text("[[scene]]\nid = 3\n")
    held = httpx.get(f"{hub.api}/api/v1/card/offer", headers=page(hub)).json()
    assert held["suggestions"] == changed["suggestions"]
    path.write_text(SCENES)


def booking(hub: World, headers: dict[str, str], name: str, days: int = 2) -> dict[str, str]:
    """A booking on the page, as answered."""
    day = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    slots = httpx.get(f"{hub.api}/api/v1/card/slots", params={"service": "loan", "day": day}, headers=headers)
    start = next(each["start"] for each in slots.json()["items"] if each["free"])
    made = httpx.post(
        f"{hub.api}/api/v1/card/appointments",
        headers={**headers, "Idempotency-Key": f"a-random-key-{name:-<20}"},
        json={"service": "loan", "start": start, "name": "Ann Bo"},
    )
    assert made.status_code == 201, made.text
    answered: dict[str, str] = made.json()
    return answered


def booked(hub: World, headers: dict[str, str], name: str, days: int = 2) -> dict[str, str]:
    """A booking on the page; the headers of its pass."""
    made = booking(hub, headers, name, days)
    return {"Authorization": f"Pass {made['secret']}", "Origin": PAGE}


def partner(hub: World, name: str = "agency") -> dict[str, str]:
    return hub.token("partner", name)


def test_a_customer_links_is_tagged_and_takes_it_all_back(hub: World) -> None:
    """From the partner's token for its user to the tag that changes the offer, and out again."""
    base, user = f"{hub.api}/api/v1", "客" * 120  # the longest that a subject may be
    asked = {"origin": PAGE, "site": "hall", "scene": "travel", "subject": user}
    embed = httpx.post(f"{base}/partners/agency/embeds", json=asked, headers=partner(hub)).json()["embed"]
    headers = {"Authorization": f"Embed {embed}", "Origin": PAGE}
    holder = booked(hub, headers, "first")
    tag = {"subject": user, "tag": "visa", "purpose": "suggest"}
    assert httpx.post(f"{base}/partners/agency/tags", json=tag, headers=partner(hub)).status_code == 404
    text = httpx.get(f"{base}/card/link-text", headers=holder).json()
    agreed = {"embed": embed, "language": "zh", "version": text["version"], "sha256": text["sha256"]}
    wrong = httpx.post(f"{base}/card/link", json={**agreed, "sha256": "0" * 64}, headers=holder)
    assert wrong.status_code == 422
    made = httpx.post(f"{base}/card/link", json={**agreed, "purposes": ["suggest"]}, headers=holder)
    assert made.status_code == 201, made.text
    assert json.loads(made.json()["receipt"])["purpose"] == "link/agency/suggest"
    assert httpx.post(f"{base}/partners/agency/tags", json=tag, headers=partner(hub)).status_code == 201
    shared = httpx.post(
        f"{base}/partners/agency/tags", json={**tag, "purpose": "share"}, headers=partner(hub)
    )
    assert shared.status_code == 409
    foreign = httpx.post(f"{base}/partners/shop/tags", json=tag, headers=partner(hub, "shop"))
    assert foreign.status_code == 404
    offer = httpx.get(f"{base}/card/offer", headers=headers).json()
    assert (offer["linked"], offer["opens_with"]) == (True, "loan")
    again = booked(hub, headers, "second", 3)
    assert len(httpx.get(f"{base}/card/links", headers=again).json()["items"]) == 1
    (kept,) = httpx.get(f"{base}/card/tags", headers=again).json()["items"]
    assert (kept["tag"], kept["provenance"], kept["purpose"]) == ("visa", "partner", "suggest")
    assert httpx.delete(f"{base}/card/tags/{kept['id']}", headers=again).json() == {"items": []}
    assert httpx.get(f"{base}/card/offer", headers=headers).json()["opens_with"] == "proof"
    gone = httpx.post(f"{base}/card/unlink", json={"partner": "agency"}, headers=holder).json()
    assert json.loads(gone["receipt"])["event"] == "withdrawn"
    assert httpx.get(f"{base}/card/offer", headers=headers).json()["linked"] is False


def onward(hub: World, holder: dict[str, str]) -> tuple[Embed, dict[str, str]]:
    """What the token that comes with a pass is bound to, and the headers of a page that uses it."""
    token = httpx.get(f"{hub.api}/api/v1/card/pass", headers=holder).json()["embed"]
    embed = read(token, hub.state.book.keyring.mac, now_ms())
    return embed, {"Authorization": f"Embed {token}", "Origin": PAGE}


def linked(hub: World, holder: dict[str, str], headers: dict[str, str]) -> None:
    """Link who is signed in on a page with who holds a pass."""
    url = f"{hub.api}/api/v1/card"
    shown = httpx.get(f"{url}/link-text", params={"language": "en"}, headers=holder).json()
    agreed = {key: shown[key] for key in ("language", "version", "sha256")}
    asked = {**agreed, "embed": headers["Authorization"].split()[1]}
    assert httpx.post(f"{url}/link", json=asked, headers=holder).status_code == 201


def whose(hub: World, holder: dict[str, str]) -> str:
    """The pseudonym that a pass's visit is kept under."""
    with reading(hub.config.data_dir) as db:
        kept = find_pass(db, holder["Authorization"].split()[1])
        assert kept is not None
        found = hub.state.book.find(db, kept.site, kept.appointment)
        assert found is not None
    return found.customer


def test_what_comes_next_is_booked_by_who_is_known(hub: World) -> None:
    """By the token of the pass alone: the same visitor, under the same rules, in the same scene, until unlinked."""
    signed_in = page(hub, "u-onward")
    holder = booked(hub, signed_in, "onward first", 4)
    stranger, _ = onward(hub, holder)
    assert (stranger.visit, stranger.subject, stranger.scene) == (None, None, "travel")
    linked(hub, holder, signed_in)
    embed, headers = onward(hub, holder)
    assert embed.scene == "travel"
    assert embed.expires_ms <= now_ms() + 60 * 60_000
    assert whose(hub, holder) not in str(embed)
    assert httpx.get(f"{hub.api}/api/v1/card/offer", headers=headers).json()["linked"] is True
    again = booked(hub, headers, "onward again", 5)
    assert whose(hub, again) == whose(hub, holder)
    start = httpx.get(f"{hub.api}/api/v1/card/pass", headers=again).json()["start"]
    twice = httpx.post(
        f"{hub.api}/api/v1/card/appointments",
        headers={**headers, "Idempotency-Key": "a-random-key-at-one-time"},
        json={"service": "loan", "start": start, "name": "Ann Bo"},
    )
    assert twice.json()["type"].endswith(":own-time")
    other = replace(embed, partner="shop", origin="https://shop.example")
    foreign = {
        "Authorization": f"Embed {issue(other, hub.state.book.keyring.mac)}",
        "Origin": "https://shop.example",
    }
    assert httpx.get(f"{hub.api}/api/v1/card/offer", headers=foreign).json()["linked"] is None
    httpx.post(f"{hub.api}/api/v1/card/unlink", json={"partner": "agency"}, headers=holder)
    assert httpx.get(f"{hub.api}/api/v1/card/offer", headers=headers).json()["linked"] is None
    assert whose(hub, booked(hub, headers, "onward apart", 6)) != whose(hub, holder)


def test_what_comes_next_is_booked_within_the_pages_service(hub: World) -> None:
    """The token of the pass is for that service, too, and the pass offers no other; of a request as of a visit."""
    embed = Embed("agency", PAGE, "hall", now_ms() + DAY_MS, "loan", "travel")
    limited = {"Authorization": f"Embed {issue(embed, hub.state.book.keyring.mac)}", "Origin": PAGE}
    holder = booked(hub, limited, "within", 7)
    bound, headers = onward(hub, holder)
    assert (bound.service, bound.scene, bound.visit) == ("loan", "travel", None)
    identity = {"kind": "passport", "last_four": "1234"}
    wish = {"service": "second", "name": "Ann Bo", "phone": "+8613800138001", "identity": identity}
    url, idempotent = f"{hub.api}/api/v1/card/requests", {"Idempotency-Key": "a-random-key-account"}
    assert httpx.post(url, json=wish, headers={**headers, **idempotent}).status_code == 422
    second = Embed("agency", PAGE, "hall", now_ms() + DAY_MS, "second", "travel")
    asking = {"Authorization": f"Embed {issue(second, hub.state.book.keyring.mac)}", "Origin": PAGE}
    asked = httpx.post(url, json=wish, headers={**asking, **idempotent})
    after = read(asked.json()["details"]["embed"], hub.state.book.keyring.mac, now_ms())
    assert (after.service, after.scene) == ("second", "travel")
    with opened(hub.config.data_dir) as db:
        kept = find_pass(db, holder["Authorization"].split()[1])
        assert kept is not None
        visit = hub.state.book.get(db, "hall", kept.appointment)
        db.execute(
            "UPDATE appointment SET state='served', outcome='documents_missing', follow_up=? WHERE id=?",
            ('{"text": "Bring the lease", "service": "second"}', visit.id),
        )
    told = httpx.get(f"{hub.api}/api/v1/card/pass", headers=holder).json()
    assert told["follow_up"] == {"text": "Bring the lease", "service": None}
    assert [each["service"] for each in told["next"]] == ["loan"]


def test_who_holds_only_the_pass_of_a_request_links_sees_it_and_takes_it_back(hub: World) -> None:
    """As who booked a visit does; the audit log names the request."""
    url, signed_in = f"{hub.api}/api/v1/card", page(hub, "u-9")
    identity = {"kind": "passport", "last_four": "1234"}
    wish = {"service": "second", "name": "Ann Bo", "phone": "+8613800138000", "identity": identity}
    made = httpx.post(
        f"{url}/requests", json=wish, headers={**signed_in, "Idempotency-Key": "a-random-key-request"}
    )
    assert made.status_code == 201, made.text
    holder = {"Authorization": f"Pass {made.json()['secret']}", "Origin": PAGE}
    shown = httpx.get(f"{url}/link-text", params={"language": "en"}, headers=holder).json()
    agreed = {key: shown[key] for key in ("language", "version", "sha256")}
    agreed |= {"embed": signed_in["Authorization"].split()[1], "purposes": ["suggest"]}
    linked = httpx.post(f"{url}/link", json=agreed, headers=holder)
    assert linked.status_code == 201, linked.text
    tag = {"subject": "u-9", "tag": "visa", "purpose": "suggest"}
    tags = f"{hub.api}/api/v1/partners/agency/tags"
    assert httpx.post(tags, json=tag, headers=partner(hub)).status_code == 201
    (seen,) = httpx.get(f"{url}/links", headers=holder).json()["items"]
    assert (seen["partner"], seen["purposes"]) == ("agency", ["suggest"])
    (kept,) = httpx.get(f"{url}/tags", headers=holder).json()["items"]
    assert httpx.delete(f"{url}/tags/{kept['id']}", headers=holder).json() == {"items": []}
    gone = httpx.post(f"{url}/unlink", json={"partner": "agency"}, headers=holder).json()
    assert json.loads(gone["receipt"])["event"] == "withdrawn"
    assert httpx.get(f"{url}/links", headers=holder).json() == {"items": []}
    request = f"request {made.json()['details']['id']}"
    with reading(hub.config.data_dir) as db:
        lines = db.execute("SELECT action FROM audit_due WHERE detail=? ORDER BY id", (request,)).fetchall()
    assert [action for (action,) in lines] == ["link agency", "remove a tag", "unlink agency"]


def test_the_passs_address_has_the_pages_token_while_its_user_can_be_linked(hub: World) -> None:
    """Behind the secret; not where nobody is signed in, and not once the user is linked."""
    api, signed_in = f"{hub.api}/api/v1/card", page(hub, "u-url")
    token = signed_in["Authorization"].split()[1]
    nobody, before = booking(hub, page(hub), "url-1", 4), booking(hub, signed_in, "url-2", 5)
    assert nobody["url"] == f"{hub.api}/pass#{nobody['secret']}"
    assert before["url"] == f"{hub.api}/pass#{before['secret']}&{token}"
    holder = {"Authorization": f"Pass {before['secret']}", "Origin": hub.api}
    shown = httpx.get(f"{api}/link-text", headers=holder).json()
    agreed = {key: shown[key] for key in ("language", "version", "sha256")} | {"embed": token}
    assert httpx.post(f"{api}/link", json=agreed, headers=holder).status_code == 201
    after = booking(hub, signed_in, "url-3", 6)
    assert after["url"] == f"{hub.api}/pass#{after['secret']}"


@pytest.mark.parametrize("path", ["settlement", "aggregates"])
def test_a_partner_cannot_tell_another_from_none(hub: World, path: str) -> None:
    """403 in the same words for one that exists and one that does not; the bank's roles are told the truth."""
    query = {"month": "2025-12", "from": "2026-01-01T00:00:00Z", "to": "2026-01-08T00:00:00Z"}
    answers = [
        httpx.get(f"{hub.api}/api/v1/partners/{name}/{path}", params=query, headers=partner(hub))
        for name in ("shop", "nobody", "agency")
    ]
    assert [each.status_code for each in answers] == [403, 403, 200]
    assert answers[0].json() == answers[1].json()
    unknown = httpx.get(
        f"{hub.api}/api/v1/partners/nobody/{path}", params=query, headers=hub.token("head_office")
    )
    assert unknown.status_code == 404


def test_a_token_for_a_page_is_for_the_partners_own(hub: World) -> None:
    """Its origins and its branches alone, for an hour at most."""
    url = f"{hub.api}/api/v1/partners/shop/embeds"
    good = {"origin": "https://shop.example", "site": "hall"}
    for wrong in ({"origin": PAGE}, {"site": "annex"}, {"service": "none"}, {"minutes": 61}):
        told = httpx.post(url, json={**good, **wrong}, headers=partner(hub, "shop"))
        assert told.status_code == 422, wrong
    assert httpx.post(url, json=good, headers=partner(hub)).status_code == 403
    assert httpx.post(url, json=good, headers=hub.token("head_office")).status_code == 403


def test_a_closed_month_stays_as_it_was(hub: World) -> None:
    """Signed, exact in total, lines of few together; an erasure later changes nothing; another's is apart."""
    start_ms = 1_767_225_600_000
    with opened(hub.config.data_dir) as db:
        for service, count in (("loan", 7), ("proof", 6), ("cash", 2)):
            for n in range(count):
                record(
                    db,
                    Happened(
                        "served", start_ms + 86_400_000, "hall", f"s{service}{n}", service, "card",
                        partner="agency", customer=f"c-{n}",
                    ),
                )  # fmt: skip
    url, query = f"{hub.api}/api/v1/partners/agency/settlement", {"month": "2026-01"}
    first = httpx.get(url, params=query, headers=partner(hub)).json()
    assert (first["closed"], first["served"], first["owed"], first["worth"]) == (True, 15, 112.5, 300.0)
    assert [(each["service"], each["served"]) for each in first["lines"]] == [("loan", 7), (None, 8)]
    assert hashlib.sha256(first["body"].encode()).hexdigest() == first["sha256"]
    key = receipt_key(hub.config.data_dir).public_key()
    key.verify(decode(first["signature"]), first["body"].encode(), ec.ECDSA(hashes.SHA256()))
    with opened(hub.config.data_dir) as db:
        hub.state.book.forget(db, "c-1", now_ms())
        db.execute("DELETE FROM journey_event WHERE partner='agency' AND service='loan'")
    for role in ("head_office", "auditor"):
        assert httpx.get(url, params=query, headers=hub.token(role)).json() == first
    assert httpx.get(url, params=query, headers=hub.token("manager", "hall")).status_code == 403
    table = httpx.get(url, params={**query, "format": "csv"}, headers=partner(hub)).text
    assert f"2026-01,*,*,15,112.5,300.0,1,{first['sha256']}" in table
    other = httpx.get(url.replace("agency", "shop"), params=query, headers=partner(hub, "shop")).json()
    assert (other["served"], other["owed"], other["lines"]) == (0, None, [])
    assert httpx.get(url, params={"month": "2026-13"}, headers=partner(hub)).status_code == 422
