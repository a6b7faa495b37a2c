"""What a branch's box says of itself, its cameras and its sensors, while it is heard of: the same on every page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from branchloop.clock import ALARM_AGE_MS, iso
from hub.api.models import answers as models
from hub.api.newest import Newest

Device = tuple[bool | None, int, dict[str, Any]]
"""(online, last heard of, last status)."""


@dataclass(frozen=True, slots=True)
class Lamp:
    """The light of a camera or sensor; `detail` is what the box says of it."""

    state: models.Light = "unknown"
    since: str | None = None
    fault: str | None = None
    detail: str | None = None


DARK = Lamp()


def said(device: Device | None, now_ms: int) -> dict[str, Any]:
    """The last status; nothing is known of the lights of a box that is offline, or silent for long."""
    if device is None or not device[0] or now_ms - device[1] >= ALARM_AGE_MS:
        return {}
    return device[2]


def lamps(device: Device | None, newest: Newest, now_ms: int) -> Mapping[tuple[str, str], Lamp]:
    """("camera" or "sensor", its id) -> its light: by the status, with the fault of a window of now where that alone has one."""
    status = said(device, now_ms)
    young = newest.end_ms is not None and now_ms - newest.end_ms < ALARM_AGE_MS
    found = {}
    for part in ("camera", "sensor"):
        seen = newest.by_id(f"{part}s", part) if young else {}
        for light in status.get(f"{part}s", []):
            fault, detail = light.get("fault"), light.get("detail")
            if not fault and (counted := seen.get(light["id"], {}).get("fault")):
                fault, detail = counted, None  # said of another state
            found[part, light["id"]] = Lamp(light["state"], iso(light["since_ms"]), fault, detail)
    return found


def told(device: Device | None) -> models.Device | None:
    """The box as answered; null where none was ever heard of."""
    if device is None:
        return None
    online, heard_ms, status = device
    return models.Device(
        online=bool(online),
        last_seen=iso(heard_ms),
        version=status.get("version"),
        config_version=status.get("config_version"),
        outbox_depth=status.get("outbox_depth"),
    )
