"""`branchloop bench hub` accounts for all its time, and what it measures is right. Simulated."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hub.bench.ingest import PARTS, bench_hub
from hub.store.figures.sqlite_rollups import ROLLUP_TABLES

BRANCHES = 2


def rows(folder: Path, table: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(folder / "hub.db")
    try:
        return sorted(db.execute(f"SELECT * FROM {table}"), key=repr)  # noqa: S608 - names of ours
    finally:
        db.close()


def test_the_bench_of_the_hub_adds_up(tmp_path: Path) -> None:
    """Shares sum to one, ratios are those of the rates, and both ways of committing stored the very same roll-ups."""
    figures = bench_hub(BRANCHES, 0.01, tmp_path)
    assert figures["simulated"] is True
    assert figures["windows"] == BRANCHES * 12
    assert sum(figures[f"share_{name}"] for name in (*PARTS, "rest")) == pytest.approx(1, abs=0.01)
    assert min(figures[f"share_{name}"] for name in (*PARTS, "rest")) > 0
    assert figures["ratio_to_plain"] == pytest.approx(
        figures["windows_per_s"] / figures["plain_windows_per_s"], rel=0.02
    )
    assert figures["branches_per_worker"] == pytest.approx(5 * figures["windows_per_s"], rel=0.02)
    assert figures["cpu_ms_per_window"] == pytest.approx(1000 / figures["windows_per_core_s"], rel=0.02)
    for table in ROLLUP_TABLES:
        assert rows(tmp_path / "worker", table) == rows(tmp_path / "single", table), table
    assert rows(tmp_path / "worker", "heat")
