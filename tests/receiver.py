"""A receiver of webhooks: real HTTP, checks signatures, keeps what came in order, and misbehaves when told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRET = base64.b64encode(b"k" * 32).decode()


@dataclass
class Receiver:
    """What came, and what to answer."""

    port: int = 0
    got: list[dict[str, Any]] = field(default_factory=list)
    answers: Callable[[int], int] = lambda _count: 204
    drip: bool = False
    raw: Callable[[], Iterator[bytes]] | None = None
    """The whole answer as it goes over the line, after which the connection is closed."""
    tls: Path | None = None
    """The folder of its `cert.pem` and `key.pem`."""
    wrote: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[int]:
        """Of lines taken, repeated ones once."""
        return list(dict.fromkeys(int(each["id"]) for each in self.got))


def _handler(of: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with of.lock:
                of.asked += 1
                status = of.answers(of.asked)
            if status == 0:  # hang
                of.released.wait(60)
                self.close_connection = True
                return
            if of.drip:
                self.wfile.write(b"HTTP/1.1 ")
                for letter in b"200 OK\r\nx-a: " + b"a" * 600:
                    if of.released.is_set():
                        break
                    self.wfile.write(bytes([letter]))
                    time.sleep(0.05)
                self.close_connection = True
                return
            signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
            wanted = (
                "v1,"
                + base64.b64encode(
                    hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()
                ).decode()
            )
            if wanted not in self.headers["webhook-signature"].split():
                status = 401
            if 200 <= status < 300:
                with of.lock:
                    of.got.append(json.loads(body))
            if of.raw is not None:
                self.close_connection = True
                for part in of.raw():
                    self.wfile.write(part)
                    of.wrote += len(part)
                return
            self.send_response(status)
            for name, value in of.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    return Handler


@contextmanager
def receiving(**how: Any) -> Iterator[Receiver]:
    """A receiver on an ephemeral port."""
    made = Receiver(**how)

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: object) -> None:
            """Who hangs up before the answer is no fault of this one."""

    server = Quiet(("127.0.0.1", 0), _handler(made))
    made.port = server.server_address[1]
    if made.tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(made.tls / "cert.pem", made.tls / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
