"""`branchloop demo`: a whole branch on this machine, from real footage to the manager's heatmap.

It starts the same programs as a bank would, with their own configuration files, credentials and tokens,
and asks the hub's API what came of it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from branchloop import demopartner, exits
from branchloop.demoacceptance import DemoAcceptance
from branchloop.demoapi import DemoApi, Latencies, wait_for
from branchloop.democustomer import CUSTOMER, OTHERS, Booking, DemoCustomer, read_photos
from branchloop.errors import DependencyError
from branchloop.processes import Child, Supervisor, free_port, stop_event
from branchloop.share import share

SITE = "plaza"
SIMULATED = "river-street"
KIOSK = "kiosk-1"
ISSUER = "Demonstration Bank"
START_S = 90.0
DRAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Files:
    """Where one demo keeps everything."""

    root: Path

    @property
    def hub(self) -> Path:
        """The hub's configuration."""
        return self.root / "hub.toml"

    @property
    def box(self) -> Path:
        """The demo branch's site file."""
        return self.root / "configs" / "demo.toml"

    @property
    def dashboard(self) -> Path:
        """The dashboard's configuration."""
        return self.root / "dashboard.toml"

    @property
    def partner(self) -> Path:
        """The partner's pages."""
        return self.root / "partner"

    @property
    def ready(self) -> Path:
        """Written by the hub when it answers."""
        return self.root / "hub-ready.json"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.FloatRange(min=5), help="end by itself after this long")
@click.option("--no-browser", is_flag=True, help="open no browser")
@click.option("--json", "as_json", is_flag=True, help="print the sums as one JSON object at the end")
@click.option(
    "--data", type=click.Path(path_type=Path), help="keep the data here (a new temporary folder without it)"
)
@click.option("--port-base", type=click.IntRange(1024, 65000), help="fixed ports from here on")
def demo(
    seconds: float | None, no_browser: bool, as_json: bool, data: Path | None, port_base: int | None
) -> None:
    """A whole branch on this machine: camera clip, box, broker, hub, dashboard."""
    stop = stop_event()
    with _folder(data) as root:
        files = _prepare(root, port_base)
        say = _speaker(as_json)
        supervisor = Supervisor([])
        ended = threading.Event()
        keeper = threading.Thread(target=supervisor.run, args=(ended,), name="children")
        hub = _child("hub", files, "hub.main", "run", str(files.hub), "--json-ready", str(files.ready))
        hub.keep(time.monotonic())
        try:
            supervisor.children = [hub]
            ready = wait_for(lambda: _ready(files), START_S, "the hub", stop)
            say("hub", f"{ready['api']}  (broker {ready['broker']})")
            tokens = _tokens(files)
            _import_history(files, say)
            kiosk = _write_box(files, ready["broker"], port_base)
            _sign_kiosk(files)
            customer = DemoCustomer(ready["api"], tokens["staff"], SITE)
            booked, code = _book(files, customer)
            partner = _partner(files, ready["api"])
            dashboard_url = _write_dashboard(files, ready["api"], _pages_token(files), port_base)
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
            wait_for(lambda: api.frames(SITE) or None, START_S, "the camera", stop)
            wait_for(lambda: _answers(f"{dashboard_url}/_stcore/health"), START_S, "the dashboard", stop)
            wait_for(lambda: _answers(kiosk.page), START_S, "the kiosk", stop)
            wait_for(lambda: customer.kiosk_known(booked) or None, START_S, "the kiosk's key", stop)
            photos = read_photos(files.root / "sample_video")
            own_page = customer.enrol(booked, photos, _root_public(files))
            wait_for(lambda: customer.enrolled(own_page) or None, START_S, "the enrolment", stop)
            say("manager's page", f"{dashboard_url}/?branch={SITE}&lang=en")
            say("kiosk", f"{kiosk.page}  (touch a door; the rendered customer does the rest)")
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
        int(_run(files, "edge.main", "outbox", str(files.box), *more, "--json")["produced"])
        for more in ((), ("--kiosk", KIOSK))
    )
    until_s = time.monotonic() + DRAIN_S
    while time.monotonic() < until_s:
        devices = _run(files, "hub.main", "stats", str(files.hub), "--json")["devices"]
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
        "roll_ups_equal_recomputation": _run(
            files, "hub.main", "recompute", str(files.hub), "--check", "--json"
        )["equal"],
    }


