"""Whether a range sensor is heard, what it says can be, and what to look at where it is not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from branchloop.doctor_finding import Finding, bad, good, warn
from branchloop.errors import BranchloopError
from branchloop.site.site import Sensor
from edge.perceive.health import Event
from edge.perceive.ultrasonic import NEAREST_M, SILENT_S, Reading
from edge.perceive.ultrasonic_fault import BEYOND_M, TALLEST_M
from edge.perceive.ultrasonic_live import LiveSensor, serial_device
from edge.perceive.ultrasonic_log import read_log

DOWN: Mapping[str, str] = {
    "serial": "Is it there, this user's, and in no other program's hands?",
    "udp": "Is the host in `source` an address of this machine, and the port in no other program's hands?",
    "mqtt": "Is a broker at the host and port in `source`, and does the variable that `credential_env` names hold a user:password that it lets in?",
}
SILENT: Mapping[str, str] = {
    "serial": "Check cable, baud rate and unit.",
    "udp": "Does it send to the host and port in `source`, and does no firewall keep it out?",
    "mqtt": "Does it publish under the topic in `source`, and may this login read it?",
}
UNREADABLE = 'It has to send R1234 or {"range_mm": 1234}.'


def examine_sensor(sensor: Sensor, base_dir: Path, *, running: bool) -> Finding:
    """A live one is left to the box that runs."""
    if not sensor.source.startswith("log:"):
        if running:
            if (device := serial_device(sensor.source)) is not None and not Path(device).exists():
                return bad(f"sensor {sensor.id}: {device} is not there. Is it unplugged?")
            return good(f"sensor {sensor.id}: {sensor.source} is in use by the box, and was not opened")
        return _live(sensor)
    try:
        log = read_log(base_dir / sensor.source.removeprefix("log:"))
    except BranchloopError as error:
        return bad(f"sensor {sensor.id}: {error}")
    return good(f"sensor {sensor.id}: {len(log)} readings")


def _live(sensor: Sensor) -> Finding:
    """Listens for as long as a sensor may be silent, or until it says what can be."""
    live, wire = LiveSensor(sensor), sensor.source.partition(":")[0]
    until_s = time.monotonic() + SILENT_S + 1.0
    reading: Reading | None = None
    broken: Event | None = None
    while time.monotonic() < until_s and broken is None:
        heard = live.next(0.2)
        if isinstance(heard, Reading):
            reading = heard
            if _possible(sensor, heard.range_m):
                break
        elif heard is not None and heard.state in {"down", "stalled"}:
            broken = heard
    live.close()
    if reading is not None:
        return _heard(sensor, reading.range_m)
    if broken is not None and broken.state == "down":
        return bad(f"sensor {sensor.id}: {broken.detail}. {DOWN[wire]}")
    reason = broken.detail if broken is not None else "no reading came"
    remedy = UNREADABLE if live.garbage and wire != "serial" else SILENT[wire]
    return bad(f"sensor {sensor.id}: {reason}. {remedy}")


def _heard(sensor: Sensor, range_m: float | None) -> Finding:
    shown = "no echo" if range_m is None else f"{range_m:.2f} m"
    said = f"sensor {sensor.id}: {sensor.source} says {shown}"
    if _possible(sensor, range_m):
        return good(said)
    return warn(f"{said}, which cannot be {sensor.height_m:g} m up. Is `unit` right, and `height_m`?")


def _possible(sensor: Sensor, range_m: float | None) -> bool:
    """Whether a sensor under the ceiling can hear floor or head there; of one that looks across a counter nothing is known.

    One that does not reach the floor may say its largest range where nobody is, and one that rings says next to nothing.
    """
    if range_m is None or range_m < NEAREST_M or not sensor.looks_down:
        return True
    if range_m > sensor.height_m + BEYOND_M:
        return sensor.range_m < sensor.height_m
    return range_m >= sensor.height_m - TALLEST_M
