"""Cameras and sensors as lights, and what happened to them as notices: what their box says, in words. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from branchloop.text import devices as text_devices
from branchloop.text.catalogue import Language, say
from dashboard import tiles
from dashboard.evidence import apart, percent
from dashboard.plan import named


def device_names(branch: Mapping[str, Any], spoken: Language) -> dict[str, str]:
    """Names of cameras and sensors by id."""
    return {part["id"]: named(part, spoken) for part in (*branch["cameras"], *branch["sensors"])}


def lights(branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language) -> list[str]:
    """One light for the box and for every camera and sensor."""
    device = live["device"]
    online = bool(device and device["online"])
    shape, tone = ("●", "good") if online else ("○", "bad")
    rows = [
        f'<div class="bl-light"><span class="bl-{tone}" aria-hidden="true">{shape}</span> '
        f"{escape(say('box.online' if online else 'box.offline', spoken))}</div>"
    ]
    rows.append(f'<div class="bl-light">{summary(live, spoken)}</div>')
    names = device_names(branch, spoken)
    at_odds = disagreeing(live)
    for camera in live["cameras"]:
        coverage = None if live["stale"] else camera.get("coverage")
        detail = "" if coverage is None else say("coverage.value", spoken, value=percent(coverage))
        rows.append(
            tiles.light(
                names.get(camera["id"], camera["id"]), camera["state"], spoken, detail, camera["fault"],
                doubt=_disagrees(at_odds.get(camera["id"], ()), names, spoken), why=_why(camera, names, spoken),
            )
        )  # fmt: skip
    for pair in live["pairs"]:
        told = {**pair, "part": "pair", "subject": f"{pair['first']}/{pair['second']}", "seconds": None}
        shape, tone = tiles.FAULTY
        rows.append(
            f'<div class="bl-light"><span class="bl-{tone}" aria-hidden="true">{shape}</span> '
            f"{escape(tiles.fault_words(told, names, spoken))} "
            f'<span class="bl-note">{escape(apart(pair, spoken))}</span></div>'
        )
    return rows + [
        tiles.light(
            names.get(sensor["id"], sensor["id"]),
            sensor["state"],
            spoken,
            "" if live["stale"] else _reading(sensor, spoken),
            sensor["fault"],
            why=_why(sensor, names, spoken),
        )
        for sensor in live["sensors"]
    ]


def disagreeing(live: Mapping[str, Any]) -> dict[str, list[str]]:
    """Camera -> the cameras that it does not fit together with."""
    found: dict[str, list[str]] = {}
    for pair in live["pairs"]:
        found.setdefault(pair["first"], []).append(pair["second"])
        found.setdefault(pair["second"], []).append(pair["first"])
    return found


def _disagrees(others: Collection[str], names: Mapping[str, str], spoken: Language) -> str:
    if not others:
        return ""
    told = tiles.SEPARATOR[spoken].join(names.get(other, other) for other in others)
    return say("light.pair", spoken, other=told)


def _why(device: Mapping[str, Any], names: Mapping[str, str], spoken: Language) -> str:
    """What the box says of a camera or sensor that is not as it should be."""
    fine = device["fault"] is None and device["state"] == "up"
    return "" if fine or not device["detail"] else text_devices.told(device["detail"], spoken, names)


def summary(live: Mapping[str, Any], spoken: Language) -> str:
    """How many devices work, how many are in another state, and how many of them have a fault right now."""
    parts = []
    for kind in ("cameras", "sensors"):
        for state, (shape, tone) in tiles.LIGHTS.items():
            count = sum(device["state"] == state for device in live[kind])
            if not count:
                continue
            words = say(f"devices.{kind}.one" if count == 1 else f"devices.{kind}", spoken, value=count)
            if state != "up":
                words = say("devices.state", spoken, devices=words, state=say(f"state.{state}", spoken))
            parts.append(f'<span class="bl-{tone}" aria-hidden="true">{shape}</span> {escape(words)}')
    at_odds = disagreeing(live)
    faulty = sum(
        device["fault"] is not None or (kind == "cameras" and device["id"] in at_odds)
        for kind in ("cameras", "sensors")
        for device in live[kind]
    )
    if faulty:
        shape, tone = tiles.FAULTY
        words = escape(say("devices.tainted", spoken, value=faulty))
        parts.append(f'<span class="bl-{tone}" aria-hidden="true">{shape}</span> {words}')
    return " &nbsp; ".join(parts)


def _reading(sensor: Mapping[str, Any], spoken: Language) -> str:
    parts = []
    if sensor["nearest_mm"] is not None:
        parts.append(say("sensor.range", spoken, value=f"{sensor['nearest_mm'] / 1000:.2f}"))
    if sensor["present"] is not None:
        parts.append(_presence(sensor, spoken))
    return " · ".join(parts)


def _presence(sensor: Mapping[str, Any], spoken: Language) -> str:
    present_s, observed_s = sensor.get("present_s"), sensor.get("observed_s")  # an older hub tells neither
    if present_s is None or observed_s is None or present_s in {0, observed_s}:
        return say("sensor.present" if sensor["present"] else "sensor.clear", spoken)
    return say("sensor.at_times", spoken, value=_seconds(max(0.1, present_s)), whole=_seconds(observed_s))


def _seconds(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def notices(
    branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language, zone: ZoneInfo, most: int = 8
) -> str:
    """The last things that happened, newest first; what was withdrawn is struck out."""
    names = {  # by kind: a line and a camera may share an id
        kind: {part["id"]: named(part, spoken) for part in branch[f"{kind}s"]}
        for kind in ("line", "camera", "sensor")
    }
    rows = []
    for notice in live["notices"][:most]:
        words = say(
            f"notice.{notice['what']}",
            spoken,
            line=names["line"].get(notice["line"], notice["line"]),
            direction=say(notice["direction"], spoken) if notice["direction"] else "",
            subject=names.get(notice["what"], {}).get(notice["subject"], notice["subject"]),
            state=_became(notice, device_names(branch, spoken), spoken),
        )
        tag = "s" if notice["fate"] == "withdrawn" else "span"
        rows.append(
            f'<div class="bl-light"><span class="bl-note">{tiles.clock(notice["at"], zone, live.get("server_time"))}</span> '
            f"<{tag}>{escape(words)}</{tag}></div>"
        )
    return "".join(rows) or f'<div class="bl-note">{escape(say("notices.none", spoken))}</div>'


def _became(notice: Mapping[str, Any], names: Mapping[str, str], spoken: Language) -> str:
    """What became of a camera or sensor, with what its box says: of one that is up this alone is the news."""
    if not notice["state"]:
        return ""
    state = say(f"state.{notice['state']}", spoken)
    why = text_devices.told(notice["detail"], spoken, names) if notice["detail"] else ""
    if not why:
        return state
    return why if notice["state"] == "up" else say("notice.why", spoken, state=state, why=why)
