"""What holds for every test: in CI nothing may be skipped, so that a missing tool cannot pass for a pass."""

from __future__ import annotations

import fcntl
import functools
import gc
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from httpx._transports import default as transports
from hypothesis import settings

# Reading the certificates of the world takes 50 ms, for each of thousands of questions over loopback: once will do.
transports.create_ssl_context = functools.lru_cache(transports.create_ssl_context)

# All that is imported and collected stays until the end, and each full collection of garbage would walk through it: a
# tenth of the time of what computes in these processes. What the tests themselves leave is collected as ever.
gc.disable()

# How long an example takes is the machine's doing, and the tests of a run share it.
settings.register_profile("branchloop", deadline=None)
settings.load_profile("branchloop")

ROOT = Path(__file__).parents[1]
FIRST = (
    "unit/test_fusion.py", "browser/test_demo_pages.py", "browser/test_kiosk.py", "integration/test_replay.py",
    "faults/test_branch_killed.py", "browser/test_loop.py", "unit/test_attempt.py",
    "integration/test_running_branch.py", "faults/test_configuration_crashes.py", "unit/test_takeover.py",
    "integration/test_link.py", "integration/test_ingest_mqtt.py", "integration/test_two_cameras.py",
    "faults/test_send_killed.py", "integration/test_webhooks.py", "unit/test_bench_floor.py",
    "unit/test_integrity.py", "integration/test_box.py", "integration/test_doubts.py", "unit/test_simulated_waits.py",
    "integration/test_hub_run.py", "browser/test_cards.py", "unit/test_birdseye.py",
)  # fmt: skip
"""The longest files come first, so that none is left to one worker at the end; such as compute and such as wait in turn."""
_skipped: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Streamlit's test of a page leaves that page as the program, and processes begun by later tests would run it."""
    program = sys.modules["__main__"]
    try:
        return (yield)
    finally:
        sys.modules["__main__"] = program


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; every test has a name of its own.

    xdist runs one test of each name, and pytest 9.2 calls the tests of all operations alike that schemathesis makes: 93 of 94 were left out.
    """
    alike = Counter(item.nodeid for item in items)
    for item in items:
        if alike[item.nodeid] > 1 and item.parent is not None:
            item._id = item.parent.id.child(item.name)
    assert len({item.nodeid for item in items}) == len(items), "tests of one name: xdist would leave some out"
    turn = {ROOT / "tests" / name: number for number, name in enumerate(FIRST)}
    assert all(path.exists() for path in turn), "FIRST names a file that is gone"
    items.sort(key=lambda item: turn.get(item.path, len(turn)))


def pytest_collection_finish() -> None:
    """From here on garbage is collected, without what stays; and what Streamlit looks for at every page is looked for once."""
    if "streamlit" in sys.modules:
        from streamlit.components.v2 import manifest_scanner as scanner

        # Components among all installed packages, whose metadata it reads one by one for every page that is tested.
        scanner.scan_component_manifests = functools.lru_cache(scanner.scan_component_manifests)
    gc.freeze()
    gc.enable()


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
