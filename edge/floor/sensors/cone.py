"""What an ultrasonic sensor under the ceiling hears: the first echo out of a cone that looks straight down.

Somebody beside the axis enters the cone with the shoulder or the hip instead of the head, so the first echo tells
how far from the axis that person stands, but not on which side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from branchloop.site.site import Plan, Sensor
from edge.floor.sight import cell_centres

Array = NDArray[np.float64]

PERSON_M = 1.7
BODY_M = 0.2
"""Radius of somebody who stands."""
HIP_M = 0.9
"""Below this a pair of legs gives no echo that can be told from the floor's."""
FLOOR_M = 0.3
"""An echo this much short of the floor's is still the floor's: a bag, a threshold, warm air."""
SIGMA_M = 0.12
"""People's heights and the sensor's own noise, along the range."""


def first_echo_m(apart_m: Array, height_m: float, cone_deg: float) -> Array:
    """Range of the first echo of a person whose middle stands `apart_m` from the axis; inf outside the cone."""
    edge_m = np.maximum(np.asarray(apart_m, dtype=np.float64) - BODY_M, 0.0)
    deep_m = np.maximum(height_m - PERSON_M, edge_m / np.tan(np.deg2rad(cone_deg) / 2))
    return np.where(deep_m <= height_m - HIP_M, np.hypot(edge_m, deep_m), np.inf)


@dataclass(frozen=True, slots=True)
class Cone:
    """The cells (m) of the plan on which one sensor can hear a person, and at which range (m)."""

    sensor: str
    cells: NDArray[np.int64]
    echo_m: Array
    floor_m: float
    hears_floor: bool
    """Whether the floor itself is in range; if not, no echo means nobody."""

    def evidence(self, range_m: float | None, expected: Array) -> Array | None:
        """Probability (m,) that each cell is taken, given one reading and the persons expected per cell before it.

        None where the reading says nothing. The first echo is one person's, who stands at that range: what is
        nearer is free, what is farther stays as expected.
        """
        if range_m is None:
            return None if self.hears_floor else expected * MISSED
        if range_m >= self.floor_m - FLOOR_M:
            return expected * MISSED
        likely = np.exp(-0.5 * ((self.echo_m - range_m) / SIGMA_M) ** 2)
        share = expected * likely
        total = share.sum() + STRAY
        behind = np.where(self.echo_m > range_m, 1.0, MISSED)
        return np.asarray(share / total + expected * (1 - likely) * behind)


MISSED = 0.05
"""Share of the people in a cone whom a single reading misses."""
STRAY = 1e-4
"""Weight of an echo that is nobody's."""


def cone_of(sensor: Sensor, plan: Plan) -> Cone | None:
    """The cone of a sensor on the plan; None for one that hangs too low to place people."""
    if not sensor.looks_down:
        return None
    centres = cell_centres(plan)
    apart = np.hypot(centres[:, 0] - sensor.x_m, centres[:, 1] - sensor.y_m)
    echo = first_echo_m(apart, sensor.height_m, sensor.cone_deg)
    cells = np.flatnonzero(echo <= sensor.range_m)
    return Cone(sensor.id, cells, echo[cells], sensor.height_m, sensor.range_m >= sensor.height_m)


def cells_near(cone: Cone, plan: Plan, margin_m: float) -> NDArray[np.int64]:
    """The cells of a cone and those within `margin_m` of them."""
    own = np.zeros((plan.rows, plan.cols), dtype=np.bool_)
    own.reshape(-1)[cone.cells] = True
    steps = round(margin_m / plan.cell_m)
    grown = binary_dilation(own, iterations=steps) if steps else own
    return np.flatnonzero(grown)
