"""What holds for every test: in CI nothing may be skipped, so that a missing tool cannot pass for a pass."""

from __future__ import annotations

import fcntl
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from httpx._transports import default as transports

# Reading the certificates of the world takes 50 ms, for each of thousands of questions over loopback: once will do.
transports.create_ssl_context = functools.lru_cache(transports.create_ssl_context)

ROOT = Path(__file__).parents[1]
_skipped: list[str] = []


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "the-wheel"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = list(folder.glob("branchloop-*.whl"))
        if not found:
            command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
            subprocess.run(command, check=True)
            found = list(folder.glob("branchloop-*.whl"))
    (only,) = found
    return only


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped, and why."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "no reference data" not in reason:  # they are not ours to ship; a test without them says so
            _skipped.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a CI run that left a test out."""
    if os.environ.get("CI") and _skipped and session.exitstatus == 0:
        session.exitstatus = 1
        print("\nin CI no test may be skipped:\n" + "\n".join(_skipped))
