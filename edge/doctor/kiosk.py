"""Whether this machine can be a kiosk: its camera, models and page, its credential and keys. Nothing is changed."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from branchloop.doctor_finding import Finding, bad, good, warn
from branchloop.errors import BranchloopError
from branchloop.keys.box import read_private
from branchloop.keys.file import guarded
from branchloop.processes import listen_once, owner
from branchloop.site.box import Box
from branchloop.site.kiosk import Kiosk
from branchloop.site.site import Site
from edge.checkin.boxkey import PRIVATE, certificate
from edge.checkin.process import kiosk_camera, kiosk_link
from edge.checkin.vault import KEY_FILE, template_key
from edge.perceive.camera import open_clip, stream_size
from edge.perceive.faces.engine import FaceEngine
from edge.perceive.faces.landmarks import Landmarker
from edge.perceive.faces.padmodel import PadModel
from edge.perceive.source import resolve


def examine_kiosks(site: Site, box: Box, base_dir: Path) -> Iterator[Finding]:
    """What is found of all kiosks of a box."""
    yield _faces()
    for kiosk in site.kiosks:
        folder = base_dir / box.data_dir / kiosk.id
        running = owner(folder)
        if running is not None:
            yield good(f"kiosk {kiosk.id}: it runs now (process {running})")
        yield _camera(kiosk, base_dir, running=running is not None)
        if running is None:
            yield _page(kiosk, base_dir)
        yield from _faults(site, box, kiosk, folder, base_dir)


def _faces() -> Finding:
    begun_s = time.perf_counter()
    try:
        FaceEngine()
        Landmarker().close()
    except BranchloopError as error:
        return bad(f"face models: {error}")
    return good(f"face models load in {time.perf_counter() - begun_s:.1f} s")


def _camera(kiosk: Kiosk, base_dir: Path, *, running: bool) -> Finding:
    where = f"kiosk {kiosk.id}: its camera"
    camera = kiosk_camera(kiosk)
    try:
        source = resolve(camera, base_dir)
        if running and source.kind == "usb":
            return good(f"{where} {source.shown} is in use by it, and was not opened")
        width_px, height_px = (
            stream_size(source) if source.live else open_clip(Path(source.shown), camera.fps).size
        )
    except BranchloopError as error:
        return bad(f"{where}: {error}")
    return good(f"{where} {source.shown} gives pictures of {width_px} × {height_px} pixels")


def _page(kiosk: Kiosk, base_dir: Path) -> Finding:
    """Whether its page could be served now: the address is free, and its certificate fits its key."""
    host, _, port = kiosk.listen.rpartition(":")
    host = host.strip("[]")
    try:
        if kiosk.tls_cert_file and kiosk.tls_key_file:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(base_dir / kiosk.tls_cert_file, base_dir / kiosk.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        return bad(
            f"kiosk {kiosk.id}: its certificate or key cannot be read ({error.strerror or error}). "
            "Correct tls_cert_file and tls_key_file."
        )
    try:
        listen_once(host, int(port))
    except (OSError, OverflowError) as error:
        return bad(
            f"kiosk {kiosk.id}: the page cannot listen on {kiosk.listen} ({error}). Is the port taken? "
            "Change `listen`."
        )
    return good(f"kiosk {kiosk.id}: its page can listen on {kiosk.listen}")


def _faults(site: Site, box: Box, kiosk: Kiosk, folder: Path, base_dir: Path) -> Iterator[Finding]:
    """What would keep it from beginning, or from appointments."""
    liveness = kiosk.liveness
    try:
        kiosk_link(site, box, kiosk, base_dir)
        if kiosk.template_key_env is not None or (folder / KEY_FILE).exists():
            template_key(folder, kiosk.template_key_env)
        if liveness.pad_models:
            PadModel([base_dir / name for name in liveness.pad_models], liveness.pad_sha256)
        signed = _signed(kiosk, folder)
    except (BranchloopError, OSError) as error:
        yield bad(f"kiosk {kiosk.id}: {error}")
        return
    if signed:
        yield good(f"kiosk {kiosk.id}: its credential is there and its key is signed")
    else:
        yield warn(
            f"kiosk {kiosk.id}: its key is not signed yet, so it gets no appointments: "
            f"branchloop edge kiosk-key CONFIG {kiosk.id}, see docs/install.md"
        )


def _signed(kiosk: Kiosk, folder: Path) -> bool:
    path = folder / PRIVATE
    if not path.exists():
        return False
    key = read_private(guarded(path))
    return certificate(folder, key, kiosk.root_public, time.time_ns() // 1_000_000) is not None
