"""The dashboard reaches a hub behind the bank's own authority, as the bank's machines believe it."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import streamlit as st
from certificates import Authority
from streamlit.testing.v1 import AppTest

from branchloop.text.catalogue import say
from dashboard.client import Distrusted, Hub, connections


class _Branches(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"items": [{"id": "hall"}], "next": None}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Nothing of it."""


def live_page() -> None:
    """As the app runs it."""
    from dashboard.views import live

    live.page()


def test_a_hub_with_a_certificate_of_the_bank_s_own_authority_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the dashboard's machine believes; until then the page says what is wrong, not that nobody answers."""
    Authority.make(tmp_path).sign()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Branches)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()
    try:
        api = f"https://127.0.0.1:{server.server_port}"
        with connections() as http, pytest.raises(Distrusted, match="issuer"):
            Hub(api, "token", http).branches()
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{api}"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        page = AppTest.from_function(live_page, default_timeout=60)
        page.session_state["token"] = "token"
        page.run()
        assert [each.value for each in page.error] == [
            say("error.distrusted", "zh", why="unable to get local issuer certificate")
        ]
        assert not page.warning
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with connections() as http:
            assert Hub(api, "token", http).branches() == [{"id": "hall"}]
    finally:
        st.cache_resource.clear()
        server.shutdown()
        server.server_close()
