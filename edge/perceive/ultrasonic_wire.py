"""What ultrasonic sensors say on a wire, byte by byte: ASCII range finders and JSON lines. Pure.

- `R1234` ended by CR, LF or both (MaxBotix and its kin): the range in the sensor's unit; `R` alone, or
  its largest value repeated by the sensor for "no target", is up to `range_m` of the site file.
- `{"range_mm": 1234}` or `{"range_m": 1.234}`, null for no echo; other fields do not matter.

Whatever else comes (line noise, half a line after plugging in, another program's bytes) is counted as
unreadable and skipped: the next line end brings the reader back into step.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from edge.perceive.ultrasonic import FARTHEST_M

Unit = Literal["mm", "cm", "inch"]
METRES: dict[Unit, float] = {"mm": 0.001, "cm": 0.01, "inch": 0.0254}
MAX_LINE = 200
_ASCII = re.compile(rb"R([0-9]{0,5})")


class LineReader:
    """Cuts a stream of bytes into readings."""

    def __init__(self, unit: Unit = "mm") -> None:
        self.unreadable = 0
        """Lines that were no reading, since the last one that was."""
        self.garbage = 0
        """Lines that were no reading, ever."""
        self.kept = 0
        """Messages that a broker had kept from before, since the last reading."""
        self._metres = METRES[unit]
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[float | None]:
        """The readings that `data` completes: metres, or None for no echo."""
        *lines, self._rest = re.split(rb"[\r\n]+", self._rest + data)
        readings: list[float | None] = []
        for line in lines:
            skip, self._skipping = self._skipping, False
            if skip or not line.strip():
                continue
            self._take(line.strip(), readings)
        if len(self._rest) > MAX_LINE:  # no line end for so long is noise
            self._rest, self._skipping = b"", True
            self._spoil()
        return readings

    def whole(self, datagram: bytes) -> list[float | None]:
        """The readings of a datagram: it never goes on in the next one."""
        self.restart()
        return self.feed(datagram[:65_536] + b"\n")

    def restart(self) -> None:
        """A port was opened anew: what an unplugged one left half said is not gone on with."""
        self._rest, self._skipping = b"", False

    def _take(self, line: bytes, readings: list[float | None]) -> None:
        try:
            readings.append(_json(line) if line.startswith(b"{") else self._ascii(line))
            self.unreadable = self.kept = 0
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            self._spoil()

    def _spoil(self) -> None:
        self.unreadable += 1
        self.garbage += 1

    def _ascii(self, line: bytes) -> float | None:
        match = _ASCII.fullmatch(line)
        if match is None:
            raise ValueError(line)
        return int(match[1]) * self._metres if match[1] else None


def _json(line: bytes) -> float | None:
    said = json.loads(line)
    value = said["range_mm"] if "range_mm" in said else said["range_m"]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(line)
    range_m = value / 1000 if "range_mm" in said else float(value)
    if not 0 <= range_m <= FARTHEST_M:  # nor is NaN
        raise ValueError(line)
    return range_m
