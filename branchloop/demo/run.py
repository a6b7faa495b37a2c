"""`branchloop demo`: a whole branch on this machine, from real footage to the manager's heatmap.

It starts the same programs as a bank would, with their own configuration files, credentials and tokens,
and asks the hub's API what came of it.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import click

from branchloop import exits
from branchloop.demo.acceptance import DemoAcceptance
from branchloop.demo.api import DemoApi, Latencies, wait_for
from branchloop.demo.bank import import_history, pages_token, partner_page, sign_kiosk, tokens_of
from branchloop.demo.customer import CUSTOMER, OTHERS, Booking, DemoCustomer, read_photos
from branchloop.demo.files import (
    KIOSK,
    SIMULATED,
    SITE,
    Files,
    KioskPlace,
    answered,
    prepare,
    root_public,
    run,
    write_box,
    write_dashboard,
)
from branchloop.demo.folder import folder_of
from branchloop.finite import Finite
from branchloop.processes import Child, Supervisor, lock_directory, stop_event

START_S = 90.0
DRAIN_S = 30.0


def _zone(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """A time zone's name as it came, or a usage error."""
    if value is not None and value not in available_timezones():
        raise click.BadParameter(f"{value!r} is no time zone; name one as Europe/Berlin.")
    return value


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=Finite(min=5), help="end by itself after this long")
@click.option("--no-browser", is_flag=True, help="open no browser")
@click.option("--json", "as_json", is_flag=True, help="print the sums as one JSON object at the end")
@click.option(
    "--data", type=click.Path(path_type=Path), help="keep the data here (a new temporary folder without it)"
)
@click.option("--port-base", type=click.IntRange(1024, 65000), help="fixed ports from here on")
@click.option("--timezone", callback=_zone, help="of the demo branch, as Europe/Berlin [Asia/Shanghai]")
def demo(
    seconds: float | None,
    no_browser: bool,
    as_json: bool,
    data: Path | None,
    port_base: int | None,
    timezone: str | None,
) -> None:
    """A whole branch on this machine: camera clip, box, broker, hub, dashboard."""
    stop = stop_event()
    with folder_of(data) as root, lock_directory(root):
        files = prepare(root, port_base, timezone)
        say = _speaker(as_json)
        supervisor = Supervisor([])
        ended = threading.Event()
        keeper = threading.Thread(target=supervisor.run, args=(ended,), name="children")
        hub = _child("hub", files, "hub.main", "run", str(files.hub), "--json-ready", str(files.ready))
        hub.keep(time.monotonic())
        try:
            supervisor.children = [hub]
            ready = wait_for(
                lambda: answered(files.ready), START_S, "the hub", stop, hub.log, lambda: hub.pid is None
            )
            say("hub", f"{ready['api']}  (broker {ready['broker']})")
            tokens = tokens_of(files)
            import_history(files, say)
            kiosk = write_box(files, ready["broker"], port_base)
            sign_kiosk(files)
            customer = DemoCustomer(ready["api"], tokens["staff"], SITE)
            booked, code = _book(files, customer)
            partner = partner_page(files, ready["api"])
            dashboard_url = write_dashboard(files, ready["api"], pages_token(files), port_base)
            api = DemoApi(ready["api"], tokens["head_office"])
            latencies = Latencies(api, SITE)
            latencies.start()
            children = [
                hub,
                _child("box", files, "edge.main", "run", str(files.box)),
                _child("dashboard", files, "dashboard.main", "run", str(files.dashboard)),
                _child("kiosk-customer", files, "edge.checkin.actor", *_acting(files, kiosk)),
                _child(
                    "partner",
                    files,
                    "http.server",
                    "--bind",
                    "127.0.0.1",
                    "--directory",
                    str(files.partner),
                    partner.rpartition(":")[2],
                ),
            ]
            for child in children[1:]:
                child.keep(time.monotonic())
            supervisor.children = children
            keeper.start()
            wait_for(lambda: api.frames(SITE) or None, START_S, "the camera", stop, children[1].log)
            wait_for(
                lambda: _answers(f"{dashboard_url}/_stcore/health"),
                START_S,
                "the dashboard",
                stop,
                children[2].log,
            )
            wait_for(lambda: _answers(kiosk.page), START_S, "the kiosk", stop, children[1].log)
            wait_for(lambda: customer.kiosk_known(booked) or None, START_S, "the kiosk's key", stop)
            photos = read_photos(files.root / "sample_video")
            own_page = customer.enrol(booked, photos, root_public(files))
            wait_for(lambda: customer.enrolled(own_page) or None, START_S, "the enrolment", stop)
            say("manager's page", f"{dashboard_url}/?branch={SITE}&lang=en")
            say(
                "kiosk",
                f"{kiosk.page}  (touch a door; the rendered customer is recognised, or holds up a code once where "
                "nobody types one for 10 s)",
            )
            say("code to type there", code)
            say("customer's page", own_page)
            say(
                "partner's page",
                f"{partner}/index.html  (cards on another origin: book there, check in at the kiosk)",
            )
            say("day board", f"{dashboard_url}/board?branch={SITE}&lang=en")
            say("queue and service", f"{dashboard_url}/service?branch={SITE}&lang=en")
            say("staff's phone", f"{ready['api']}/staff  (sign in with the staff token below)")
            say("simulated branch", f"{dashboard_url}/heat?branch={SIMULATED}&lang=en")
            _acceptance(files, ready["api"], tokens["head_office"]).begin(ended, say)
            for role, token in tokens.items():
                say(f"token, {role}", token)
            say("logs and data", str(root))
            say("", "Ctrl-C ends the demo." if seconds is None else f"Ends by itself after {seconds:g} s.")
            if not no_browser:
                webbrowser.open(f"{dashboard_url}/?branch={SITE}")
            stop.wait(seconds)
            sums = _sum_up(files, api, latencies, children[1])
            sums["checked_in"] = customer.checked_in(tokens["manager"])
        finally:
            ended.set()
            if keeper.ident is not None:
                keeper.join(40)
            else:
                supervisor.end()
        exits.report(sums, as_json=as_json)


