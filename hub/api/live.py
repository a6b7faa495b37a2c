"""What is the case in a branch right now."""

from __future__ import annotations

from typing import Any

from branchloop.clock import bucket_start_ms, iso
from branchloop.kpis import duration_quantile_s
from branchloop.site import Site
from hub.api import figures
from hub.api.figures import figure
from hub.api.state import State, now_ms
from hub.store.reading import Reader

STALE_MS = 15_000
NOTICES = 20


def live(state: State, site: Site) -> dict[str, Any]:
    """The live page's facts: figures of the newest window and of today, lights, notices, dots."""
    now = now_ms()
    with Reader.open(state.data_dir) as reader:
        window = reader.latest(site.id)
        device = reader.device(site.id)
        notices = reader.notices(site.id, NOTICES)
        today_ms = bucket_start_ms(now, "day", site.zone_info)
        until_ms = now - now % 60_000 + 60_000
        sums = reader.sums(site, today_ms, until_ms)
        lines = reader.lines(site, today_ms, until_ms)
        zones = reader.zones(site, today_ms, until_ms)
        analysed = reader.cameras(site, today_ms, until_ms)
    end_ms = None if window is None else window["start_ms"] + 5_000 * window.get("slots", 1)
    day_coverage = figures.coverage(
        site,
        (today_ms, until_ms),
        now,
        observed_ms=sums.observed_ms,
        expected_ms=sums.expected_ms,
        open_observed_ms=sums.open_observed_ms,
    )
    measured = sums.observed_ms > 0
    entrances = [line.id for line in site.lines if line.entrance]
    went_in = sum(lines.get(line, (0, 0))[0] for line in entrances) if measured else None
    went_out = sum(lines.get(line, (0, 0))[1] for line in entrances) if measured else None
    dots = state.dots.of(site.id, now)
    return {
        "as_of": None if end_ms is None else iso(end_ms),
        "server_time": iso(now),
        "timezone": site.timezone,
        "stale": end_ms is None or now - end_ms > STALE_MS,
        "simulated": site.simulated,
        "occupancy": _occupancy(window, end_ms),
        "in_today": figure(went_in, "people", day_coverage, sums.last_ms),
        "out_today": figure(went_out, "people", day_coverage, sums.last_ms),
        "footfall_today": figure(went_in, "people", day_coverage, sums.last_ms),
        "lines": [
            {
                "id": line.id,
                "in": lines.get(line.id, (0, 0))[0] if measured else None,
                "out": lines.get(line.id, (0, 0))[1] if measured else None,
            }
            for line in site.lines
        ],
        "zones": [_zone(zone.id, window, end_ms, zones, measured=measured) for zone in site.zones],
        "cameras": _cameras(site, window, device, analysed),
        "sensors": _sensors(site, window, device),
        "device": _device(device),
        "notices": [
            {**{k: v for k, v in notice.items() if k != "at_ms"}, "at": iso(notice["at_ms"])}
            for notice in notices
        ],
        "dots": [[x / 1000, y / 1000] for x, y in dots.dots_mm] if dots else [],
        "dots_at": iso(dots.at_ms) if dots else None,
    }


def _occupancy(window: dict[str, Any] | None, end_ms: int | None) -> dict[str, object]:
    if window is None:
        return figure(None, "people", None, None)
    share = window["observed_ms"] / window["expected_ms"] if window["expected_ms"] else None
    return figure(window.get("people_end"), "people", share, end_ms)


def _zone(
    zone: str,
    window: dict[str, Any] | None,
    end_ms: int | None,
    today: dict[str, tuple[int, int, dict[int, int]]],
    *,
    measured: bool,
) -> dict[str, object]:
    found = next((z for z in (window or {}).get("zones", []) if z["zone"] == zone), None)
    people = None
    share = None
    if window is not None and found is not None and window["observed_ms"] > 0:
        duration_ms = 5_000 * window.get("slots", 1)
        share = window["observed_ms"] / window["expected_ms"]
        people = figures.mean_people(
            found["person_ms"], duration_ms, window["observed_ms"], window["expected_ms"]
        )
    _, visits, bins = today.get(zone, (0, 0, {}))
    return {
        "id": zone,
        "occupancy": figure(people, "people", share, end_ms),
        "visits_today": visits if measured else None,
        "dwell_median_s": duration_quantile_s(bins, 0.5),
        "dwell_p90_s": duration_quantile_s(bins, 0.9),
    }


def _cameras(
    site: Site,
    window: dict[str, Any] | None,
    device: tuple[bool | None, int, dict[str, Any]] | None,
    analysed: dict[str, tuple[int, int, int]],
) -> list[dict[str, object]]:
    lights = _lights(device, "cameras")
    seen = {camera["camera"]: camera for camera in (window or {}).get("cameras", [])}
    duration_ms = 5_000 * (window or {}).get("slots", 1)
    return [
        {
            "id": camera.id,
            "state": lights.get(camera.id, ("unknown", None))[0],
            "since": lights.get(camera.id, ("unknown", None))[1],
            "coverage": seen[camera.id]["observed_ms"] / duration_ms if camera.id in seen else None,
            "calibration_residual_mm": seen.get(camera.id, {}).get("calibration_residual_mm"),
            "calibration_age_days": seen.get(camera.id, {}).get("calibration_age_days"),
            "frames_analysed": analysed[camera.id][2] if camera.id in analysed else None,
        }
        for camera in site.cameras
    ]


def _sensors(
    site: Site,
    window: dict[str, Any] | None,
    device: tuple[bool | None, int, dict[str, Any]] | None,
) -> list[dict[str, object]]:
    lights = _lights(device, "sensors")
    seen = {sensor["sensor"]: sensor for sensor in (window or {}).get("sensors", [])}
    duration_ms = 5_000 * (window or {}).get("slots", 1)
    found: list[dict[str, object]] = []
    for sensor in site.sensors:
        read = seen.get(sensor.id, {})
        observed_ms, present_ms = read.get("observed_ms"), read.get("present_ms")
        found.append(
            {
                "id": sensor.id,
                "state": lights.get(sensor.id, ("unknown", None))[0],
                "since": lights.get(sensor.id, ("unknown", None))[1],
                "nearest_mm": read.get("nearest_mm"),
                "mean_mm": round(read["sum_mm"] / read["valid"]) if read.get("valid") else None,
                "present": present_ms * 2 >= observed_ms if observed_ms and present_ms is not None else None,
                "coverage": min(1.0, observed_ms / duration_ms) if observed_ms is not None else None,
            }
        )
    return found


def _lights(
    device: tuple[bool | None, int, dict[str, Any]] | None, kind: str
) -> dict[str, tuple[str, str | None]]:
    """State by id; nothing is known of the lights of a box that is offline."""
    if device is None or not device[0]:
        return {}
    return {light["id"]: (light["state"], iso(light["since_ms"])) for light in device[2].get(kind, [])}


def _device(device: tuple[bool | None, int, dict[str, Any]] | None) -> dict[str, object] | None:
    if device is None:
        return None
    online, heard_ms, status = device
    return {
        "online": bool(online),
        "last_seen": iso(heard_ms),
        "version": status.get("version"),
        "config_version": status.get("config_version"),
        "outbox_depth": status.get("outbox_depth"),
    }