def _asked(ask: Callable[[], float]) -> float:
    """An answer of the hub, which may be on its way up again."""
    return wait_for(ask, DRAIN_S, "the hub", threading.Event())


def _prepare(root: Path, port_base: int | None) -> Files:
    files = Files(root.resolve())
    (files.root / "configs").mkdir(parents=True, exist_ok=True)
    for name in ("demo.toml", "simulated.toml", "scenes.toml"):
        shutil.copyfile(share(f"configs/{name}"), files.root / "configs" / name)
    shutil.copytree(share("sample_video"), files.root / "sample_video", dirs_exist_ok=True)
    api_port, broker_port = (port_base, port_base + 1) if port_base else (0, 0)
    files.hub.write_text(
        "[hub]\n"
        'data_dir = "hub"\n'
        f'listen = "127.0.0.1:{api_port}"\n'
        f'broker_listen = "127.0.0.1:{broker_port}"\n'
        'sites = ["configs/demo.toml", "configs/simulated.toml"]\n'
        'scenes = "configs/scenes.toml"\n'
        "[people]\n"
        f'root_public = "{_root_public(files)}"\n'
        + _documents(files)
        + demopartner.TABLES.format(origin=f"http://127.0.0.1:{port_base + 5 if port_base else free_port()}")
    )
    files.ready.unlink(missing_ok=True)
    return files


def _root_public(files: Files) -> str:
    """The demo bank's root, which a bank keeps off the network; made at the first start."""
    folder = files.root / "root"
    if not folder.exists():
        _run(files, "branchloop.keys", "root", str(folder), "--json")
    return (folder / "root.pub").read_text(encoding="utf-8").strip()


def _documents(files: Files) -> str:
    """Certificates are signed by a key of the demo's, and marked as simulated data."""
    if not all(importlib.util.find_spec(library) for library in ("pyhanko", "reportlab")):
        return ""
    folder = files.root / "document"
    if not folder.exists():
        root = str(files.root / "root" / "root.pem")
        _run(files, "branchloop.keys", "document", str(folder), "--name", ISSUER, "--root", root, "--json")
    return (
        "[documents]\n"
        f'issuer = {{ en = "{ISSUER}", zh = "演示银行" }}\n'
        'key_file = "document/document.pem"\n'
        'cert_file = "document/document.crt"\n'
        "specimen = true\n"
    )


def _sign_kiosk(files: Files) -> None:
    """The key ceremony in short: the kiosk's request, the root's signature, the certificate in its place."""
    command = ("kiosk-key", str(files.box), KIOSK)
    request = _run(files, "edge.main", *command, "--json")["request"]
    signed = files.root / "root" / "kiosk-1.certificate.json"
    root = str(files.root / "root" / "root.pem")
    subprocess.run(
        [sys.executable, "-m", "branchloop.keys", "sign", root, request, "--out", str(signed)],
        check=True, capture_output=True,
    )  # fmt: skip
    _run(files, "edge.main", *command, "--certificate", str(signed), "--json")


def _partner(files: Files, api: str) -> str:
    """Write the partner's page with its token; where it is."""
    text = files.hub.read_text(encoding="utf-8").partition('origins = ["')[2]
    origin = text.partition('"')[0]
    command = ("embed", str(files.hub), demopartner.PARTNER, "--origin", origin, "--site", SITE)
    made = _run(files, "hub.main", *command, "--scene", demopartner.SCENE, "--json")
    demopartner.write_page(files.partner, api, str(made["token"]))
    return origin


def _book(files: Files, customer: DemoCustomer) -> tuple[Booking, str]:
    """Today's bookings: the customer to be recognised; the other one's QR code goes before the camera."""
    booked = customer.book(CUSTOMER, "ms")
    others = [customer.book(name) for name in OTHERS]
    (files.root / "qr.txt").write_text(others[0].qr, encoding="utf-8")
    return booked, others[1].code


@dataclass(frozen=True, slots=True)
class KioskPlace:
    """Where the demo's kiosk and its camera listen."""

    page: str
    camera_port: int


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


