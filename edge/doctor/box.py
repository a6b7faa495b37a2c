"""Whether this machine can be a branch's box: libraries, model, cameras, sensors, kiosks, clock, broker, disk."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from branchloop.doctor_finding import Finding, bad, good
from branchloop.errors import BranchloopError, DependencyError
from branchloop.exposed_key import examine_private_key
from branchloop.processes import owner
from branchloop.site.box import DETECTOR
from branchloop.site.site import Camera, Site
from edge.configured import read_in_force, read_site
from edge.doctor.broker import examine_broker
from edge.doctor.clock import examine_clock
from edge.doctor.sensor import examine_sensor
from edge.doctor.waiting import examine_waiting
from edge.floor.sight import sight_of
from edge.floor.watch import Watch
from edge.outboxes import forsaken, refusals
from edge.perceive.camera import open_clip, stream_size
from edge.perceive.faults import misfit
from edge.perceive.people import load_detector
from edge.perceive.source import resolve
from edge.send.outbox import RESERVE_BYTES

LEAST_FREE_GB = 2.0


def configuration(config: Path) -> tuple[Site, Finding]:
    """What the box of a site file runs, and which version that is. Raises ConfigError as `read_site`."""
    try:
        running = read_in_force(config)
    except DependencyError as error:
        return read_site(config), bad(str(error))
    version = running.site.version
    if running.passed_over is not None:
        refused = running.passed_over.refusal
        return running.site, bad(
            f"configuration: version {refused.version} from the hub is not taken any more: {refused.reason} "
            f"Version {version} of {config.name} counts instead, all of it; undo that there, or publish one that fits"
        )
    if not running.from_hub:
        return running.site, good(f"configuration: version {version}, from {config.name}")
    own = "its wiring, time zone, [box] and [[kiosk]] alone count"
    return running.site, good(f"configuration: version {version}, from the hub; of {config.name} {own}")


def examine(site: Site | None, config: Path | None) -> list[Finding]:
    """All findings; nothing is changed."""
    findings = [opencv(), _model(site)]
    if site is not None and config is not None:
        base_dir = config.parent
        running = None if site.box is None else owner(base_dir / site.box.data_dir)
        if site.box is not None and running is not None:
            findings.append(
                good(f"{base_dir / site.box.data_dir} is in use by a running box (process {running})")
            )
        findings += [_camera(camera, base_dir, running=running is not None) for camera in site.cameras]
        findings += _unseen(site)
        findings += [examine_sensor(sensor, base_dir, running=running is not None) for sensor in site.sensors]
        findings.append(_disk(base_dir, site))
        if site.box is not None:
            findings += examine_clock()
            findings.append(examine_broker(site, site.box, base_dir, running=running is not None))
            findings += _keys(site, base_dir)
            data_dir = base_dir / site.box.data_dir
            findings += [bad(str(wrong)) for wrong in refusals(site, site.box, data_dir)]
            findings += [bad(told) for told in forsaken(site, site.box, data_dir)]
            if running is not None:
                findings += examine_waiting(base_dir / site.box.data_dir / "outbox.db")
            if site.kiosks:
                from edge.doctor.kiosk import examine_kiosks  # loads the models of faces: seconds

                findings += examine_kiosks(site, site.box, base_dir)
    return findings


def _keys(site: Site, base_dir: Path) -> list[Finding]:
    """Who may read or write the private keys of the link and of the kiosks' pages."""
    links = [site.box.tls] if site.box is not None and site.box.tls is not None else []
    named = [
        *(tls.key_file or tls.cert_file for tls in links),
        *(kiosk.tls_key_file for kiosk in site.kiosks),
    ]
    return [finding for name in named if name is not None for finding in examine_private_key(base_dir / name)]


def opencv() -> Finding:
    """Exactly one version may own the `cv2` folder."""
    owners = {
        dist.metadata["Name"]: dist.version
        for dist in importlib.metadata.distributions()
        if dist.metadata["Name"].lower().replace("_", "-").startswith("opencv-")
    }
    named = ", ".join(f"{name} {version}" for name, version in sorted(owners.items()))
    if len(set(owners.values())) != 1:
        return bad(f"several OpenCV versions share one folder: {named}; keep one")
    return good(f"OpenCV {cv2.__version__} ({named})")


def _model(site: Site | None) -> Finding:
    name = DETECTOR if site is None else site.detector
    try:
        detector = load_detector(name)
    except BranchloopError as error:
        return bad(str(error))
    picture = np.full((576, 768, 3), 127, np.uint8)
    detector.detect(picture)
    begun_s = time.perf_counter()
    for _ in range(5):
        detector.detect(picture)
    each_ms = (time.perf_counter() - begun_s) / 5 * 1000
    return good(
        f"detector {name}: {each_ms:.0f} ms a picture, about {200 / each_ms:.0f} cameras a core",
    )


def _camera(camera: Camera, base_dir: Path, *, running: bool) -> Finding:
    try:
        source = resolve(camera, base_dir)
        if running and source.kind == "usb":
            return good(f"camera {camera.id}: {source.shown} is in use by the box, and was not opened")
        size_px = stream_size(source) if source.live else open_clip(Path(source.shown), camera.fps).size
    except BranchloopError as error:
        return bad(f"camera {camera.id}: {error}")
    if wrong := misfit(size_px, camera):
        return bad(f"camera {camera.id}: {wrong}")
    return good(f"camera {camera.id}: {source.shown} gives pictures")


def _unseen(site: Site) -> list[Finding]:
    """Lines and zones that lie beyond what all cameras see by their marks."""
    try:
        sights = {camera.id: sight_of(camera.calibration, site.plan) for camera in site.cameras}
    except BranchloopError as error:
        return [bad(str(error))]
    return [
        bad(f"{kind} {part}: no camera sees it, so nothing is counted there; draw it where one looks")
        for kind, part in Watch(site.plan, site.zones, site.lines, sights).unseen()
    ]


def _disk(base_dir: Path, site: Site) -> Finding:
    """Of the box's data directory, or where it will be."""
    folder = base_dir if site.box is None else base_dir / site.box.data_dir
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return bad(f"{folder} cannot be written ({error.strerror}); name another data_dir")
    free_gb = shutil.disk_usage(there).free / 1e9
    if free_gb * 1e9 < RESERVE_BYTES:
        return bad(
            f"{free_gb:.1f} GB free for {folder}: nothing can be kept; make room, or name another data_dir"
        )
    return Finding(
        state="good" if free_gb >= LEAST_FREE_GB else "warn", text=f"{free_gb:.1f} GB free for {folder}"
    )
