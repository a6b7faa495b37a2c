"""Attacks by the hundred, as pixels through the kiosk's code: `python tests/bench/bench_attacks.py N`.

Rendered, so not measured on people. With the reference data (BRANCHLOOP_REFERENCE) the flat attacks use
other portraits too, faces are swapped, and the tablet is judged with a passive model as well.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from attacks import Customer, Image, attempt, on_tablet, other_action, planar, plane, stills, swapped
from reference import FACES, MINIFASNET

from edge.kiosk.challenge import HEAD
from edge.kiosk.liveness import DEPTH, TURNED_DEG, parallax
from edge.perceive.faces.engine import FaceEngine
from edge.perceive.faces.landmarks import Landmarker, Landmarks
from edge.perceive.faces.padmodel import PadModel
from edge.perceive.faces.quality import largest


def main() -> None:
    """Print accepted of shown by species, and why the others were turned away."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    engine, customer = FaceEngine(), Customer.load()
    portraits = [customer.segment("neutral")[0], *stills(iter(sorted(FACES.glob("*/*_0001.jpg"))))]
    models = sorted(MINIFASNET.glob("*.onnx"))
    pad = PadModel(models) if models else None
    ends: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with Landmarker() as landmarker:
        for line in depths(customer, portraits, engine, landmarker):
            print(json.dumps(line))

        def note(species: str, state: object) -> None:
            kind, reason = getattr(state, "kind", ""), getattr(state, "reason", "")
            ends[species]["accepted" if kind == "done" else reason or "no_good_picture"] += 1

        for seed in range(count):
            name, show = planar(portraits[(seed // 8) % len(portraits)], seed)
            note(f"flat: {name}", attempt(show, engine, landmarker, seed))
        for seed in range(20):
            note("live head (rendered)", attempt(customer.obeying(), engine, landmarker, seed))
            note("wrong action", attempt(customer.obeying(twist=other_action), engine, landmarker, seed))
            if len(portraits) > 1:
                other = portraits[1 + seed % (len(portraits) - 1)]
                note(
                    "face swapped", attempt(swapped(customer.obeying(), other, 0.6), engine, landmarker, seed)
                )
            obeying = customer.obeying()
            note(
                "animated, on a tablet",
                attempt(lambda t, a, o=obeying: on_tablet(o(t, a), t), engine, landmarker, seed),
            )
            if pad is not None:
                again = customer.obeying()
                note(
                    "animated, on a tablet, with a passive model",
                    attempt(lambda t, a, o=again: on_tablet(o(t, a), t), engine, landmarker, seed, pad=pad),
                )
                more = customer.obeying()
                note(
                    "live head (rendered), with a passive model",
                    attempt(more, engine, landmarker, seed, pad=pad),
                )
    for species, counts in sorted(ends.items()):
        shown = sum(counts.values())
        print(
            json.dumps({"species": species, "shown": shown, "accepted": counts.pop("accepted", 0), **counts})
        )


def turn(rest: Landmarks, seen: Landmarks) -> float:
    """How far the landmarks say that the head has turned, in degrees."""
    return max(abs(seen.yaw_deg - rest.yaw_deg), abs(seen.pitch_deg - rest.pitch_deg))


def depths(
    customer: Customer, portraits: list[Image], engine: FaceEngine, landmarker: Landmarker
) -> list[dict[str, object]]:
    """What a homography leaves over: of prints turned in space, and of the head that turns."""

    def marks(image: Image) -> Landmarks | None:
        faces = engine.detect(image)
        return landmarker.find(image, largest(faces)) if faces else None

    def spread(name: str, pairs: list[tuple[Landmarks | None, Landmarks | None]]) -> dict[str, object]:
        both = [(a, b) for a, b in pairs if a is not None and b is not None]
        left = np.array([parallax(a.points, b.points) for a, b in both])
        misread = [v >= DEPTH and turn(a, b) >= TURNED_DEG for v, (a, b) in zip(left, both, strict=True)]
        return {
            "parallax": name,
            "views": len(both),
            "least": round(float(left.min()), 4),
            "median": round(float(np.median(left)), 4),
            "p95": round(float(np.quantile(left, 0.95)), 4),
            "most": round(float(left.max()), 4),
            "above_the_limit": int((left >= DEPTH).sum()),
            "above_it_and_read_as_turned": int(sum(misread)),
        }

    turns = [(yaw, pitch) for yaw in (-45, -30, -15, 15, 30, 45) for pitch in (0, 20)] + [(0, -30), (0, 30)]
    flat = [(marks(still), marks(plane(still, yaw, pitch))) for still in portraits for yaw, pitch in turns]
    rest = marks(customer.segment("neutral")[0])
    seen = [marks(image) for name in HEAD for image in customer.segment(name)]
    turned = [
        (rest, one) for one in seen if rest is not None and one is not None and turn(rest, one) >= TURNED_DEG
    ]
    return [spread("prints turned by up to 45 degrees", flat), spread("turned head (rendered)", turned)]


if __name__ == "__main__":
    main()
