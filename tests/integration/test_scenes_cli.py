"""`branchloop hub scenes` and `check-config` on the table that is shipped."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"


def hub(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hub.main", *map(str, args)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in ("demo.toml", "scenes.toml"):
        shutil.copyfile(CONFIGS / name, tmp_path / name)
    path = tmp_path / "hub.toml"
    path.write_text('[hub]\ndata_dir = "data"\nsites = ["demo.toml"]\nscenes = "scenes.toml"\n')
    return path


def test_the_table_is_tried_without_a_hub(config: Path) -> None:
    """The shipped table serves the demo branch in every scene, and says by which rule at which time."""
    table = json.loads(hub("scenes", config, "--json").stdout.splitlines()[-1])
    assert len(table["scenes"]) >= 9

    def best(scene: str, on: str, *more: str) -> str:
        args = ("scenes", config, "--scene", scene, "--on", on, "--json", *more)
        found = json.loads(hub(*args).stdout.splitlines()[-1])["branches"]["plaza"]["suggestions"]
        return str(found[0]["rule"])

    assert best("salary-day", "2026-12-10") == "salary-day/crowded-days"
    assert best("salary-day", "2026-12-10T15:00") == "salary-day/advice"
    assert best("savings", "2026-12-10", "--tag", "deposit-ends") == "savings/maturity"
    assert best("nowhere", "2026-12-10") == "default/account"
    assert (
        "by salary-day/crowded-days"
        in hub("scenes", config, "--scene", "salary-day", "--on", "2026-12-25").stdout
    )


def test_a_bad_table_is_one_sentence(config: Path) -> None:
    """By rule and key; and what is no table, or no time, is said as well."""
    path = config.with_name("scenes.toml")
    path.write_text(path.read_text().replace('hours = "09:00-11:30"', 'hours = "9 to 11"'))
    for command in ("check-config", "scenes", "run"):
        shown = hub(command, config)
        assert shown.returncode == 3
        assert "rule salary-day/crowded-days, key `when.hours`" in shown.stderr
    shutil.copyfile(CONFIGS / "scenes.toml", path)
    assert hub("scenes", config, "--scene", "moving", "--on", "soon").returncode == 2
    assert "never count" in hub("check-config", config).stdout
    config.write_text(config.read_text().replace('scenes = "scenes.toml"\n', ""))
    assert "names no scenes" in hub("scenes", config).stderr