def _write_box(files: Files, broker: str, port_base: int | None) -> KioskPlace:
    """Point the box's site file at this demo's broker, credentials, kiosk and its camera."""
    text = files.box.read_text(encoding="utf-8")
    start = text.index("[[kiosk]]")
    port, camera_port = (port_base + 3, port_base + 4) if port_base else (free_port(), free_port())
    files.box.write_text(
        text[:start]
        + "[[kiosk]]\n"
        + f'id = "{KIOSK}"\n'
        + "x_m = 15.4\n"
        + "y_m = 15.6\n"
        + f'source = "http://127.0.0.1:{camera_port}/"\n'
        + 'recognise = "identify"\n'
        + f'listen = "127.0.0.1:{port}"\n'
        + f'root_public = "{_root_public(files)}"\n'
        + f'broker_credential_file = "../hub/broker/credentials/{SITE}--{KIOSK}"\n'
        + "[box]\n"
        + 'id = "box-1"\n'
        + f'broker = "{broker}"\n'
        + 'data_dir = "../box-1"\n'
        + f'credential_file = "../hub/broker/credentials/{SITE}--box-1"\n',
        encoding="utf-8",
    )
    return KioskPlace(f"http://127.0.0.1:{port}", camera_port)


def _write_dashboard(files: Files, api: str, token: str, port_base: int | None) -> str:
    token_file = files.root / "dashboard.token"
    descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    port = port_base + 2 if port_base else free_port()
    files.dashboard.write_text(
        f'[dashboard]\napi = "{api}"\nlisten = "127.0.0.1:{port}"\ntoken_file = "dashboard.token"\n'
    )
    return f"http://127.0.0.1:{port}"


def _tokens(files: Files) -> dict[str, str]:
    """A head office token for the pages, and two that see the demo branch alone."""
    of_the_branch = ["--site", SITE]
    wanted: tuple[tuple[str, list[str]], ...] = (
        ("head_office", []),
        ("manager", of_the_branch),
        ("staff", of_the_branch),
    )
    return {
        role: _run(
            files, "hub.main", "token", str(files.hub), f"demo-{role}", "--role", role, *scope, "--json"
        )["token"]
        for role, scope in wanted
    }


def _pages_token(files: Files) -> str:
    """What the pages show is what a manager of both branches may see."""
    scope = ["--site", SITE, "--site", SIMULATED]
    arguments = ["demo-pages", "--role", "manager", *scope, "--json"]
    return str(_run(files, "hub.main", "token", str(files.hub), *arguments)["token"])


def _import_history(files: Files, say: Any) -> None:
    history = share("sample_history") / "river-street.ndjson.xz"
    begun_s = time.monotonic()
    arguments = ["--site", SIMULATED, "--device", "simulator", "--shift-to-today", "--json"]
    imported = _run(files, "hub.main", "import", str(files.hub), str(history), *arguments)
    say("history", f"{imported['stored']} simulated windows in {time.monotonic() - begun_s:.1f} s")


def _child(name: str, files: Files, module: str, *args: str) -> Child:
    return Child(name, [sys.executable, "-m", module, *args], log=files.root / f"{name}.log")


def _run(files: Files, module: str, *args: str) -> dict[str, Any]:
    shown = subprocess.run([sys.executable, "-m", module, *args], capture_output=True, text=True, check=False)
    try:
        answer: dict[str, Any] = json.loads(shown.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        reason = (shown.stderr.strip().splitlines() or ["no output"])[-1]
        raise DependencyError(
            f"{module} {args[0]} failed: {reason.removeprefix('error: ')}", hint=f"Its logs: {files.root}."
        ) from error
    return answer


def _ready(files: Files) -> dict[str, Any] | None:
    try:
        ready: dict[str, Any] = json.loads(files.ready.read_text())
    except (OSError, ValueError):
        return None
    return ready


def _answers(url: str) -> bool | None:
    import urllib.request

    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
        return bool(answer.status == 200)
    return None


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="branchloop-demo-") as folder:
        yield Path(folder)


def _speaker(as_json: bool) -> Any:
    def say(label: str, text: str) -> None:
        click.echo(f"{label:>18}  {text}", err=as_json)

    return say


if __name__ == "__main__":
    exits.run(demo, prog="branchloop demo")
