"""The hub's side of configurations: history, rings, what is sent, and what is in force."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import write_hub
from click.testing import CliRunner, Result

from branchloop.errors import ConfigError, ConflictError
from branchloop.site.content import content_hash
from branchloop.site.site import parse_site
from branchloop.wire.desired import Desired
from branchloop.wire.status import Refusal, Status
from hub.config.hub import HubConfig, read_config
from hub.ingest.desired import DesiredOut
from hub.main import cli
from hub.store.branches import inforce
from hub.store.branches.configurations import KEPT_VERSIONS, OWN_FILE, Configurations, Saved
from hub.store.branches.judging import roll_back, save_text
from hub.store.connection import connect, prepare
from hub.store.schema.core import DATABASE

SITES = ("north", "south", "west")


@pytest.fixture
def config(tmp_path: Path) -> HubConfig:
    """Three branches; north is the pilot, south follows, west is in no ring."""
    file = write_hub(tmp_path, sites=SITES)
    file.write_text(file.read_text() + '[rollout]\nrings = [["north"], ["south"]]\n')
    settings = read_config(file)
    prepare(settings.data_dir)
    return settings


@pytest.fixture
def db(config: HubConfig) -> Iterator[sqlite3.Connection]:
    connection = connect(config.data_dir / DATABASE)
    yield connection
    connection.close()


def text(config: HubConfig, site: str, width: float = 4.0) -> str:
    return config.site_files[site].read_text(encoding="utf-8").replace("width_m = 4.0", f"width_m = {width}")


def save(db: sqlite3.Connection, config: HubConfig, base: int, width: float = 4.0) -> Saved:
    return Configurations(db).save(
        "north", text(config, "north", width), above=1, base=base, author="mei", note="", ring=0, now_ms=base
    )


def status(version: int, digest: str, **more: object) -> Status:
    return Status.model_validate(
        {"online": True, "boot": "0" * 32, "connect_no": 1, "at_ms": 1, "config_version": version,
         "config_hash": digest, **more}
    )  # fmt: skip


def test_versions_follow_one_another(db: sqlite3.Connection, config: HubConfig) -> None:
    """Numbers rise, nothing of the box is kept, whoever started from an older one is told, an older one is not published."""
    configurations = Configurations(db)
    first = save(db, config, 1)
    assert (first.version, first.published_ms) == (2, None)
    assert "credential" not in first.text
    assert "version = 2" in first.text
    with pytest.raises(ConflictError, match="version 2 was saved meanwhile"):
        save(db, config, 1)
    second = save(db, config, 2, 5.0)
    configurations.publish(second, 7)
    configurations.publish(second, 8)
    wanted = configurations.wanted("north")
    assert wanted is not None
    assert (wanted.version, wanted.published_ms) == (3, 7)
    with pytest.raises(ConflictError, match="only rise"):
        configurations.publish(first, 9)
    assert [saved.version for saved in configurations.history("north")] == [3, 2]


def test_a_box_that_is_ahead_is_not_undercut(db: sqlite3.Connection, config: HubConfig) -> None:
    """A technician raised the box's own file to 8: what the hub saves next is 9, or the box would ignore it."""
    Configurations(db).heard("north", "box-1", status(8, "f" * 16), 1)
    assert save(db, config, 1).version == 9


