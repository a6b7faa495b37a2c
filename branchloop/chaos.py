"""`branchloop chaos`: a whole branch under fire, to see that nothing is lost.

It starts the demo, kills its processes with SIGKILL in a random order, freezes its broker, waits after each blow until
the live page is fresh again, and compares in the end what the box produced with what the hub stored and acknowledged.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from branchloop import exits
from branchloop.clock import WINDOW_MS
from branchloop.demo.api import DemoApi
from branchloop.demo.files import SITE
from branchloop.demo.folder import folder_of
from branchloop.errors import BranchloopError, DependencyError, UsageError
from branchloop.family import Relative, below, youngest
from branchloop.finite import Finite

START_S = 180.0
RECOVERY_S = 90.0
END_S = 150.0
LEFT_S = 20.0

TARGETS = {
    "camera": "edge.perceive.watch",
    "core": "edge.main core",
    "box": "edge.main run",
    "kiosk": "edge.main kiosk",
    "ingest": "hub.ingest.worker",
    "broker": "nats-server",
    "api": "hub.api.main",
    "hub": "hub.main run",
}
"""What can be killed -> words of its command line."""
FREEZE = "freeze"
"""The broker stands still for a while: neither dead nor alive, which is worse."""


@dataclass(slots=True)
class Branch:
    """A demo that runs; `said` are the lines of its standard error."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    api: str = ""
    token: str = ""

    def listen(self) -> None:
        """Read what it says, to the end."""
        for line in self.process.stderr or ():
            self.said.append(line.rstrip())
            if found := re.match(r"\s*hub\s+(http\S+)", line):
                self.api = found[1]
            if found := re.match(r"\s*token, head_office\s+(\S+)", line):
                self.token = found[1]
            if "Ctrl-C ends" in line:
                self.begun.set()
        self.begun.set()

    def told_ms(self) -> int | None:
        """End of the newest window that the live page tells of; None where it does not answer, is stale, or has nobody looking."""
        with contextlib.suppress(DependencyError):
            live = DemoApi(self.api, self.token).get(f"{SITE}/live")
            if not live["stale"] and live["occupancy"]["value"] is not None:
                return round(datetime.fromisoformat(live["as_of"]).timestamp() * 1000)
        return None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--rounds", type=click.IntRange(1, 1000), default=1, show_default=True, help="each blow so many times"
)
@click.option(
    "--only",
    "chosen",
    multiple=True,
    metavar="NAME",
    help=f"only these blows: {', '.join([*TARGETS, FREEZE])}; repeat it",
)
@click.option(
    "--freeze-seconds",
    type=Finite(min=1, max=600),
    default=30.0,
    show_default=True,
    help="how long the broker stands still",
)
@click.option("--seed", type=int, help="the same order of blows and the same pauses again")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="keep the demo's data here (a new temporary folder without it)",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
def chaos(
    rounds: int,
    chosen: tuple[str, ...],
    freeze_seconds: float,
    seed: int | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Kill and freeze every process of a demo branch, and say whether anything was lost.

    Ends with 6 where a message was lost or stored twice, or a roll-up is not what its messages amount to.
    """
    unknown = [name for name in chosen if name not in (*TARGETS, FREEZE)]
    if unknown:
        raise UsageError(
            f"no blow is called {unknown[0]!r}.", hint=f"Blows: {', '.join([*TARGETS, FREEZE])}."
        )
    seed = random.randrange(2**31) if seed is None else seed  # noqa: S311 - an order of blows, no secret
    dice = random.Random(seed)  # noqa: S311
    recovered: dict[str, list[float]] = {}
    with folder_of(data) as root, _demo(root) as branch:
        _await_fresh(branch, 0, "the demo")
        for _ in range(rounds):
            blows = list(chosen or (*TARGETS, FREEZE))
            dice.shuffle(blows)
            for blow in blows:
                _strike(branch, blow, freeze_seconds)
                took_s = _await_fresh(branch, time.time() * 1000 + WINDOW_MS, blow)
                recovered.setdefault(blow, []).append(round(took_s, 1))
                click.echo(f"{blow:>18}  live again after {took_s:.1f} s", err=True)
                time.sleep(dice.uniform(0.0, 3.0))
        family = below(branch.process.pid)
        sums = _end(branch)
        left = _left(family)
    figures = {
        "seed": seed,
        "blows": sum(map(len, recovered.values())),
        "live_again_s": {blow: max(times) for blow, times in recovered.items()},
        **{key: sums[key] for key in ("messages_produced", "messages_stored", "messages_acknowledged")},
        "messages_lost": sums["messages_produced"] - sums["messages_stored"],
        "roll_ups_equal_recomputation": sums["roll_ups_equal_recomputation"],
        "processes_left": left,
    }
    exits.report(figures, as_json=as_json)
    if figures["messages_lost"] or not figures["roll_ups_equal_recomputation"] or left:
        raise BranchloopError(
            "what was produced is not what was stored, or a process was left behind.",
            hint=f"Try again with --seed {seed} --data DIR and look into the logs there.",
        )


@contextlib.contextmanager
def _demo(root: Path) -> Iterator[Branch]:
    """A demo that has begun; ended in any case."""
    process = subprocess.Popen(
        [sys.executable, "-m", "branchloop.demo.run", "--no-browser", "--json", "--data", str(root)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    branch = Branch(process)
    reader = threading.Thread(target=branch.listen, daemon=True)
    reader.start()
    try:
        if not branch.begun.wait(START_S) or process.poll() is not None:
            raise DependencyError(
                f"the demo did not begin: {(branch.said or ['it said nothing'])[-1]}",
                hint="Try `branchloop demo`.",
            )
        yield branch
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
            process.kill()
        process.wait()
        reader.join(5)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _strike(branch: Branch, blow: str, freeze_s: float) -> None:
    words = TARGETS["broker" if blow == FREEZE else blow]
    until_s = time.monotonic() + RECOVERY_S
    while (target := youngest(branch.process.pid, words)) is None:
        if time.monotonic() > until_s:
            raise DependencyError(f"no process runs {words!r} in the demo.", hint="Its logs say why.")
        time.sleep(0.2)
    if blow != FREEZE:
        os.kill(target.pid, signal.SIGKILL)
        return
    os.kill(target.pid, signal.SIGSTOP)
    try:
        time.sleep(freeze_s)
    finally:
        os.kill(target.pid, signal.SIGCONT)


def _await_fresh(branch: Branch, since_ms: float, what: str) -> float:
    """Until the live page tells of a window that ended after `since_ms`; how long that took (s). What came whole after a blow ended a window later."""
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < RECOVERY_S:
        if branch.process.poll() is not None:
            raise DependencyError("the demo ended.", hint=f"It said: {(branch.said or ['nothing'])[-1]}")
        told_ms = branch.told_ms()
        if told_ms is not None and told_ms > since_ms:
            return time.monotonic() - begun_s
        time.sleep(0.3)
    raise BranchloopError(f"after {what} the live page was not fresh again within {RECOVERY_S:.0f} s.")


def _end(branch: Branch) -> dict[str, Any]:
    branch.process.terminate()
    try:
        branch.process.wait(END_S)
    except subprocess.TimeoutExpired as error:
        raise BranchloopError(f"the demo did not end within {END_S:.0f} s.") from error
    told = (branch.process.stdout.read() if branch.process.stdout else "").strip().splitlines()
    if branch.process.returncode or not told:
        raise BranchloopError(f"the demo ended with code {branch.process.returncode}: {branch.said[-1]}")
    sums: dict[str, Any] = json.loads(told[-1])
    return sums


def _left(family: Sequence[Relative]) -> int:
    """How many of the processes that ran live on after the demo."""
    until_s = time.monotonic() + LEFT_S
    while True:
        alive = [each for each in family if Path(f"/proc/{each.pid}/stat").exists()]
        if not alive or time.monotonic() > until_s:
            return len(alive)
        time.sleep(0.2)


if __name__ == "__main__":
    exits.run(chaos, prog="branchloop chaos")
