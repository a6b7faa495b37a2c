"""`branchloop load`: simulated boxes of many branches speak to a hub, and what it stores is counted.

Without `--hub` it makes a hub of its own, with its own broker, in a temporary folder. It starts the programs a bank
would start; `edge.load` is the boxes.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from branchloop import exits
from branchloop.demo.files import answered
from branchloop.errors import BranchloopError, ConfigError, DependencyError, UsageError
from branchloop.finite import Finite
from branchloop.load.files import write_hub
from branchloop.processes import Child, stop_event

START_S = 90.0
START_PER_BRANCH_S = 0.3
BRANCHES, MOST = 50, 1_000
_FILE = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--branches", type=click.IntRange(1, 4_000), help="boxes; with --find the highest number to try"
)
@click.option(
    "--seconds", type=Finite(min=1), default=30.0, show_default=True, help="measure for so long, each time"
)
@click.option(
    "--find", is_flag=True, help="look for the highest number of branches that the hub keeps up with"
)
@click.option("--hub", "config", type=_FILE, help="a hub that runs, by its CONFIG, instead of one of its own")
@click.option("--site", "sites", multiple=True, help="of --hub: a simulated site to speak for; repeat it")
@click.option("--broker", help="of --hub: the broker's address for boxes, such as mqtts://HOST:8883")
@click.option(
    "--data", type=_FILE, help="keep the hub of its own in this folder, which must not be there yet"
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
def load(
    branches: int | None,
    seconds: float,
    find: bool,
    config: Path | None,
    sites: tuple[str, ...],
    broker: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Have the simulated boxes of many branches speak to a hub. Every window is simulated."""
    if config is None and (sites or broker is not None):
        raise UsageError("--site and --broker are of a hub that runs.", hint="Name it: --hub CONFIG.")
    if config is not None and data is not None:
        raise UsageError("--data is for a hub of its own.", hint="Leave --hub or --data out.")
    stop = stop_event()
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(_folder(data))
        if config is None:
            plan = stack.enter_context(_own_hub(root, branches or (MOST if find else BRANCHES), stop))
            hub = Path(plan["hub"])
        else:
            hub = config
            plan = _given_hub(config, sites, broker, branches)
        figures = _measure(root, hub, plan, seconds, find=find, own=config is None, stop=stop)
    exits.report(figures if as_json else {k: v for k, v in figures.items() if k != "stages"}, as_json=as_json)
    if figures["messages_lost"]:
        sys.exit(BranchloopError.exit_code)


def _given_hub(
    config: Path, sites: tuple[str, ...], broker: str | None, branches: int | None
) -> dict[str, Any]:
    named = [part for site in sites for part in ("--site", site)]
    plan = _ask("hub.load_boxes", str(config), *named, *(("--broker", broker) if broker else ()))
    if branches is not None and branches > len(plan["boxes"]):
        raise ConfigError(
            f"{config} has only {len(plan['boxes'])} simulated sites with a box, not {branches}.",
            hint="Leave --hub out: the load then makes a hub of its own.",
        )
    plan["boxes"] = plan["boxes"][:branches]
    return plan


@contextlib.contextmanager
def _own_hub(root: Path, branches: int, stop: threading.Event) -> Iterator[dict[str, Any]]:
    """A hub that runs, with so many sites; its plan has the process ids, too."""
    hub, boxes = write_hub(root, branches)
    ready = root / "ready.json"
    args = [sys.executable, "-m", "hub.main", "run", str(hub), "--json-ready", str(ready)]
    child = Child("hub", args, log=root / "hub.log")
    try:
        until_s = time.monotonic() + START_S + START_PER_BRANCH_S * branches
        while (told := answered(ready)) is None:
            child.keep(time.monotonic())
            if stop.wait(0.2) or time.monotonic() > until_s:
                raise _not_started(root)
        yield {"hub": str(hub), "broker": told["broker"], "boxes": boxes, "pids": told["pids"]}
    finally:
        child.rest()


def _not_started(root: Path) -> DependencyError:
    lines = (root / "hub.log").read_text(errors="replace").strip().splitlines() or ["it says nothing"]
    return DependencyError(f"the hub of the load did not start: {lines[-1]}", hint="Try fewer branches.")


def _measure(
    root: Path,
    hub: Path,
    plan: dict[str, Any],
    seconds: float,
    *,
    find: bool,
    own: bool,
    stop: threading.Event,
) -> dict[str, Any]:
    (root / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    before = {} if own else _ask("hub.main", "stats", str(hub), "--json")
    count = len(plan["boxes"])
    told = _boxes(root / "plan.json", count, seconds, find=find, stop=stop)
    after = _ask("hub.main", "stats", str(hub), "--json")
    produced: dict[str, int] = told["produced"]
    stored = sum(_messages(after, box) - _messages(before, box) for box in produced)
    total, left = sum(produced.values()), int(told["unacknowledged"])
    stages: list[dict[str, Any]] = told["stages"]
    kept = [stage for stage in stages if stage["kept_up"]]
    figures = {
        "simulated": True,
        **({"branches_carried": told["branches_carried"]} if find else {}),
        **(max(kept, key=lambda stage: stage["branches"]) if find and kept else stages[-1]),
        "messages_produced": total,
        "messages_acknowledged": total - left,
        "messages_stored": stored,
        "messages_lost": max(0, total - left - stored),
        "unacknowledged": left,
        "quarantined": after["quarantined"] - before.get("quarantined", 0),
        "stages": stages,
    }
    if own and not stop.is_set():
        equal = _ask("hub.main", "recompute", str(hub), "--check", "--json", right=(0, 4))["equal"]
        figures["roll_ups_equal_recomputation"] = equal
    return figures


def _boxes(plan: Path, count: int, seconds: float, *, find: bool, stop: threading.Event) -> dict[str, Any]:
    args = ["edge.load.main", str(plan), "--branches", str(count), "--seconds", str(seconds)]
    with subprocess.Popen(
        [sys.executable, "-m", *args, *(("--find",) if find else ())], stdout=subprocess.PIPE, text=True
    ) as process:
        while True:
            try:
                out, _ = process.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                if stop.is_set():
                    process.terminate()
    return _answer(out, process.returncode)


def _ask(module: str, *args: str, right: tuple[int, ...] = (0,)) -> dict[str, Any]:
    shown = subprocess.run(
        [sys.executable, "-m", module, *args], stdout=subprocess.PIPE, text=True, check=False
    )
    return _answer(shown.stdout, shown.returncode, right)


def _answer(out: str, code: int, right: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """The object on the last line; the program ends as the one that failed, which has said why."""
    if code not in right:
        sys.exit(code if code > 0 else BranchloopError.exit_code)
    answer: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return answer


def _messages(stats: dict[str, Any], box: str) -> int:
    return int(stats.get("devices", {}).get(box, {}).get("messages", 0))


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is None:
        with tempfile.TemporaryDirectory(prefix="branchloop-load-") as folder:
            yield Path(folder)
        return
    try:
        data.mkdir(parents=True)
    except FileExistsError as error:
        raise UsageError(f"{data} is there already.", hint="Name a folder that is not.") from error
    yield data


if __name__ == "__main__":
    exits.run(load, prog="branchloop load")
