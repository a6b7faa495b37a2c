"""The kiosk's process: its camera, its desk, its page, its own link to the hub; nothing is decided here."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import uvicorn

from branchloop import __version__
from branchloop.errors import ConfigError, DependencyError
from branchloop.processes import lock_directory, stop_event
from branchloop.site.box import Box
from branchloop.site.kiosk import Kiosk
from branchloop.site.site import Camera, Site, config_hash
from branchloop.wire.status import DeviceLight
from edge.checkin.boxkey import box_key, certificate
from edge.checkin.desk import Clocks, Desk
from edge.checkin.page import create_page
from edge.checkin.vault import Vault, template_key
from edge.crowding import CROWDING
from edge.outboxes import open_outbox
from edge.perceive.anchor import Clock
from edge.perceive.camera import Frame
from edge.perceive.capture import Capture
from edge.perceive.faces.padmodel import PadModel
from edge.send.boxlink import BoxLink
from edge.send.link import Link

FPS = 15.0
DRAIN_S = 5.0
_LOG = logging.getLogger(__name__)


def run_kiosk(config: Path, site: Site, box: Box, kiosk: Kiosk) -> None:
    """Run one kiosk until SIGTERM or SIGINT. Raises ConfigError or DependencyError before it begins."""
    stop = stop_event()
    base = config.parent
    folder = kiosk_folder(config, box, kiosk)
    with lock_directory(folder):
        clock = Clock()
        clocks = Clocks(clock.now_s, lambda: clock.utc_ms(clock.now_s()))
        key = box_key(folder, site.id, kiosk.id)
        signed = certificate(folder, key, kiosk.root_public, clocks.now_ms())
        liveness = kiosk.liveness
        pad = None
        if liveness.pad_models:
            pad = PadModel([base / name for name in liveness.pad_models], liveness.pad_sha256)
        outbox = open_outbox(site, box, base / box.data_dir, kiosk.id)
        desk = Desk(
            site,
            kiosk,
            vault=Vault(folder, template_key(folder, kiosk.template_key_env)),
            outbox=outbox,
            key=key,
            clocks=clocks,
            crowding=base / box.data_dir / CROWDING,
            pad=pad,
        )
        light = DeviceLight(id=kiosk.id, state="starting", since_ms=clocks.now_ms())
        told = {
            "version": __version__,
            "config_hash": config_hash(config.read_text(encoding="utf-8")),
            "config_version": site.version,
            "certificate": signed,
        }
        hears = {kind: _hearing(desk, kind) for kind in ("gallery", "command")}
        link = Link(
            outbox,
            kiosk_link(site, box, kiosk, base),
            lambda: {**told, **desk.status(), "cameras": [light]},
            hears,
        )
        desk.post.link = link
        capture = Capture(kiosk_camera(kiosk), base)
        server = _serve(desk, kiosk, base)
        if signed is None:
            _LOG.warning("its key is not signed yet: it gets no appointments; see docs/install.md")
        link.start()
        capture.start()
        try:
            while not stop.is_set() and server.thread.is_alive():
                clock.check()
                told_ = capture.next(0.1)
                frame = told_ if isinstance(told_, Frame) else None
                desk.camera_up = capture.state == "up"
                if capture.state != light.state:
                    light = DeviceLight(id=kiosk.id, state=capture.state, since_ms=clocks.now_ms())
                    link.status_changed()
                desk.step(None if frame is None else frame.image)
        finally:
            server.stop()
            capture.stop()
            outbox.flush()
            link.stop(drain_s=DRAIN_S)
            desk.close()
            outbox.close()
        if not stop.is_set():
            raise DependencyError(
                f"the page cannot listen on {kiosk.listen}.", hint="Is the port taken? Change `listen`."
            )


def kiosk_folder(config: Path, box: Box, kiosk: Kiosk) -> Path:
    """Where a kiosk keeps its data: a folder of its own in the box's."""
    folder = config.parent / box.data_dir / kiosk.id
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def kiosk_link(site: Site, box: Box, kiosk: Kiosk, base: Path) -> BoxLink:
    """A kiosk's own end of the link. Raises ConfigError when it has no credential."""
    if kiosk.broker_credential_file is None and kiosk.broker_credential_env is None:
        raise ConfigError(
            f"kiosk {kiosk.id!r} has no credential.",
            hint="Name broker_credential_file or broker_credential_env.",
        )
    own = {
        "id": kiosk.id,
        "credential_file": kiosk.broker_credential_file,
        "credential_env": kiosk.broker_credential_env,
    }
    return BoxLink.of(site.id, box.model_copy(update=own), base, "kiosk.broker_")


class _hearing:  # noqa: N801 - a closure with a name
    """Hands a kind of message to the desk."""

    def __init__(self, desk: Desk, kind: str) -> None:
        self._desk = desk
        self._kind = kind

    def __call__(self, payload: bytes) -> None:
        self._desk.hear(self._kind, payload)


class _Serving:
    """uvicorn in a thread of its own."""

    def __init__(self, server: uvicorn.Server, ending: threading.Event) -> None:
        self._server = server
        self._ending = ending
        self.thread = threading.Thread(target=self._run, name="page", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._server.should_exit = True
        self.thread.join(5.0)

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:  # uvicorn's way to say that it cannot listen; its log says why
            _LOG.warning("the page has stopped")


def _serve(desk: Desk, kiosk: Kiosk, base: Path) -> _Serving:
    host, _, port = kiosk.listen.rpartition(":")
    tls = kiosk.tls_cert_file and kiosk.tls_key_file
    ending = threading.Event()
    return _Serving(
        uvicorn.Server(
            uvicorn.Config(
                create_page(desk, host.strip("[]"), ending),
                host=host.strip("[]"),
                port=int(port),
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=1,
                ssl_certfile=str(base / str(kiosk.tls_cert_file)) if tls else None,
                ssl_keyfile=str(base / str(kiosk.tls_key_file)) if tls else None,
            )
        ),
        ending,
    )


def kiosk_camera(kiosk: Kiosk) -> Camera:
    """The kiosk's camera as `Capture` takes it; it measures nothing on the floor, so it has no calibration."""
    fields: dict[str, Any] = {
        "id": kiosk.id, "name": None, "source": kiosk.source, "fps": None, "analysed_fps": FPS,
        "loop": kiosk.loop, "credential_env": kiosk.credential_env, "calibration": None,
    }  # fmt: skip
    return Camera.model_construct(**fields)
