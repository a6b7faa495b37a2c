"""What each camera and each sensor is worth: everybody counted once, and heat while a camera is out.

    python tests/bench/bench_fusion.py [--minutes 60] [--seed 5] [--people 20] [--crowd-seed 1] [--only fusion|outage]

All of it is simulated (tests/hall.py, tests/sonar.py): rendered geometry, walkers and noise, no pictures. First table:
the share of the truth's person-moments that are found under their person's own id, and person-seconds counted
over true ones. Second: a camera is out for 20 % of the time; correlation of heat with the truth over the outage in
0.5 m cells (of all outages together, and of each by itself), its mass, and what was filled as a share of the true
person-seconds on the floor that was to be filled (`known`: what only the camera that is out sees, or a sensor hears), with
seven sensors and without; then without each one of them, and with other layouts of sensors. Of each sensor also the
error of the heat on the floor that it hears, with it and without it: person-seconds too many or too few, cell by cell.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from hall import Eye, Moments, corner_eyes, id_score, run, streams, three_eyes, truth_person_s, walkers
from sonar import EYES, SPOTS, Outcome, hears, listen, morning, play, sensors

LAYOUTS = {
    "seven, 0.4 m aside": {name: (x + 0.35, y + 0.2) for name, (x, y) in SPOTS.items()},
    "four over the tellers": {name: at for name, at in SPOTS.items() if name.startswith("t")},
    "three along the line": {name: at for name, at in SPOTS.items() if name.startswith("q")},
    "three, sparse": {"a": (2.4, 2.0), "b": (5.8, 2.0), "c": (4.0, 3.6)},
    "eight in a grid": {f"g{i}{j}": (1.2 + 2.0 * i, 1.9 + 1.6 * j) for i in range(4) for j in range(2)},
}


def fusion_row(name: str, eyes: list[Eye], moments: Moments) -> None:
    """One line: how well these cameras together know who is where."""
    done = run(eyes, moments)
    share, extra = id_score(done, moments)
    told = [
        f"{'/'.join(a.cameras)} {a.disagreement_m:.2f} m {a.clock_offset_s or 0:+.2f} s"
        for a in done.floor.agreements()
        if a.disagreement_m is not None
    ]
    print(
        f"{name:<28}{share:>8.3f}{done.person_s() / truth_person_s(moments):>8.3f}{extra:>7}  {'; '.join(told[:2])}"
    )


def fusion(people: int, seed: int) -> None:
    """The table of cameras."""
    moments = walkers(people, 3.0 * people, seed)
    eyes = corner_eyes(4)
    north, south = eyes[:2]
    print(
        f"{people} walkers, {3 * people} s\n{'cameras':<28}{'own id':>8}{'mass':>8}{'ids+':>7}  disagreement, clock"
    )
    three = three_eyes()
    fusion_row("three, little shared", three, moments)
    for eye in three:
        fusion_row(f"without {eye.id}", [other for other in three if other is not eye], moments)
    fusion_row("four, all shared", eyes, moments)
    fusion_row("three of them", eyes[:3], moments)
    fusion_row("two", eyes[:2], moments)
    fusion_row("one", eyes[:1], moments)
    fusion_row("two, 5 and 25 fps", [north, replace(south, fps=25.0)], moments)
    fusion_row("two, clocks 0.5 s apart", [north, replace(south, clock_s=0.5)], moments)
    fusion_row("two, calibration 0.5 m off", [north, replace(south, bias_m=(0.4, -0.3))], moments)
    fusion_row("two, 40 % drop-out", corner_eyes(2, drop=0.4), moments)
    fusion_row("two, clocks 10 s apart", [north, replace(south, clock_s=10.0)], moments)
    fusion_row("two, one bumped by 5 deg", [north, replace(south, turned_deg=5.0)], moments)
    crowd = streams(2 * people, 40.0, seed)
    print(f"{2 * people} people in four streams through each other, 40 s")
    fusion_row("three, little shared", three, crowd)
    fusion_row("four, all shared", eyes, crowd)
    fusion_row("two", eyes[:2], crowd)
    fusion_row("three, who hides is missed", [replace(eye, hides=True) for eye in three], crowd)
    fusion_row("four, who hides is missed", corner_eyes(4, hides=True), crowd)
    fusion_row("two, who hides is missed", corner_eyes(2, hides=True), crowd)


def outage(minutes: int, seed: int) -> None:
    """The table of sensors."""
    day = morning(minutes, seed)
    heard = sensors()
    said = listen(day, heard)
    whole = play(day, heard=heard, said=said)
    print(f"\n{minutes} min of the simulated branch, camera `tellers` out for 20 %")
    print(f"{'':<28}{'r':>8}{'r each':>8}{'mass':>8}{'known':>8}  error on its floor")
    alone = (whole.r(filled=False), whole.r_each(filled=False), whole.mass(filled=False), 0.0)
    outage_row("the other cameras alone", alone)
    outage_row(f"with {len(heard)} sensors", figures(whole))
    for name in SPOTS:
        less = play(day, heard=[one for one in heard if one.id != name], said=said)
        own = hears(next(one for one in heard if one.id == name))
        outage_row(f"without sensor {name}", figures(less), (whole.error(own), less.error(own)))
    for layout, spots in LAYOUTS.items():
        other = sensors(spots=spots)
        outage_row(layout, figures(play(day, heard=other)))
    for eye in EYES:
        if eye.id != "tellers":
            less = play(day, heard=heard, said=said, watching=[e.id for e in EYES if e.id != eye.id])
            outage_row(f"without camera {eye.id}", figures(less))


def figures(outcome: Outcome) -> tuple[float, float, float, float]:
    """The columns of a row."""
    return outcome.r(), outcome.r_each(), outcome.mass(), outcome.known_mass()


def outage_row(
    name: str, columns: tuple[float, float, float, float], own: tuple[float, float] | None = None
) -> None:
    """One line of the second table; `own` is the error on the floor that one sensor hears, with it and without."""
    beside = f"{own[0]:>10.1f} -> {own[1]:.1f} s" if own else ""
    print(f"{name:<28}" + "".join(f"{value:>8.3f}" for value in columns) + beside, flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--crowd-seed", type=int, default=1)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--only", choices=["fusion", "outage"])
    given = parser.parse_args()
    if given.only != "outage":
        fusion(given.people, given.crowd_seed)
    if given.only != "fusion":
        outage(given.minutes, given.seed)


if __name__ == "__main__":
    main()
