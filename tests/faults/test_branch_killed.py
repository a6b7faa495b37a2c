"""A whole branch under fire: every process killed, the broker frozen, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from branchloop.chaos import FREEZE, TARGETS
from branchloop.family import below, youngest


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "branchloop.chaos", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(420)
def test_nothing_is_lost_whatever_dies() -> None:
    """Stored = produced = acknowledged, none twice, roll-ups equal to a recomputation; no process is left."""
    done = chaos("--seed", "11", "--freeze-seconds", "15", "--json")
    assert done.returncode == 0, done.stderr[-2_000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told["live_again_s"]) == {*TARGETS, FREEZE}
    assert told["messages_produced"] > 20
    assert told["messages_stored"] == told["messages_produced"] == told["messages_acknowledged"]
    assert told["roll_ups_equal_recomputation"] is True
    assert told["processes_left"] == 0


def test_a_blow_that_there_is_not_is_refused_before_anything_begins() -> None:
    """One sentence that names those there are."""
    done = chaos("--only", "coffee")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no blow is called 'coffee'" in done.stderr


def test_a_family_is_who_was_begun_below_a_process() -> None:
    """Children and theirs, as long as they live."""
    inner = "import sys; sys.stdin.read()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}, 'grandchild'])"
    with subprocess.Popen(
        [sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as child:
        while youngest(child.pid, "grandchild") is None:
            assert child.poll() is None
        family = below(child.pid)
        assert [each.alive for each in family] == [True]
        assert child.stdin is not None
        child.stdin.close()
        child.wait(20)
        assert youngest(child.pid, "grandchild") is None
