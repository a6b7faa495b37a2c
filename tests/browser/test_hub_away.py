"""The pages while the hub is away, in a real browser: each goes on by itself once it is back."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hubworld import World, world
from pages import served
from playwright.sync_api import Browser, expect

from branchloop.processes import free_port
from branchloop.text.catalogue import say

expect.set_options(timeout=20_000)


OPEN = threading.Event()
OPEN.set()

PALEST = """() => {
  const held = document.querySelectorAll('[class*="st-key-by-itself"] [data-stale=true]');
  const now = performance.now();
  if (held.length === 0) window.heldSince = undefined;
  else window.heldSince ??= now;
  window.palest = Math.min(...[...held].map((each) => Number(getComputedStyle(each).opacity)));
  return window.heldSince !== undefined && now - window.heldSince > 2500;
}"""
"""True once what refreshes by itself has waited so many ms for its answer; `palest` is the least opacity there then."""


@contextlib.contextmanager
def way(port: int, hub: World, gate: threading.Event = OPEN) -> Iterator[None]:
    """The hub answers on this port, too; its answers wait while the gate is closed."""
    target = urlsplit(hub.api)

    class Relay(socketserver.BaseRequestHandler):
        """One connection, passed on in both directions."""

        def handle(self) -> None:
            with socket.create_connection((str(target.hostname), target.port or 0)) as there:
                threading.Thread(target=_pass, args=(self.request, there), daemon=True).start()
                _pass(there, self.request, gate)

    class Server(socketserver.ThreadingTCPServer):
        """Ends without waiting for those who keep a connection open."""

        daemon_threads = allow_reuse_address = True
        block_on_close = False

    with Server(("127.0.0.1", port), Relay) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield
        server.shutdown()


def _pass(source: socket.socket, target: socket.socket, gate: threading.Event = OPEN) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            gate.wait()
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub"), book=True) as made:
        yield made


@pytest.mark.parametrize("name", ["", "heat", "quality", "setup"])
def test_a_page_goes_on_once_the_hub_is_back(
    hub: World, tmp_path: Path, chromium: Browser, name: str
) -> None:
    """It was opened while nobody answered: the sentence says that it goes on by itself, and it does."""
    port, token = free_port(), hub.token("manager", "hall")["Authorization"].split()[1]
    with served(tmp_path, f"http://127.0.0.1:{port}", token) as address:
        tab = chromium.new_page()
        tab.goto(f"{address}/{name}?lang=en")
        away = tab.get_by_text(say("error.unreachable", "en"))
        expect(away).to_be_visible()
        with way(port, hub):
            expect(tab.get_by_role("heading", level=1)).to_contain_text("Hall")
            expect(away).to_have_count(0)
        tab.close()


def test_what_refreshes_by_itself_pales_only_when_that_takes_long(
    hub: World, tmp_path: Path, chromium: Browser
) -> None:
    """A page does not flicker each time it asks; one whose answer stays away does not look up to date."""
    port, token, gate = (
        free_port(),
        hub.token("manager", "hall")["Authorization"].split()[1],
        threading.Event(),
    )
    gate.set()
    with served(tmp_path, f"http://127.0.0.1:{port}", token) as address, way(port, hub, gate):
        tab = chromium.new_page()
        tab.goto(f"{address}/?lang=en")
        expect(tab.locator(".bl-tile").first).to_be_visible()
        gate.clear()
        try:
            tab.wait_for_function(PALEST)
            assert tab.evaluate("window.palest") == 1
            tab.wait_for_function(f"() => ({PALEST})() && window.palest < 1")
        finally:
            gate.set()
        tab.close()
