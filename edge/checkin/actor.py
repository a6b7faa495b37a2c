"""The demo's customer before the kiosk's camera: a clip that does what the page asks, as an MJPEG stream.

Run as `python -m edge.checkin.actor`. The person is a rendered animation of one public-domain portrait, see
sample_video/LICENSE.md. It follows the page as somebody who stands there would: it turns when asked to turn,
and holds up a QR code while the page asks for one and nobody types one.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from branchloop import exits
from branchloop.finite import Finite
from branchloop.processes import stop_event
from edge.perceive.camera import Image, open_clip

HOLD_AFTER_S = 10.0
HELD_UP = 0.62
"""Of the picture's height: the QR code, held before the face."""
AGAIN_S = 1.0
"""Who has done what is asked, and is asked still, does it again after so long."""


@dataclass(slots=True)
class Hand:
    """Holds up the code at the code's page once nobody has touched a key for `after_s`: whoever types is let type.

    After its ticket was shown never again, unless `again`.
    """

    after_s: float = HOLD_AFTER_S
    again: bool = False
    _due_s: float | None = None
    """From when on it is held up; None: not at all, as the page is now."""
    _done: bool = False

    def saw(self, view: Mapping[str, Any], now_s: float) -> None:
        """What the page shows now."""
        if view["stage"] == "ticket" and self.holds(now_s) and not self.again:
            self._done = True
        if view["stage"] != "code" or view["typing"]:
            self._due_s = None
        elif self._due_s is None:
            self._due_s = now_s + self.after_s

    def holds(self, now_s: float) -> bool:
        """Whether the code is held up."""
        return not self._done and self._due_s is not None and now_s >= self._due_s


class Actor:
    """Frames of a person who obeys; `action` and what the `hand` saw are set by whoever watches the page."""

    def __init__(self, clip: Path, segments: Path, qr: str | None, hand: Hand | None = None) -> None:
        told = tomllib.loads(segments.read_text(encoding="utf-8"))
        self.fps = float(told.pop("fps"))
        frames = [frame.image for frame in open_clip(clip).frames]
        self._parts = {name: frames[first:last] for name, (first, last) in told.items()}
        self._qr = None if qr is None else _card(qr)
        self.action = ""
        self.hand = hand or Hand()

    def frames(self) -> Iterator[Image]:
        """For ever: at rest to and fro, an action when it is asked for and again while it is."""
        rest = [*self._parts["neutral"], *reversed(self._parts["neutral"])]
        while True:
            asked = self.action
            yield from self._parts.get(asked, ())
            for image in rest[: round(AGAIN_S * self.fps)] if asked else rest:
                if self.action != asked:
                    break
                yield self._with_code(image)

    def _with_code(self, image: Image) -> Image:
        if self._qr is None or not self.hand.holds(time.monotonic()):
            return image
        side = int(image.shape[0] * HELD_UP)
        held = image.copy()
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        held[top : top + side, left : left + side] = cv2.resize(
            self._qr, (side, side), interpolation=cv2.INTER_NEAREST
        )
        return held


def _card(text: str) -> Image:
    code = cv2.QRCodeEncoder.create().encode(text)
    framed = cv2.copyMakeBorder(code, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=255)
    return np.asarray(cv2.cvtColor(framed, cv2.COLOR_GRAY2BGR), np.uint8)


def watch(actor: Actor, page: str, stop: threading.Event) -> None:
    """Follow what the page of a kiosk asks, until `stop`; a kiosk that is away is waited for."""
    while not stop.is_set():
        with (
            contextlib.suppress(OSError, ValueError),
            urllib.request.urlopen(f"{page}/api/events", timeout=15) as events,  # noqa: S310
        ):
            for raw in events:
                if stop.is_set():
                    return
                if raw.startswith(b"data: "):
                    view = json.loads(raw[6:])
                    actor.hand.saw(view, time.monotonic())
                    actor.action = view["action"] or ""
        stop.wait(0.5)


def at_pace(
    images: Iterable[Image],
    fps: float,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Image]:
    """So many a second at most, and like a camera: one that was held up does not hurry to make up for it."""
    due_s = now_s()
    for image in images:
        yield image
        due_s = max(due_s + 1 / fps, now_s())
        sleep(max(0.0, due_s - now_s()))


def serve(actor: Actor, port: int) -> ThreadingHTTPServer:
    """An MJPEG stream on loopback at any path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(OSError):
                self._stream()

        def _stream(self) -> None:
            for image in at_pace(actor.frames(), actor.fps):
                content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
                self.wfile.write(head.encode() + content + b"\r\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="camera", daemon=True).start()
    return server


@click.command()
@click.option("--clip", type=click.Path(path_type=Path), required=True)
@click.option("--segments", type=click.Path(path_type=Path), required=True)
@click.option("--page", required=True, help="address of the kiosk's page")
@click.option("--port", type=int, required=True)
@click.option("--qr", "qr_file", type=click.Path(path_type=Path), help="file with what the QR code says")
@click.option("--hold-after", type=Finite(min=0), default=HOLD_AFTER_S, help="s without a key [10]")
@click.option("--hold-again", is_flag=True, help="also after its ticket was shown")
def main(
    clip: Path,
    segments: Path,
    page: str,
    port: int,
    qr_file: Path | None,
    hold_after: float,
    hold_again: bool,
) -> None:
    """Stand before the camera."""
    stop = stop_event()
    held = qr_file.read_text(encoding="utf-8").strip() if qr_file is not None else ""
    actor = Actor(clip, segments, held or None, Hand(hold_after, hold_again))
    server = serve(actor, port)
    sys.stdout.write(f"camera of the kiosk: http://127.0.0.1:{port}/\n")
    sys.stdout.flush()
    watch(actor, page, stop)
    server.shutdown()


if __name__ == "__main__":
    exits.run(main)
