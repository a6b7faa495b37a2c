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

from attacks import Customer, attempt, on_tablet, other_action, planar, stills, swapped
from reference import FACES, MINIFASNET

from edge.perceive.faces.engine import FaceEngine
from edge.perceive.faces.landmarks import Landmarker
from edge.perceive.faces.padmodel import PadModel


def main() -> None:
    """Print accepted of shown by species, and why the others were turned away."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    engine, customer = FaceEngine(), Customer.load()
    portraits = [customer.segment("neutral")[0], *stills(iter(sorted(FACES.glob("*/*_0001.jpg"))))]
    models = sorted(MINIFASNET.glob("*.onnx"))
    pad = PadModel(models) if models else None
    ends: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with Landmarker() as landmarker:

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


if __name__ == "__main__":
    main()
