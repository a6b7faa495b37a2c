"""What Quality tells of check-ins to who may not see single persons."""

from __future__ import annotations

from pathlib import Path

import httpx
from hubworld import NOON, World, world
from tables import service
from test_api import get, send, window

from branchloop.clock import HOUR_MS, MINUTE_MS, from_ms, local_day_start_ms
from hub.api.state import now_ms
from hub.store.connection import opened

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PARTS = f"""
hours = {{ {", ".join(f'{day} = "10:00-24:00"' for day in DAYS)} }}
{service("loan")}
[[kiosk]]
id = "kiosk-1"
source = "usb:0"
x_m = 0.2
y_m = 0.2
"""


def tickets(hub: World, role: str, *sites: str) -> tuple[str, str | None, float | None, float | None]:
    told = get(hub, "/hall/quality", hub.token(role, *sites)).json()["findings"]
    (found,) = (each for each in told if each["check"] == "tickets")
    return found["outcome"], found["reason"], found["value"], found["numbers"].get("given")


def test_few_check_ins_are_told_to_managers_alone(tmp_path: Path) -> None:
    """As by the funnel: 1 to 4 name persons; from five on, and where nobody came, they name nobody."""
    with world(tmp_path, parts=PARTS, book=True, zone=NOON) as hub:
        zone, at_ms = hub.config.sites["hall"].zone_info, now_ms()
        opens_ms = local_day_start_ms(from_ms(at_ms, zone).date(), zone) + 10 * HOUR_MS
        minutes = [
            ("window", window(start_ms, 1, slots=12) | {"expected_ms": MINUTE_MS, "observed_ms": MINUTE_MS})
            for start_ms in range(opens_ms, at_ms - MINUTE_MS, MINUTE_MS)
        ]
        send(hub, "hall", minutes)
        staff = hub.token("staff", "hall")

        def came(count: int) -> None:
            for _ in range(count):
                url = f"{hub.api}/api/v1/branches/hall/walk-ins"
                assert httpx.post(url, json={"service": "loan"}, headers=staff).status_code == 201
            with opened(hub.config.data_dir) as db:
                db.execute("UPDATE ticket SET at_ms=?", (opens_ms + HOUR_MS,))

        few = ("unknown", "too_few", None, None)
        came(4)
        assert tickets(hub, "head_office") == tickets(hub, "auditor") == few
        assert tickets(hub, "manager", "hall") == ("ok", None, 4.0, 4.0)
        came(1)
        assert tickets(hub, "head_office") == tickets(hub, "manager", "hall") == ("ok", None, 5.0, 5.0)
