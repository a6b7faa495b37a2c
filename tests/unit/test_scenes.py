"""The table of scenes: what a card opens with, by which rule, and what is wrong with a bad table."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from branchloop.errors import ConfigError
from branchloop.site.kiosk import Service
from hub.config.scenes import SceneFile, parse_scenes, unserved
from hub.loop.next_service import next_services
from hub.loop.scenes import open_with

TABLE = """
[[tag]]
id = "pension"
name = { en = "Pension", zh = "养老金" }
purposes = ["suggest"]

[[scene]]
id = "salary"
name = { en = "Salary day", zh = "发薪日" }
[[scene.rule]]
id = "late"
service = "cash"
reason = { en = "Quieter at the end of the month", zh = "月末人少" }
when = { days = [-1], hours = "09:00-12:00" }
[[scene.rule]]
id = "pensioner"
service = "advice"
reason = { en = "A pension", zh = "养老" }
weight = 5
when = { tags = ["pension"] }
[[scene.rule]]
id = "english"
service = "account"
reason = { en = "In English", zh = "英文" }
when = { languages = ["en"], offers = ["advice"] }
[[scene.rule]]
id = "always"
service = "cash"
reason = { en = "Cash", zh = "现金" }
when = { weekdays = ["mon"], months = [11, 12] }

[[scene]]
id = "default"
name = { en = "Any", zh = "其他" }
[[scene.rule]]
id = "first"
service = "advice"
reason = { en = "Advice", zh = "咨询" }

[[next]]
id = "papers"
after = ["account"]
outcomes = ["documents_missing"]
service = "account"
reason = { en = "Come back with the papers", zh = "请携带资料再来" }
[[next]]
id = "plan"
tags = ["pension"]
service = "advice"
weight = 3
reason = { en = "Plan", zh = "规划" }
"""


def service(name: str, online: str | None = None) -> Service:
    return Service.model_validate(
        {"id": name, "name": {"en": name, "zh": name}, "minutes": 10, "online": online}
    )


SERVICES = [service("account", "account"), service("cash"), service("advice")]
MONDAY = datetime(2026, 11, 30, 10, 0)  # noqa: DTZ001 - in the branch's time; the last day of the month
TUESDAY = datetime(2026, 12, 1, 10, 0)  # noqa: DTZ001


def rules(*args: object, **named: object) -> list[str]:
    return [each.rule for each in open_with(*args, **named)]  # type: ignore[arg-type]


def test_every_outcome_names_its_rule() -> None:
    """Weight first, then the order of the file; each service once; unknown scenes fall to the default."""
    table = parse_scenes(TABLE, "s.toml")
    assert rules("salary", table, SERVICES, MONDAY) == ["salary/late"]
    assert rules("salary", table, SERVICES, MONDAY, {"pension"}) == ["salary/pensioner", "salary/late"]
    assert rules("salary", table, SERVICES, MONDAY, language="en") == ["salary/late", "salary/english"]
    assert rules("salary", table, SERVICES[:2], MONDAY, language="en") == ["salary/late"]
    assert rules("salary", table, SERVICES, MONDAY.replace(hour=12)) == ["salary/always"]
    for scene in ("salary", "nowhere", None):
        assert rules(scene, table, SERVICES, TUESDAY) == ["default/first"]
    assert rules("nowhere", table, SERVICES[:2], TUESDAY) == ["built-in"]
    assert rules("salary", parse_scenes("", "s.toml"), SERVICES, MONDAY) == ["built-in"]
    assert open_with("salary", table, [], MONDAY) == []
    best = open_with("salary", table, SERVICES, TUESDAY, language="en")[0]
    assert (best.service, best.online, best.reason.zh) == ("account", "account", "英文")


def test_what_comes_next_names_its_rule() -> None:
    """By service and outcome, or by a tag that was consented to."""
    table = parse_scenes(TABLE, "s.toml")
    found = next_services(table, SERVICES, "account", "documents_missing", {"pension"})
    assert [each.rule for each in found] == ["next/plan", "next/papers"]
    assert next_services(table, SERVICES, "account", None) == []
    assert next_services(table, SERVICES, "cash", "documents_missing") == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("days = [-1]", "days = [0]", "rule salary/late, key `when.days`: there is no day 0"),
        ('"09:00-12:00"', '"9-12"', "rule salary/late, key `when.hours`"),
        ('languages = ["en"]', 'language = ["en"]', "rule salary/english, key `when.language` is unknown: did you mean `languages`"),
        ('service = "advice"\nreason = { en = "A', 'reason = { en = "A', "rule salary/pensioner, key `service` is missing: add it"),
        ('after = ["account"]\noutcomes = ["documents_missing"]\n', "", "rule next/papers: follows nothing"),
        ('when = { tags = ["pension"] }', 'when = { tags = ["rich"] }', "rule salary/pensioner, key `when.tags`: no [[tag]] table"),
        ('id = "late"', 'id = "always"', "scene salary, key `rule`: two rules are called 'always'"),
        ('id = "salary"', 'id = "default"', "two scenes are called 'default'"),
        ('purposes = ["suggest"]', 'purposes = ["sell"]', "tag pension, key `purposes[0]`"),
        ("[[tag]]", "[[tag]", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_fault_names_rule_and_key(before: str, after: str, told: str) -> None:
    """A product manager finds the line."""
    assert before in TABLE
    with pytest.raises(ConfigError) as caught:
        parse_scenes(TABLE.replace(before, after, 1), "s.toml")
    assert told in caught.value.message


def test_a_rule_whose_service_no_branch_has_is_named() -> None:
    """It is no fault: one table serves branches with other services."""
    table = parse_scenes(TABLE, "s.toml")
    assert unserved(table, ["account", "cash", "advice"]) == []
    assert unserved(table, ["account", "cash"]) == [
        "no branch offers service 'advice', so these rules never count: "
        "salary/pensioner, default/first, next/plan."
    ]


def test_a_changed_file_counts_and_a_bad_one_does_not(tmp_path: Path) -> None:
    """Without a restart; the last good table goes on while the file is wrong or gone."""
    path = tmp_path / "scenes.toml"
    path.write_text(TABLE)
    file = SceneFile.read(path)
    assert len(file.table.scenes) == 2

    def write(text: str) -> None:
        fresh = tmp_path / "fresh"
        fresh.write_text(text)
        os.replace(fresh, path)  # noqa: PTH105

    write(TABLE.replace('id = "default"', 'id = "other"'))
    assert [scene.id for scene in file.table.scenes] == ["salary", "other"]
    write(TABLE.replace("days = [-1]", "days = [0]"))
    assert [scene.id for scene in file.table.scenes] == ["salary", "other"]
    assert "salary/late" in (file.fault or "")
    path.unlink()
    assert len(file.table.scenes) == 2
    assert "cannot be read" in (file.fault or "")
    write(TABLE)
    assert [scene.id for scene in file.table.scenes] == ["salary", "default"]
    assert file.fault is None
    with pytest.raises(ConfigError):
        SceneFile.read(tmp_path / "absent.toml")
