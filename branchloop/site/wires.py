"""The wires that range sensors speak on: what a `source` may name, and which two cannot be read at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations

_SOURCE = re.compile(
    r"log:.+|serial:[^@]+(@[1-9][0-9]{2,6})?|udp:[^\s]+:(?P<udp>[0-9]+)|mqtt:[^\s@/]+:(?P<mqtt>[0-9]+)/(?P<topic>\S+)"
)
LAST_PORT = 65_535


def sensor_source(source: str) -> str:
    """A sensor's `source` as it is. Raises ValueError for one that no box can read."""
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise ValueError(
            f"{source!r} is not a sensor source; write serial:DEVICE, serial:DEVICE@BAUD, udp:HOST:PORT, mqtt:HOST:PORT/TOPIC or log:FILE"
        )
    port = match["udp"] or match["mqtt"]
    if port is not None and not 1 <= int(port) <= LAST_PORT:
        raise ValueError(f"{source!r} names port {port}; a port is 1 to {LAST_PORT}")
    wildcard = re.search(r"[+#]", match["topic"] or "")
    if wildcard is not None:
        raise ValueError(
            f"{source!r} has the wildcard {wildcard[0]} in its topic, which mixes the readings of several sensors; write the topic of this one"
        )
    return source


def check_wires(sources: Mapping[str, str]) -> None:
    """Raises ValueError where two sensors (id -> source) are on a wire that only one can read, as one goes without then."""
    for (one, a), (other, b) in combinations(sources.items(), 2):
        if (wire := _shared(a, b)) is not None:
            raise ValueError(
                f"sensors {one!r} and {other!r} are both on {wire}, which one alone can read; give each its own"
            )


def _shared(a: str, b: str) -> str | None:
    """The wire that both want for themselves."""
    if a.startswith("serial:") and a.partition("@")[0] == b.partition("@")[0]:
        return a.partition("@")[0]
    if a.startswith("udp:") and b.startswith("udp:"):
        (host, _, port), (other, _, same) = (each.removeprefix("udp:").rpartition(":") for each in (a, b))
        hosts = {host.strip("[]"), other.strip("[]")}
        v4_alone = not any(":" in each for each in hosts)
        everywhere = "::" in hosts or ("0.0.0.0" in hosts and v4_alone)  # noqa: S104 - read, not bound
        if int(port) == int(same) and (len(hosts) == 1 or everywhere):
            return f"udp port {port}"
    return None
