"""`branchloop bench dashboard`: how long the managers' pages take, beside the hub's answers that they are made of.

Each page is run as Streamlit runs it for a new viewer, without a browser; then its requests are sent again, alone and
in the same order. Without a dashboard file the hub is one of its own, with the simulated branch and its history.
"""

from __future__ import annotations

import contextlib
import logging
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx
from streamlit.testing.v1 import AppTest

from branchloop import exits
from branchloop.demo.api import wait_for
from branchloop.demo.bank import import_history, pages_token
from branchloop.demo.files import SIMULATED, answered, prepare, write_dashboard
from branchloop.demo.folder import folder_of
from branchloop.errors import ConfigError, DependencyError, InputError
from branchloop.processes import Child, stop_event
from dashboard import session
from dashboard.client import Problem, Refused, Unreachable

PAGES = ("live", "heat", "quality", "setup", "board", "service", "journeys")
START_S = 90.0
PATIENCE_S = 60


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--branch", help="which branch the pages are of; the first one in scope without it")
@click.option(
    "--runs", type=click.IntRange(1, 1000), default=5, show_default=True, help="viewers of each page"
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
def bench_dashboard(config: Path | None, branch: str | None, runs: int, as_json: bool) -> None:
    """Time every page of the dashboard file CONFIG, or of a simulated branch."""
    with contextlib.ExitStack() as stack:
        if config is None:
            config, branch = stack.enter_context(_simulated())
        os.environ["BRANCHLOOP_DASHBOARD"] = str(config.resolve())
        logging.disable(logging.WARNING)  # Streamlit warns of what runs outside a browser
        branch, simulated = _branch(branch)
        empty_ms = statistics.median(_shown_ms("", branch, runs)[0])
        rows = {name: _measure(name, branch, runs, empty_ms) for name in PAGES}
    baseline_ms = sum(empty_ms + row["hub_ms"] for row in rows.values())
    figures = {
        "runs": runs,
        "branch": branch,
        "simulated": simulated,
        "ratio": round(sum(row["page_ms"] for row in rows.values()) / baseline_ms, 2),
        "baseline": "an empty page of Streamlit and the same requests to the hub, alone",
        "empty_ms": round(empty_ms, 1),
        "pages": rows,
    }
    if as_json:
        exits.report(figures, as_json=True)
        return
    click.echo(f"{'page':>10}  {'ms':>7}  {'slowest':>7}  {'hub alone':>9}  {'requests':>8}  {'ratio':>5}")
    for name, row in rows.items():
        click.echo(
            f"{name:>10}  {row['page_ms']:7.0f}  {row['slowest_ms']:7.0f}  {row['hub_ms']:9.0f}"
            f"  {row['requests']:8d}  {row['ratio']:5.2f}"
        )
    click.echo(
        f"all pages take {figures['ratio']:.2f} times as long as {figures['baseline']} ({figures['empty_ms']:.0f} ms a page)"
    )


def _branch(asked: str | None) -> tuple[str, bool]:
    """The branch asked for, or the first one, and whether it is simulated. Raises InputError where there is none."""
    door = session.hub()
    if door is None:
        raise ConfigError(
            "the dashboard file names no token_file.", hint="Name one: nobody signs in to a bench."
        )
    try:
        found = {each["id"]: each for each in door.branches()}
    except (Unreachable, Refused, Problem) as error:
        raise DependencyError(
            "the hub does not tell its branches.", hint="Is it running, and the token right?"
        ) from error
    branch = asked or next(iter(found), None)
    if branch is None or branch not in found:
        raise InputError(
            f"there is no branch {asked!r} here." if asked else "the token sees no branch.",
            hint=f"Branches: {', '.join(found) or 'none'}.",
        )
    return branch, bool(found[branch]["simulated"])


def _measure(name: str, branch: str, runs: int, empty_ms: float) -> dict[str, Any]:
    """Median and slowest time of a page for a new viewer, and of its requests alone."""
    page_ms, requests = _shown_ms(f"from dashboard.views import {name}\n{name}.page()\n", branch, runs)
    hub_ms = statistics.median(_alone_ms(requests) for _ in range(runs))
    middle_ms = statistics.median(page_ms)
    return {
        "page_ms": round(middle_ms, 1),
        "slowest_ms": round(max(page_ms), 1),
        "hub_ms": round(hub_ms, 1),
        "requests": len(requests),
        "ratio": round(middle_ms / (empty_ms + hub_ms), 2),
    }


def _shown_ms(script: str, branch: str, runs: int) -> tuple[list[float], list[httpx.Request]]:
    """How long a script took for each of several new viewers, and what it asked the hub; a first viewer warms up and counts not."""
    http = session.http()
    took_ms: list[float] = []
    requests: list[httpx.Request] = []

    def note(response: httpx.Response) -> None:
        requests.append(response.request)

    for _ in range(runs + 1):
        requests.clear()
        http.event_hooks["response"] = [note]
        page = AppTest.from_string(script, default_timeout=PATIENCE_S)
        page.query_params["branch"] = branch
        begun_s = time.perf_counter()
        page.run()
        took_ms.append((time.perf_counter() - begun_s) * 1000)
        http.event_hooks["response"] = []
        if page.exception:
            raise InputError(f"a page cannot be shown: {page.exception[0].value}")
        if page.error:
            raise DependencyError(f"a page says: {page.error[0].value}")
    return took_ms[1:], requests


def _alone_ms(requests: list[httpx.Request]) -> float:
    http = session.http()
    begun_s = time.perf_counter()
    for request in requests:
        http.send(
            http.build_request(request.method, request.url, headers=request.headers, content=request.read())
        ).read()
    return (time.perf_counter() - begun_s) * 1000


@contextlib.contextmanager
def _simulated() -> Iterator[tuple[Path, str]]:
    """A hub with the simulated branch; the dashboard file for it, and the branch."""
    with folder_of(None) as root:
        files = prepare(root, None)
        hub = Child(
            "hub",
            [sys.executable, "-m", "hub.main", "run", str(files.hub), "--json-ready", str(files.ready)],
            log=files.root / "hub.log",
        )
        hub.keep(time.monotonic())
        try:
            api = wait_for(lambda: answered(files.ready), START_S, "the hub", stop_event())["api"]
            import_history(files, lambda label, text: click.echo(f"{label:>18}  {text}", err=True))
            write_dashboard(files, api, pages_token(files), None)
            yield files.dashboard, SIMULATED
        finally:
            hub.rest()


if __name__ == "__main__":
    exits.run(bench_dashboard, prog="branchloop bench dashboard")
