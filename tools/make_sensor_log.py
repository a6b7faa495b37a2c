"""Make `sample_video/ultrasonic.csv`: a SIMULATED log of an ultrasonic sensor on a ceiling.

    python tools/make_sensor_log.py sample_video/ultrasonic.csv

No sensor recorded it. People of random height walk or stand under the cone now and then; the nearest
surface answers (head, shoulder at the cone's edge, else the floor) with noise and drop-outs. The same
seed gives the same file.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

RATE_HZ = 10
LENGTH_S = 114.0  # as long as the sample clip, so that both loop together
CEILING_M = 3.0
NOISE_M = 0.01
DROPOUT = 0.03
SHOULDER_BELOW_HEAD_M = 0.27
EDGE_S = 0.2  # time for which only a shoulder is in the cone, at either end of a passage


@dataclass(frozen=True)
class Passage:
    """Somebody under the sensor from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    height_m: float

    def top_m(self, t_s: float) -> float:
        """Height of what the sensor sees of this person, 0 when nothing."""
        if not self.start_s <= t_s < self.end_s:
            return 0.0
        edge = min(t_s - self.start_s, self.end_s - t_s) < EDGE_S
        return self.height_m - SHOULDER_BELOW_HEAD_M * edge


def passages(rng: random.Random) -> list[Passage]:
    """People one after another: most walk through in about a second, one in five stops for a while."""
    people: list[Passage] = []
    t_s = 3.0
    while t_s < LENGTH_S - 4:
        stay_s = rng.uniform(4, 11) if rng.random() < 0.2 else rng.uniform(0.8, 1.8)
        people.append(Passage(t_s, min(t_s + stay_s, LENGTH_S - 1), rng.gauss(1.69, 0.09)))
        t_s += stay_s + rng.uniform(0.8, 7.0)
    return people


def lines(seed: int) -> list[str]:
    """The whole file, line by line."""
    rng = random.Random(seed)
    people = passages(rng)
    text = [
        "# SIMULATED, not recorded: made by tools/make_sensor_log.py",
        f"# seed {seed}; ceiling sensor {CEILING_M:g} m above the floor, {RATE_HZ} Hz; {len(people)} people",
        f"# noise {NOISE_M * 100:g} cm, {DROPOUT:.0%} drop-outs; an empty range is a missing echo",
        "t_s,range_m",
    ]
    for index in range(round(LENGTH_S * RATE_HZ)):
        t_s = index / RATE_HZ
        top_m = max(person.top_m(t_s) for person in people)
        range_m = rng.gauss(CEILING_M - top_m, NOISE_M)
        lost = rng.random() < DROPOUT
        text.append(f"{t_s:.1f}," if lost else f"{t_s:.1f},{range_m:.3f}")
    return text


def main() -> None:
    """Write the log."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.write_text("\n".join(lines(arguments.seed)) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
