"""Scenes, links, tags and partners over the API: what a card opens with, for whom, and who may know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hubworld import World, world

from branchloop.clock import DAY_MS
from hub.api.state import now_ms
from hub.loop.embedding import Embed, issue

PAGE = "https://agency.example"
PARTS = """
[[service]]
id = "loan"
name = { en = "Loans", zh = "贷款" }
minutes = 20
per_slot = 5
[[service]]
id = "proof"
name = { en = "Proof", zh = "证明" }
minutes = 10
online = "certificate"
"""
HUB = f"""
scenes = "scenes.toml"
[[partner]]
id = "agency"
name = {{ en = "Agency", zh = "中介" }}
origins = ["{PAGE}"]
per_served = 7.5
[[partner]]
id = "shop"
name = {{ en = "Shop", zh = "商店" }}
origins = ["https://shop.example"]
sites = ["hall"]
[value]
per_served = 20.0
"""
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
