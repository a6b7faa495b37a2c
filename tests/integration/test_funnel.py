"""The funnel over HTTP: what the ledger says, for who may see it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from hubworld import world
from tables import partner

from hub.loop.journey import Happened
from hub.store.connection import opened
from hub.store.journeys import record

START_MS = 1_767_225_600_000
QUERY = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "by": "service"}


def test_manager_sees_small_counts_and_head_office_does_not(tmp_path: Path) -> None:
    with world(tmp_path, hub="[value.costs]\nserved = 2.0\n") as hub:
        with opened(hub.config.data_dir) as db:
            for n in range(11):
                service = "loan" if n < 3 else "cash"
                for stage in ("booked", "reminded", "arrived", "served"):
                    record(db, Happened(stage, START_MS + n, "hall", f"j{n}", service))  # type: ignore[arg-type]
        url = f"{hub.api}/api/v1/branches/hall/funnel"
        manager, head = hub.token("manager", "hall"), hub.token("head_office")
        seen = httpx.get(url, params=QUERY, headers=manager).json()
        served = {group["group"]: group["stages"][6]["journeys"] for group in seen["groups"]}
        assert served == {"cash": 8, "loan": 3}
        assert seen["total"]["cost_per_served"] == 2
        told = httpx.get(url, params=QUERY, headers=head).json()
        assert [group["stages"][6]["journeys"] for group in told["groups"]] == [None, None]
        assert [group["cost"] for group in told["groups"]] == [None, None]
        assert told["total"]["stages"][6]["journeys"] == 11
        whole, cash = told["total"], told["groups"][0]
        assert (whole["absent"], whole["stages"][6]["absent"]) == (None, None)  # it is told
        assert (cash["absent"], cash["stages"][6]["absent"]) == ("small", "small")
        stages = {**QUERY, "format": "csv"}
        assert "*,served,11,,,,,\r\n" in httpx.get(url, params=stages, headers=head).text
        table = httpx.get(url, params={**QUERY, "format": "csv"}, headers=manager)
        assert "loan,served,3,0," in table.text
        over = httpx.get(f"{hub.api}/api/v1/funnel", params={**QUERY, "by": "branch"}, headers=head).json()
        assert [group["group"] for group in over["groups"]] == ["hall"]
        assert over["total"]["stages"][6]["journeys"] == 11


@pytest.mark.parametrize("to", ["2025-12-31T00:00:00Z", QUERY["from"]])
def test_a_period_that_ends_before_it_begins_is_refused(tmp_path: Path, to: str) -> None:
    """As of every other figure: nothing in it is no measured zero."""
    with world(tmp_path, hub=partner("travel", "https://t.example")) as hub:
        for path in ("branches/hall/funnel", "funnel", "partners/travel/aggregates", "branches/hall/zones"):
            told = httpx.get(
                f"{hub.api}/api/v1/{path}", params={**QUERY, "to": to}, headers=hub.token("head_office")
            )
            assert (told.status_code, told.json()["detail"]) == (422, "`to` is not after `from`."), path


def test_no_two_questions_of_head_office_give_a_small_count(tmp_path: Path) -> None:
    """All branches less one branch, or two weeks less one, tells nothing that is withheld; managers see it all."""
    with world(tmp_path, hub="[value]\nper_served = 10.0\nper_cross_sell = 100.0\n") as hub:
        day_ms = 86_400_000
        with opened(hub.config.data_dir) as db:
            for site, days, count in (("hall", 0, 9), ("hall", 7, 8), ("annex", 0, 3), ("annex", 7, 6)):
                for n in range(count):
                    record(
                        db, Happened("served", START_MS + days * day_ms, site, f"{site}{days}-{n}", "loan")
                    )
            record(
                db,
                Happened(
                    "follow_up", START_MS + 1, "hall", "hall0-1", "cash", detail={"journey": "hall0-2", "service": "advice"}
                ),
            )  # fmt: skip
        head, manager = hub.token("head_office"), hub.token("manager", "hall", "annex")

        def served(
            path: str, until: str, by: str, headers: dict[str, str] = head
        ) -> tuple[int | None, int | None]:
            query = {"from": QUERY["from"], "to": until, "by": by}
            answer = httpx.get(f"{hub.api}/api/v1/{path}", params=query, headers=headers).json()
            stage = answer["total"]["stages"][6]
            return stage["journeys"], stage["at_least"]

        one, two = "2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z"
        assert served("branches/hall/funnel", one, "service") == (9, None)
        assert served("branches/annex/funnel", one, "service") == (None, 0)
        assert served("branches/annex/funnel", two, "service") == (None, 6)
        assert served("funnel", one, "service") == (None, 9)
        assert served("funnel", two, "branch") == (None, 23)
        assert served("funnel", two, "branch", manager) == (26, None)
        query = {"from": QUERY["from"], "to": one, "by": "branch"}
        told = httpx.get(f"{hub.api}/api/v1/funnel", params=query, headers=head).json()
        assert (told["from"], told["to"]) == ("2025-12-28T18:30:00.000Z", "2026-01-04T18:30:00.000Z")
        seen = httpx.get(f"{hub.api}/api/v1/funnel", params=query, headers=manager).json()
        assert (seen["from"], seen["to"]) == ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z")
        assert (seen["total"]["cross_sold"], seen["total"]["value"]) == (1, 220)
        csv = httpx.get(
            f"{hub.api}/api/v1/funnel", params={**query, "format": "csv", "table": "groups"}, headers=manager
        ).text
        assert csv.splitlines()[0].endswith("value_CNY,absent")
        assert "*,0,,1,,,220.0," in csv
        cohorts = httpx.get(
            f"{hub.api}/api/v1/funnel", params={**query, "format": "csv", "table": "cohorts"}, headers=manager
        )
        assert cohorts.text == "week,customers,returned,absent\r\n"
