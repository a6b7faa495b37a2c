"""`branchloop bench dashboard` on a hub that runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hubworld import world
from test_api import send, window

from hub.api.state import now_ms


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dashboard.bench", *arguments], capture_output=True, text=True, check=False
    )


def test_every_page_is_timed_beside_its_requests(tmp_path: Path) -> None:
    """Each asked the hub, took a time, and the ratio is that of the sums."""
    with world(tmp_path, book=True) as hub:
        send(hub, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 10_000, 3))])
        (tmp_path / "token").write_text(hub.token("manager", "hall")["Authorization"].split()[1])
        (tmp_path / "token").chmod(0o600)
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{hub.api}"\ntoken_file = "token"\n')
        done = bench(str(config), "--branch", "hall", "--runs", "1", "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        assert {"live", "heat", "quality", "setup", "board", "service", "journeys"} == set(told["pages"])
        assert all(page["requests"] >= 2 for page in told["pages"].values())
        baseline_ms = sum(told["empty_ms"] + page["hub_ms"] for page in told["pages"].values())
        whole_ms = sum(page["page_ms"] for page in told["pages"].values())
        assert abs(told["ratio"] - whole_ms / baseline_ms) < 0.02
        assert told["simulated"] is False
        missing = bench(str(config), "--branch", "attic", "--runs", "1")
        assert (missing.returncode, "there is no branch 'attic' here" in missing.stderr) == (4, True)
        (tmp_path / "token").write_text("nobody")
        refused = bench(str(config), "--branch", "hall", "--runs", "1")
        assert refused.returncode == 5, refused.stderr
        assert "Traceback" not in refused.stderr