def _sum_up(files: Files, api: DemoApi, latencies: Latencies, box: Child) -> dict[str, Any]:
    """Stop the box, let everything drain, then ask box and hub what came of it."""
    box.rest()
    produced = sum(
        int(run(files, "edge.main", "outbox", str(files.box), *more, "--json")["produced"])
        for more in ((), ("--kiosk", KIOSK))
    )
    until_s = time.monotonic() + DRAIN_S
    while time.monotonic() < until_s:
        devices = run(files, "hub.main", "stats", str(files.hub), "--json")["devices"]
        held = [devices.get(f"{SITE}/{device}", {}) for device in ("box-1", KIOSK)]
        acknowledged = sum(each.get("acknowledged", 0) for each in held)
        if acknowledged >= produced:
            break
        time.sleep(0.5)
    p50_s, p95_s = latencies.quantiles()
    return {
        "messages_produced": produced,
        "messages_stored": sum(each.get("messages", 0) for each in held),
        "messages_acknowledged": acknowledged,
        "frames_analysed": _asked(lambda: api.frames(SITE)),
        "crossings": _asked(lambda: api.crossings(SITE)),
        "latency_p50_s": p50_s,
        "latency_p95_s": p95_s,
        "latency_samples": latencies.count,
        "person_seconds": _asked(lambda: api.person_seconds(SITE)),
        "roll_ups_equal_recomputation": run(
            files, "hub.main", "recompute", str(files.hub), "--check", "--json"
        )["equal"],
    }


def _asked(ask: Callable[[], float]) -> float:
    """An answer of the hub, which may be on its way up again."""
    return wait_for(ask, DRAIN_S, "the hub", threading.Event())


def _book(files: Files, customer: DemoCustomer) -> tuple[Booking, str]:
    """Today's bookings: the customer to be recognised; the other one's QR code goes before the camera."""
    booked = customer.book(CUSTOMER, "ms")
    others = [customer.book(name) for name in OTHERS]
    (files.root / "qr.txt").write_text(others[0].qr, encoding="utf-8")
    return booked, others[1].code


def _acting(files: Files, kiosk: KioskPlace) -> list[str]:
    video = files.root / "sample_video"
    return [
        "--clip", str(video / "kiosk.mp4"), "--segments", str(video / "kiosk.toml"), "--page", kiosk.page,
        "--port", str(kiosk.camera_port), "--qr", str(files.root / "qr.txt"),
    ]  # fmt: skip


def _acceptance(files: Files, api: str, token: str) -> DemoAcceptance:
    video = files.root / "sample_video"
    return DemoAcceptance(
        files.box, video / "plaza.mp4", video / "plaza_truth_121_180.txt", files.root / "root" / "root.pem",
        files.root / "acceptance", api, SITE, token,
    )  # fmt: skip


def _child(name: str, files: Files, module: str, *args: str) -> Child:
    return Child(name, [sys.executable, "-m", module, *args], log=files.root / f"{name}.log")


def _answers(url: str) -> bool | None:
    import urllib.request

    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
        return bool(answer.status == 200)
    return None


def _speaker(as_json: bool) -> Any:
    def say(label: str, text: str) -> None:
        click.echo(f"{label:>18}  {text}", err=as_json)

    return say


if __name__ == "__main__":
    exits.run(demo, prog="branchloop demo")
