"""Notices of crossings, told at once and settled later: confirmed once, or withdrawn once, by their id."""

from __future__ import annotations

from collections.abc import Callable

from walkers import lab

from branchloop.site.site import Line
from branchloop.wire.messages import Notice
from edge.floor.accounts import Accounts
from edge.floor.fusion.people import SitePerson, Stretch
from edge.floor.person import Person
from edge.floor.windows import CameraQuality, no_sensors

FRAME_MS = 143
LATER_MS = 1_500
"""The settled path follows so long after."""
QUALITY = {"north": CameraQuality("up", 0.0)}

Path = Callable[[float], float]
"""Seconds -> metres behind the line."""


def walk(online: Path, settled: Path, until_s: float) -> tuple[list[Notice], int, list[str], list[str]]:
    """Notices of one walker as seen online, and how often windows count, confirm and withdraw by the settled path."""
    line = Line.model_validate({"id": "door", "from": [2.0, 4.0], "to": [8.0, 4.0], "inside": [5.0, 1.0]})
    site = lab().model_copy(update={"lines": [line]})
    accounts = Accounts(site, method="test", prefix="p")
    accounts.begin(0)
    notices: list[Notice] = []
    crossed, confirmed, withdrawn = 0, list[str](), list[str]()
    for t_ms in range(0, round(until_s * 1000), FRAME_MS):
        person = Person(1, (0, 0, 1, 1), (5.0, 4.0 - online(t_ms / 1000)), 0.05, 0.9)
        notices += accounts.online("north", t_ms, [person])
        from_ms = t_ms - LATER_MS
        if from_ms < 0:
            continue
        seen = Person(1, (0, 0, 1, 1), (5.0, 4.0 - settled(from_ms / 1000)), 0.05, 0.9)
        people = (SitePerson(1, seen.place_m, (("north", seen),)),)
        north = frozenset({"north"})
        accounts.enter([Stretch(from_ms, from_ms + FRAME_MS, people, north, north)])
        for window in accounts.close(from_ms + FRAME_MS, QUALITY, no_sensors):
            (told,) = window.lines
            crossed += told.in_ + told.out
            confirmed += told.confirmed
            withdrawn += told.withdrawn
    return notices, crossed, confirmed, withdrawn


def lingers(t_s: float) -> float:
    """Meets the line at 10 s, stands 10 cm behind it for five seconds, and walks on."""
    if t_s < 15:
        return min(0.1, max(-3.0, (t_s - 10) * 0.8))
    return min(3.0, 0.1 + (t_s - 15) * 0.8)


def test_who_lingers_beside_the_line_is_confirmed() -> None:
    """It is certain 5 s after the line was met, and no later in the settled path than it was online."""
    notices, crossed, confirmed, withdrawn = walk(lingers, lingers, 30)
    (notice,) = notices
    assert notice.seen_ms is not None
    assert notice.seen_ms - notice.at_ms > 4_500
    assert crossed == 1
    assert (confirmed, withdrawn) == ([notice.id], [])


def test_what_the_settled_path_does_not_know_is_withdrawn() -> None:
    """Once that path is 3 s past the moment at which it was told, and once only."""
    notices, crossed, confirmed, withdrawn = walk(lingers, lambda t_s: min(-0.2, lingers(t_s)), 30)
    (notice,) = notices
    assert crossed == 0
    assert (confirmed, withdrawn) == ([], [notice.id])
