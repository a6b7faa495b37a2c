"""A hub and a box that hold two texts of one version: known by what the texts say, never by how they are written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import write_hub

from branchloop.errors import ConflictError
from branchloop.site.content import content_hash
from branchloop.site.editing import publishable, with_version
from branchloop.wire.status import Status
from hub.config.hub import HubConfig, read_config
from hub.store.branches.configurations import Configurations
from hub.store.branches.differing import Differing, differing, require_same
from hub.store.branches.judging import save_text
from hub.store.connection import connect, prepare
from hub.store.schema.core import DATABASE

BOX = '\n[box]\nid = "box-9"\nbroker = "mqtt://127.0.0.1:1883"\ndata_dir = "box"\ncredential_env = "BOX"\n'


@pytest.fixture
def config(tmp_path: Path) -> HubConfig:
    settings = read_config(write_hub(tmp_path, sites=("north",)))
    prepare(settings.data_dir)
    return settings


@pytest.fixture
def db(config: HubConfig) -> Iterator[sqlite3.Connection]:
    connection = connect(config.data_dir / DATABASE)
    yield connection
    connection.close()


def text(config: HubConfig, width: str = "4.0", version: int = 1) -> str:
    own = (
        config.site_files["north"].read_text(encoding="utf-8").replace("width_m = 4.0", f"width_m = {width}")
    )
    return own if version == 1 else with_version(own, version)


def tells(
    db: sqlite3.Connection, text: str, version: int = 1, content: str | None = None, digest: str = "a" * 16
) -> None:
    """The box says what it runs."""
    said = content_hash(text) if content is None else content
    status = Status(
        online=True, boot="0" * 32, connect_no=1, at_ms=1, config_version=version, config_hash=digest,
        config_content=said,
    )  # fmt: skip
    Configurations(db).heard("north", "box-1", status, 1)


def found(db: sqlite3.Connection, config: HubConfig) -> Differing | None:
    return differing(db, config, config.sites["north"])


def test_only_what_a_text_says_counts(config: HubConfig) -> None:
    """Not remarks, line ends, order, how a number is written, the version, the box's own tables and its secrets."""
    own = text(config)
    same = [
        "# a remark\r\n" + own.replace("\n", "\r\n"),
        text(config, "4"),
        text(config, version=7),
        publishable(own),
        publishable(own) + BOX,
    ]
    assert {content_hash(each) for each in same} == {content_hash(own)}
    assert content_hash(text(config, "4.1")) != content_hash(own)


def test_a_box_that_tells_nothing_is_not_doubted(db: sqlite3.Connection, config: HubConfig) -> None:
    """Never heard of, of an older version of the software, or another version than any text here."""
    assert found(db, config) is None
    tells(db, "", content="")
    assert found(db, config) is None
    tells(db, text(config, "3.0"), version=5)
    assert found(db, config) is None
    tells(db, text(config) + "# the box's remark\n")
    assert found(db, config) is None


def test_what_was_changed_at_the_box_is_not_undone(db: sqlite3.Connection, config: HubConfig) -> None:
    """Until one of the two texts is above the other; a text that was saved of the stale one is as stale."""
    site, measured, raised = config.sites["north"], text(config, "3.0"), text(config, version=3)
    save_text(db, config, site, text(config, "4.5"), 1, "mei", "")
    tells(db, measured)
    assert found(db, config) == Differing(1, 3)
    with pytest.raises(ConflictError, match=r"another text of version 1 .* Set version = 3 in the box's"):
        require_same(db, config, site)
    own = config.site_files["north"]
    own.write_text(measured, encoding="utf-8")
    assert found(db, config) == Differing(1, 3), "the text that was saved does not have what was measured"
    own.write_text(raised, encoding="utf-8")
    assert found(db, config) is None
    tells(db, raised, version=3)
    require_same(db, config, site)


def test_a_box_that_took_what_was_published_is_as_the_hub_has_it(
    db: sqlite3.Connection, config: HubConfig
) -> None:
    """Its own file's text under that very number is another one."""
    saved = save_text(db, config, config.sites["north"], text(config, "4.5"), 1, "mei", "")
    tells(db, saved.text, version=2, digest=saved.hash)
    assert found(db, config) is None
    tells(db, text(config, "3.0"), version=2)
    assert found(db, config) == Differing(2, 3)


def test_a_file_that_was_carried_ends_it(db: sqlite3.Connection, config: HubConfig) -> None:
    """Where nothing waits to be published: the text that was kept of the file before is of the past."""
    saved = save_text(db, config, config.sites["north"], text(config, "4.5"), 1, "mei", "")
    Configurations(db).publish(saved, 1)
    measured = text(config, "3.0")
    tells(db, measured)
    assert found(db, config) == Differing(1, 3)
    config.site_files["north"].write_text(measured, encoding="utf-8")
    assert found(db, config) is None
