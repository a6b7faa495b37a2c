"""The floor of the simulated branch, in metres: x to the right, y down, the origin at the top-left corner.

A door with a porch at the bottom, a ticket machine, a standing line, four teller counters along the
top, two cash machines in the corner at the right, an adviser's desk, waiting seats at the left. Walls,
door and zones are those of `configs/simulated.toml`; the rest is where people stand, sit and walk.
"""

from __future__ import annotations

Point = tuple[float, float]
Rect = tuple[float, float, float, float]

SITE = "river-street"
TIMEZONE = "Asia/Shanghai"
WIDTH_M, HEIGHT_M = 12.0, 9.0
WALLS: tuple[tuple[Point, ...], ...] = (
    ((5.1, 9.0), (5.1, 7.8), (0.0, 7.8), (0.0, 0.0), (12.0, 0.0), (12.0, 7.8), (6.9, 7.8), (6.9, 9.0)),
    ((0.0, 1.4), (8.3, 1.4), (8.3, 0.0)),
    ((9.3, 0.0), (9.3, 1.7), (12.0, 1.7)),
    ((12.0, 4.6), (11.5, 4.6), (11.5, 7.2), (12.0, 7.2)),
    ((4.3, 7.8), (4.3, 7.5), (4.9, 7.5), (4.9, 7.8)),
    ((0.5, 7.8), (0.5, 7.4), (3.9, 7.4), (3.9, 7.8)),
    ((0.0, 3.5), (0.45, 3.5), (0.45, 6.7), (0.0, 6.7)),
)
DOOR: tuple[Point, Point] = ((5.1, 7.8), (6.9, 7.8))
DOOR_INSIDE: Point = (6.0, 6.8)
ZONES: dict[str, tuple[str, tuple[Point, ...]]] = {
    "queue": ("queue", ((1.7, 2.9), (6.8, 2.9), (6.8, 5.1), (1.7, 5.1))),
    "tellers": ("counter", ((0.7, 1.4), (7.7, 1.4), (7.7, 2.4), (0.7, 2.4))),
    "atm": ("self-service", ((10.3, 4.4), (11.5, 4.4), (11.5, 7.2), (10.3, 7.2))),
    "desk": ("desk", ((9.3, 1.7), (12.0, 1.7), (12.0, 2.9), (9.3, 2.9))),
    "seats": ("waiting", ((0.0, 3.4), (1.2, 3.4), (1.2, 6.7), (4.0, 6.7), (4.0, 7.8), (0.0, 7.8))),
}

BLOCKS: tuple[Rect, ...] = (  # x0, y0, x1, y1 of what nobody walks through
    (-9.0, -9.0, 8.3, 1.4),
    (9.3, -9.0, 21.0, 1.7),
    (11.5, 4.6, 21.0, 7.2),
    (4.3, 7.5, 4.9, 12.0),
    (-9.0, 7.4, 3.9, 12.0),
    (-9.0, 3.5, 0.45, 6.7),
    (-9.0, 7.8, 5.1, 12.0),
    (6.9, 7.8, 21.0, 12.0),
    (-9.0, -9.0, 0.0, 21.0),
    (12.0, -9.0, 21.0, 21.0),
    (-9.0, -9.0, 21.0, 0.0),
)
LINE_AREA: Rect = (1.8, 3.0, 6.6, 5.0)  # passers-by go round the standing line
WAYPOINTS: tuple[Point, ...] = (
    (7.3, 2.5), (1.3, 2.6), (1.4, 5.4), (4.2, 5.5), (7.2, 5.3), (6.0, 6.4), (8.6, 3.0), (5.2, 6.9), (8.2, 6.6),
)  # fmt: skip

TELLER_SPOTS: tuple[Point, ...] = ((1.6, 1.85), (3.3, 1.85), (5.0, 1.85), (6.7, 1.85))
TELLER_ORDER = (2, 1, 3, 0)  # counters are opened in this order
ATM_SPOTS: tuple[Point, ...] = ((11.1, 5.2), (11.1, 6.5))
DESK_SPOTS: tuple[Point, ...] = ((10.6, 2.15),)
TICKET_SPOTS: tuple[Point, ...] = ((4.6, 7.05),)
SLOT_M = 0.7
LINE_SLOTS: tuple[Point, ...] = tuple(
    (6.3 - SLOT_M * (i if row % 2 == 0 else 6 - i), 3.3 + SLOT_M * row) for row in range(3) for i in range(7)
)
ATM_SLOTS: tuple[Point, ...] = tuple((9.9 - SLOT_M * i, 5.85) for i in range(4))
DESK_SLOTS: tuple[Point, ...] = ((9.4, 3.6), (10.1, 3.6))
TICKET_SLOTS: tuple[Point, ...] = tuple((5.1 + 0.55 * i, 6.55 - 0.43 * i) for i in range(4))
SEAT_FRONT: dict[Point, Point] = {  # a seat, and the place in its aisle from which it is reached
    **{(0.75, 3.8 + 0.65 * i): (1.35, 3.8 + 0.65 * i) for i in range(5)},
    **{(1.6 + 0.65 * i, 7.1): (1.6 + 0.65 * i, 6.45) for i in range(4)},
}
STREET_Y_M = 9.9  # visitors appear and vanish beyond the lower edge of the plan