def test_the_sites_follow_what_is_in_force(
    db: sqlite3.Connection, config: HubConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved or published changes nothing; reported by the box it is the branch; another text under that number is not."""
    monkeypatch.setattr(inforce, "LOOK_S", 0.0)
    following = inforce.follow(config)
    configurations = Configurations(db)
    saved = save(db, config, 1, 5.0)
    configurations.publish(saved, 1)
    assert following.sites["north"].plan.width_m == 4.0
    configurations.heard("north", "box-1", status(2, "0" * 16), 1)
    assert following.sites["north"].plan.width_m == 4.0
    configurations.heard("north", "box-1", status(2, saved.hash), 2)
    assert following.sites["north"].plan.width_m == 5.0
    assert following.sites["north"].box == config.sites["north"].box
    assert following.sites["south"] == config.sites["south"]
    assert set(following.sites) == set(SITES)
    refused = Refusal(version=3, code="marks", reason="no floor")
    configurations.heard("north", "box-1", status(2, saved.hash, refused=refused), 3)
    told = configurations.reported("north")
    assert told is not None
    assert told.refused == refused
    assert following.sites["north"].plan.width_m == 5.0
    assert isinstance(following.sites, inforce.SitesInForce)
    following.sites.close()


def test_a_report_is_of_what_the_box_runs(db: sqlite3.Connection, config: HubConfig) -> None:
    """By version while the box told nothing of it; another text under the same number is another configuration."""
    configurations, site = Configurations(db), config.sites["north"]
    assert configurations.runs(site, 1, "a" * 16)
    assert not configurations.runs(site, 2, "a" * 16)
    configurations.heard("north", "box-1", status(1, "a" * 16), 1)
    assert configurations.runs(site, 1, "a" * 16)
    assert not configurations.runs(site, 1, "b" * 16)


def test_a_text_that_cannot_be_read_any_more_changes_nothing(
    db: sqlite3.Connection,
    config: HubConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Saved by another version of the hub and in force: the branch is that of the hub's own file, and it is said."""
    monkeypatch.setattr(inforce, "LOOK_S", 0.0)
    following = inforce.follow(config)
    saved = save(db, config, 1, 5.0)
    db.execute("UPDATE configuration SET text = text || ?", ("\nfrom_the_future = 1\n",))
    Configurations(db).heard("north", "box-1", status(2, saved.hash), 2)
    assert following.sites["north"] == config.sites["north"]
    assert "from_the_future" in caplog.text
    assert isinstance(following.sites, inforce.SitesInForce)
    following.sites.close()


def test_what_is_wanted_is_sent_and_sent_again(db: sqlite3.Connection, config: HubConfig) -> None:
    """Retained, once per version and per connection of the box; a hub without connection tries again."""
    sent: list[tuple[str, Desired, bool]] = []
    up = [False]

    def publish(topic: str, payload: str, *, retain: bool = False) -> bool:
        if up[0]:
            sent.append((topic, Desired.model_validate_json(payload), retain))
        return up[0]

    out = DesiredOut(db, config.sites, publish)
    Configurations(db).publish(save(db, config, 1), 1)
    out.tick(1_000)
    assert sent == []
    up[0] = True
    out.tick(2_000)
    out.tick(3_000)
    assert [(topic, wanted.version, retain) for topic, wanted, retain in sent] == [
        ("branchloop/1/north/box-1/desired", 2, True)
    ]
    db.execute(
        "INSERT INTO device_status (site, device, last_seen_ms, online, boot, connect_no) VALUES "
        "('north', 'box-1', 1, 1, 'b', 1)"
    )
    out.tick(4_000)
    save(db, config, 2)
    out.tick(5_000)
    assert [wanted.version for _, wanted, _ in sent] == [2, 2]


def test_after_a_start_boxes_are_served_in_turns(
    db: sqlite3.Connection, config: HubConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bounded number a look, every one in the end, none twice."""
    monkeypatch.setattr("hub.ingest.desired.MOST_A_LOOK", 2)
    sent: list[str] = []

    def publish(topic: str, payload: str, *, retain: bool = False) -> bool:
        sent.append(Desired.model_validate_json(payload).site)
        return True

    configurations = Configurations(db)
    for site in SITES:
        saved = configurations.save(
            site, text(config, site), above=1, base=1, author="mei", note="", ring=0, now_ms=1
        )
        configurations.publish(saved, 1)
    out = DesiredOut(db, config.sites, publish)
    out.tick(1_000)
    assert len(sent) == 2
    out.tick(2_000)
    out.tick(3_000)
    assert sorted(sent) == sorted(SITES)


def run(config: HubConfig, *args: str) -> Result:
    return CliRunner().invoke(cli, ["desired", args[0], str(config.path), *args[1:], "--json"])


def told(config: HubConfig, *args: str) -> dict[str, Any]:
    result = run(config, *args)
    assert result.exit_code == 0, result.exception
    answer: dict[str, Any] = json.loads(result.output)
    return answer


def test_a_roll_out_goes_ring_by_ring(config: HubConfig, tmp_path: Path) -> None:
    """Staged everywhere, published to the pilots, then to all; rolled back for one branch; every step audited."""
    for site in SITES:
        file = tmp_path / "next.toml"
        file.write_text(text(config, site, 5.0), encoding="utf-8")
        assert told(config, "stage", site, str(file))["version"] == 2
    assert told(config, "publish", "--ring", "0") == {
        "published": ["north"], "staged_for_later_rings": ["south", "west"], "held_by_another_text": []
    }  # fmt: skip
    assert told(config, "publish", "--ring", "1", "--site", "south")["published"] == ["south"]
    assert told(config, "publish", "--ring", "9") == {
        "published": ["west"], "staged_for_later_rings": [], "held_by_another_text": []
    }  # fmt: skip
    file.write_text(text(config, "north", 6.0), encoding="utf-8")
    told(config, "stage", "north", str(file))
    told(config, "publish", "--ring", "0")
    assert told(config, "rollback", "north", "2") == {"site": "north", "version": 4, "text_of": 2}
    listed = told(config, "list")
    assert listed["north"] == {"ring": 0, "saved": 4, "published": 4, "runs": None, "refused": None}
    assert listed["west"] == {"ring": 2, "saved": 2, "published": 2, "runs": None, "refused": None}
    with sqlite3.connect(config.data_dir / "audit.db") as audit:
        lines = audit.execute("SELECT site, detail FROM audit WHERE action='configure'").fetchall()
    assert ("north", "configuration: roll back to 2") in lines
    assert len(lines) == 9
    bad = tmp_path / "bad.toml"
    bad.write_text(text(config, "north").replace("width_m", "widht_m"), encoding="utf-8")
    assert "widht_m" in str(run(config, "stage", "north", str(bad)).exception)
    assert "no version 99" in str(run(config, "rollback", "north", "99").exception)
    with sqlite3.connect(config.data_dir / "audit.db") as audit:
        after = audit.execute("SELECT site, detail FROM audit WHERE action='configure'").fetchall()
    assert after == lines, "what was refused was not done"


def test_the_command_line_undoes_nothing_that_was_changed_at_a_box(
    db: sqlite3.Connection, config: HubConfig, tmp_path: Path
) -> None:
    """One box of two runs another text than the hub holds: the other branch is published to, this one is named."""
    for site in ("north", "south"):
        file = tmp_path / "next.toml"
        file.write_text(text(config, site, 5.0), encoding="utf-8")
        told(config, "stage", site, str(file))
    measured = content_hash(text(config, "north", 3.0))
    Configurations(db).heard("north", "box-1", status(1, "b" * 16, config_content=measured), 1)
    result = run(config, "publish", "--ring", "9")
    assert isinstance(result.exception, ConflictError)
    assert "not published to north: the box runs another text" in str(result.exception)
    assert json.loads(result.output) == {
        "published": ["south"], "staged_for_later_rings": [], "held_by_another_text": ["north"]
    }  # fmt: skip
    assert isinstance(run(config, "rollback", "north", "1").exception, ConflictError)
    listed = told(config, "list")
    assert (listed["north"]["saved"], listed["north"]["published"]) == (2, None)
    assert listed["south"]["published"] == 2


@pytest.mark.parametrize(
    ("rings", "told"), [('[["nroth"], ["south"]]', "'nroth', which is not"), ('[["north"], ["north"]]', "'north' twice")]
)  # fmt: skip
def test_rings_that_name_no_branch_or_one_twice_publish_nothing(
    config: HubConfig, rings: str, told: str
) -> None:
    """A pilot that is not found would be among the last."""
    mended = re.sub(r"rings = .*", f"rings = {rings}", config.path.read_text(encoding="utf-8"))
    config.path.write_text(mended, encoding="utf-8")
    refused = run(config, "publish", "--ring", "0").exception
    assert isinstance(refused, ConfigError)
    assert told in str(refused)
    noted = CliRunner().invoke(cli, ["check-config", str(config.path)])
    assert (noted.exit_code, noted.output.count(told)) == (0, 1)


def test_a_branch_goes_back_to_its_own_file(db: sqlite3.Connection, config: HubConfig) -> None:
    """The first save keeps it under its version, once, and without its box; a higher one of later is kept as well."""
    site, configurations = config.sites["north"], Configurations(db)
    save_text(db, config, site, text(config, "north", 5.0), 1, "mei", "")
    save_text(db, config, site, text(config, "north", 6.0), 2, "mei", "")
    kept = configurations.history("north")
    assert [(each.version, each.author) for each in kept] == [(3, "mei"), (2, "mei"), (1, OWN_FILE)]
    own = kept[-1]
    assert own.published_ms is None
    assert "credential" not in own.text
    assert parse_site(own.text).plan.width_m == 4.0
    back = roll_back(db, config, site, own, "mei")
    assert (back.version, parse_site(back.text).plan.width_m) == (4, 4.0)
    assert configurations.wanted_of("north") == 4
    file = config.site_files["north"]
    file.write_text(f"version = 8\n{text(config, 'north', 7.0)}", encoding="utf-8")
    with pytest.raises(ConflictError):
        save_text(db, config, site, text(config, "north", 6.0), 4, "mei", "")
    assert save_text(db, config, site, text(config, "north", 6.0), 8, "mei", "").version == 9
    assert [each.version for each in configurations.history("north")] == [9, 8, 4, 3, 2, 1]
    assert (
        parse_site(roll_back(db, config, site, configurations.history("north")[1], "mei").text).version == 10
    )


def test_only_branches_that_changed_are_read(db: sqlite3.Connection, config: HubConfig) -> None:
    """A save, a publication, another version told and a new connection are changes; what a box says again is none."""
    configurations = Configurations(db)

    def changed(since: int) -> list[str]:
        return configurations.changed_since(since)[0]

    saved = save(db, config, 1)
    head = configurations.head()
    assert changed(0) == ["north"]
    assert changed(head) == []
    configurations.publish(saved, 5)
    assert changed(head) == ["north"]
    head = configurations.head()
    configurations.publish(saved, 6)
    configurations.heard("south", "box", status(2, "0" * 16), 7)
    configurations.heard("north", "box", status(2, saved.hash), 7)
    assert sorted(changed(head)) == ["north", "south"]
    head = configurations.head()
    configurations.heard("north", "box", status(2, saved.hash), 8)
    assert changed(head) == []
    db.execute("INSERT INTO device_status (site, device, last_seen_ms) VALUES ('west', 'box', 1)")
    assert changed(head) == ["west"]
    head = configurations.head()
    db.execute("UPDATE device_status SET last_seen_ms=2 WHERE site='west'")
    assert changed(head) == []
    db.execute("UPDATE device_status SET online=1, boot='b', connect_no=1 WHERE site='west'")
    assert changed(head) == ["west"]
    assert configurations.changed_since(head)[1] == configurations.head()


def test_old_versions_go_and_what_runs_or_is_wanted_stays(db: sqlite3.Connection, config: HubConfig) -> None:
    """A hundred versions: the newest fifty, the third that the box runs, the fifth that is published; no other branch's."""
    configurations = Configurations(db)
    south = configurations.save(
        "south", text(config, "south"), above=1, base=1, author="mei", note="", ring=1, now_ms=1
    )
    for base in range(1, 2 * KEPT_VERSIONS):
        saved = save(db, config, base)
        if saved.version == 3:
            configurations.publish(saved, base)
            configurations.heard("north", "box", status(3, saved.hash), base)
        if saved.version == 5:
            configurations.publish(saved, base)
    left = [each.version for each in configurations.history("north", 1_000)]
    assert left == [*range(2 * KEPT_VERSIONS, KEPT_VERSIONS, -1), 5, 3]
    wanted = configurations.wanted("north")
    assert wanted is not None
    assert wanted.version == 5
    assert configurations.in_force() == [("north", 3)]
    assert configurations.find("south", south.version) == south
