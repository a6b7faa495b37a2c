"""What a camera's faults are called, and what of a moved view is told in metres."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from branchloop.site.site import Camera, Plan, Site
from branchloop.wire.messages import CameraFault
from edge.floor.calibration import FloorCalibration, calibrate
from edge.perceive.health import Event
from edge.perceive.integrity import BLIND
from edge.perceive.viewpoint import Motion

SAID: dict[CameraFault, str] = {
    "covered": "covered: the picture shows nothing. Look at the lens and the light.",
    "blurred": "blurred: the picture has lost its detail. Clean the lens or focus it; or it shows another place: "
    "are two cameras swapped?",
    "frozen": "frozen: the very same picture for a minute. Restart the camera.",
    "looped": "looped: a recording is shown again and again. Look at who feeds this camera's stream.",
}


def judged(fault: CameraFault | None, t_ms: int, moved: str = "") -> Event:
    """The event of a fault that came or went. A camera whose pictures show nothing observes nothing: stalled.

    `moved` says how far, of a moved camera, which goes on counting.
    """
    if fault is None:
        return Event("state", t_ms, state="up", detail="the picture is well again")
    if fault in BLIND:
        return Event("state", t_ms, state="stalled", detail=SAID[fault], fault=fault)
    return Event("state", t_ms, state="up", detail=moved, fault=fault)


def misfit(size_px: tuple[int, int], camera: Camera) -> str:
    """What is wrong with pictures of this width and height: people would be placed where they are not; empty if nothing is."""
    wide, high = camera.calibration.picture_px
    if size_px == (wide, high):
        return ""
    return (
        f"its pictures are {size_px[0]}×{size_px[1]} px, its marks are of {wide}×{high} px. "
        "Set the stream to that size, or calibrate it anew."
    )


def said_moved(motion: Motion, camera: Camera, plan: Plan) -> str:
    """How far a camera's view has moved, in the picture and on the floor, and what to do."""
    if not motion.found:
        return (
            "moved: this is not the view that was calibrated. Are two cameras swapped, or is the picture upside down "
            "or mirrored? Put it back, or calibrate it anew."
        )
    width = camera.calibration.picture_px[0]
    parts = [f"{np.hypot(motion.right, motion.down) * width:.0f} px"]
    if motion.turn_deg:
        parts.append(f"turned by {abs(motion.turn_deg):.0f}°")
    if motion.scale != 1:
        parts.append(f"zoomed by {abs(motion.scale - 1) * 100:.0f} %")
    off_m = floor_error_m(motion, camera, plan)
    if off_m is not None:
        parts.append(f"about {off_m:.1f} m on the floor")
    return f"moved: the view is off by {', '.join(parts)}. Put the camera back, or calibrate it anew."


def floor_error_m(motion: Motion, camera: Camera, plan: Plan) -> float | None:
    """By how much people are placed wrongly on the plan, in the median; None when that cannot be told."""
    marks = camera.calibration
    fitted: FloorCalibration = calibrate(marks.points, marks.picture_px, marks.distortion, marks.focal_px)
    width, height = marks.picture_px
    xs, ys = np.meshgrid(np.linspace(0.05, 0.95, 19) * width, np.linspace(0.05, 0.95, 19) * height)
    points = np.stack([xs.ravel(), ys.ravel()], axis=1)
    place = fitted.to_floor(points)
    on_plan = (place >= 0).all(axis=1) & (place <= [plan.width_m, plan.height_m]).all(axis=1)
    now = fitted.to_floor(motion.move(points[on_plan], (width, height)))
    off_m = np.linalg.norm(now - place[on_plan], axis=1)
    off_m = off_m[np.isfinite(off_m)]
    return float(np.median(off_m)) if len(off_m) >= 5 else None


def view_file(site: Site, camera: Camera, base_dir: Path) -> Path | None:
    """Where the view of this very calibration is kept; None for a site without a box."""
    if site.box is None:
        return None
    digest = hashlib.sha256(camera.calibration.model_dump_json().encode()).hexdigest()[:12]
    return base_dir / site.box.data_dir / "views" / f"{camera.id}-{digest}.npz"
