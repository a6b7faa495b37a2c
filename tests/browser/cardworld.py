"""A partner's page on a port of its own, with the cards of a real hub in it: hostile style, strict policy."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from hubworld import NOON, World, world
from tables import DOCUMENTS, IDENTITY_CARD, partner, service

from branchloop.clock import DAY_MS
from hub.api.state import now_ms
from hub.loop.embedding import Embed, issue

PARTS = (
    """
address = { en = "1 High Street", zh = "大街一号" }
hours = { mon = "00:00-24:00", tue = "00:00-24:00", wed = "00:00-24:00", thu = "00:00-24:00", fri = "00:00-24:00", sat = "00:00-24:00", sun = "00:00-24:00" }
"""
    + service(
        "loan",
        name=("Loan advice", "贷款咨询"),
        minutes=30,
        slot_minutes=60,
        documents=[IDENTITY_CARD, {"en": "Proof of income", "zh": "收入证明"}],
    )
    + service(
        "cash",
        name=("Cash <b>desk</b>", "现金 <b>业务</b>"),
        slot_minutes=15,
        per_slot=3,
        remote_tickets=True,
    )
    + service("vault", name=("Safe deposit box", "保管箱"), minutes=480, slot_minutes=240)
    + service("proof", slot_minutes=60, online="certificate")
    + service("second", online="account")
)


def hub_tables(page: str, other: str) -> str:
    """What hub.toml holds besides."""
    return DOCUMENTS + partner("travel", page) + partner("other", other)


SCENES = """
[[scene]]
id = "travel-visa"
name = { en = "Travel and visa", zh = "旅行签证" }
[[scene.rule]]
id = "proof"
service = "proof"
reason = { en = "Consulates ask for a <i>proof</i> of deposit", zh = "使馆通常要求存款证明" }
weight = 5
"""
HOSTILE = """
html { font-size: 40px; }
body { --ink: red; --paper: lime; --accent: red; --on: lime; --line: red; --edge: red; --bad: lime; --muted: yellow;
  letter-spacing: 9px; line-height: 4; text-transform: uppercase; text-align: right; color: red; word-spacing: 40px; font: italic 60px serif; }
main * { all: unset !important; display: none !important; position: fixed !important; top: -9999px !important; opacity: 0 !important;
  visibility: hidden !important; filter: invert(1) blur(9px) !important; transform: rotate(90deg) !important; pointer-events: none !important;
  direction: rtl !important; width: 3px !important; height: 3px !important; font-size: 90px !important; color: lime !important; }
"""


@dataclass
class Host:
    """A web server with pages made up by a test; `policy` is theirs."""

    port: int
    policy: str = ""
    pages: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """As browsers say it."""
        return f"http://127.0.0.1:{self.port}"

    def page(self, body: str, *, head: str = "", lang: str = "en", after: str = "") -> str:
        """The address of a page that holds `body`, and `after` where its style does not reach."""
        self.pages["/page"] = (
            f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>A page</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="stylesheet" href="/host.css">{head}</head><body><main>{body}</main>{after}</body></html>'
        )
        return f"{self.origin}/page"


@dataclass
class CardWorld:
    """Hub and host pages; `other` is the page of another partner."""

    hub: World
    host: Host
    other: Host

    def token(self, **more: object) -> str:
        """A token of the host's page."""
        plain = Embed("travel", self.host.origin, "hall", now_ms() + DAY_MS)
        return issue(replace(plain, **more), self.hub.state.book.keyring.mac)  # type: ignore[arg-type]

    def script(self, name: str, more: str = "") -> str:
        """The script tag."""
        return (
            f'<script defer src="{self.hub.api}/cards/v1/{name}.js" crossorigin="anonymous" {more}></script>'
        )


@contextlib.contextmanager
def hosting(style: str) -> Iterator[Host]:
    """A host page's server; it has its port at once, and its policy when the hub's address is known."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            text = style if path == "/host.css" else host.pages.get(path, "")
            self.send_response(200 if text else 404)
            self.send_header(
                "Content-Type", f"text/{'css' if path == '/host.css' else 'html'}; charset=utf-8"
            )
            self.send_header("Content-Security-Policy", host.policy)
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    host = Host(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextlib.contextmanager
def card_world(
    folder: Path, parts: str = PARTS, style: str = HOSTILE, hub_toml: str = ""
) -> Iterator[CardWorld]:
    """A hub, and the pages of two partners."""
    (folder / "scenes.toml").write_text(SCENES, encoding="utf-8")
    document = [
        sys.executable,
        "-m",
        "branchloop.keys.root",
        "document",
        str(folder / "keys"),
        "--name",
        "Example Bank",
    ]
    subprocess.run(document, check=True, capture_output=True)
    with (
        hosting(style) as host,
        hosting(style) as second,
        world(
            folder,
            parts=parts,
            hub='scenes = "scenes.toml"\n' + hub_toml + hub_tables(page=host.origin, other=second.origin),
            book=True,
            zone=NOON,
        ) as hub,
    ):
        host.policy = second.policy = (
            f"default-src 'none'; script-src {hub.api}; style-src 'self'; connect-src {hub.api}; frame-src {hub.api}; "
            "require-trusted-types-for 'script'"
        )
        yield CardWorld(hub, host, second)
