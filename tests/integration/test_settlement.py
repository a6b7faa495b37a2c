"""What a partner is owed, in currencies of any number of digits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tables import partner

from branchloop.clock import MINUTE_MS
from hub.config.hub import read_config
from hub.loop.journey import Happened, new_journey
from hub.store.connection import opened, prepare, reading
from hub.store.customers import settlement
from hub.store.journeys import record

SITE = 'id = "hall"\nname = { en = "Hall", zh = "大厅" }\ntimezone = "Asia/Kuwait"\nplan = { width_m = 2.0, height_m = 1.0, cell_m = 0.5 }\n'
JANUARY_MS = 1_767_225_600_000


def test_what_is_owed_is_exact_and_its_lines_add_up(tmp_path: Path) -> None:
    """A dinar has a thousand fils: 0.125 for each of 13 is 1.625, not 1.62; and 7 and 6 of them are together as much."""
    (tmp_path / "hall.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "hub.toml").write_text(
        f'[hub]\ndata_dir = "data"\nsites = ["hall.toml"]\n[value]\ncurrency = "KWD"\nper_served = 8.1\n'
        f"{partner('travel', 'https://travel.example', per_served=0.125)}",
        encoding="utf-8",
    )
    config = read_config(tmp_path / "hub.toml")
    prepare(config.data_dir)
    with opened(config.data_dir) as db:
        for service, count in (("loan", 7), ("account", 6)):
            for at in range(count):
                record(
                    db,
                    Happened(
                        "served",
                        JANUARY_MS + at * MINUTE_MS,
                        "hall",
                        new_journey(),
                        service,
                        partner="travel",
                    ),
                )
    with reading(config.data_dir) as db:
        told = settlement.counted(db, config.partners["travel"], "2026-01", config.sites, config.value).body
    assert (told["served"], told["owed"], told["worth"]) == (13, 1.625, 105.3)
    by_service = Counter({each["service"]: each["owed"] for each in told["lines"]})
    assert by_service == {"loan": 0.875, "account": 0.75}
    assert by_service.total() == told["owed"]
