"""`branchloop evaluate liveness`: presentation attacks in the form of ISO/IEC 30107-3.

Every file enters as pixels, through the code the kiosk runs. A clip is judged against a challenge: the
actions of its column `actions`, or two drawn by its row. A still picture can do no challenge; with a passive
model it is judged by that alone, without one it is refused, as it would be at the kiosk.
"""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from branchloop.errors import InputError
from edge.evaluate.faces import PICTURES, share_of
from edge.kiosk.challenge import ACTIONS, Action, Challenge
from edge.perceive.camera import open_clip
from edge.perceive.faces.attempt import Attempt
from edge.perceive.faces.decode import read_photo
from edge.perceive.faces.engine import FaceEngine
from edge.perceive.faces.landmarks import Landmarker
from edge.perceive.faces.padmodel import ACCEPT, PadModel
from edge.perceive.faces.quality import largest

Progress = Callable[[int, int], None]
LIVE, ATTACK = "live", "attack"


@dataclass(frozen=True, slots=True)
class Presentation:
    """One row of the manifest."""

    path: Path
    live: bool
    species: str
    actions: tuple[Action, ...] | None


def evaluate_liveness(
    manifest: Path, pad_models: Sequence[Path] = (), progress: Progress | None = None
) -> dict[str, Any]:
    """APCER by species, BPCER, and the reasons. Raises InputError for a manifest or file that is wrong."""
    listed = read_manifest(manifest)
    engine, pad = FaceEngine(), PadModel(pad_models) if pad_models else None
    accepted: defaultdict[str, list[bool]] = defaultdict(list)
    reasons: Counter[str] = Counter()
    with Landmarker() as landmarker:
        for number, shown in enumerate(listed, start=1):
            reason = present(shown, engine, landmarker, pad, seed=number)
            accepted["" if shown.live else shown.species].append(reason == "")
            reasons[reason or "accepted"] += 1
            if progress:
                progress(number, len(listed))
    live = accepted.pop("", [])
    species = {
        name: {"apcer": share_of(sum(verdicts), len(verdicts))} for name, verdicts in sorted(accepted.items())
    }
    rates = [entry["apcer"]["rate"] for entry in species.values()]
    return {
        "apcer": max(rates) if rates else None,
        "bpcer": share_of(sum(not verdict for verdict in live), len(live))["rate"],
        "bpcer_95": share_of(sum(not verdict for verdict in live), len(live)),
        "species": species,
        "presentations": len(listed),
        "decided_by": dict(reasons),
        "passive_model": bool(pad_models),
        "remark": "not measured on people, unless the manifest's files show people; APCER is that of the worst species",
    }


def present(
    shown: Presentation, engine: FaceEngine, landmarker: Landmarker, pad: PadModel | None, *, seed: int
) -> str:
    """Why a presentation is turned away; empty when it is accepted."""
    if shown.path.suffix.lower() in PICTURES:
        return _still(shown.path, engine, pad)
    challenge = Challenge(random.Random(seed), asked=shown.actions)  # noqa: S311 - repeatable on purpose
    attempt = Attempt(engine, landmarker, challenge=challenge, pad=pad)
    for frame in open_clip(shown.path, None).frames:
        state = attempt.feed(frame.image, frame.t_ms / 1000)
        if state.kind == "done":
            return ""
        if state.kind == "rejected":
            return state.reason
    return "clip_over"


def read_manifest(path: Path) -> list[Presentation]:
    """path,label,species[,actions]; paths are relative to the manifest. Raises InputError naming the row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as CSV: {error}.", hint="Columns: path,label,species."
        ) from error
    listed = [_presentation(row, path, number) for number, row in enumerate(rows, start=2)]
    if not listed:
        raise InputError(
            f"{path} lists nothing.", hint="Columns: path,label,species; one presentation a row."
        )
    return listed


def _presentation(row: dict[str, str | None], manifest: Path, number: int) -> Presentation:
    label = (row.get("label") or "").strip().lower()
    name = (row.get("path") or "").strip()
    if not name or label not in {LIVE, ATTACK}:
        raise InputError(
            f"{manifest} row {number} is not a presentation.", hint="Write path,live|attack,species."
        )
    words = [word for word in (row.get("actions") or "").replace(" ", "").split(";") if word]
    for word in words:
        if word not in ACTIONS:
            raise InputError(
                f"{manifest} row {number}: {word[:30]!r} is no action.",
                hint=f"Actions: {', '.join(ACTIONS)}.",
            )
    actions = tuple(cast("Action", word) for word in words) or None
    return Presentation(
        manifest.parent / name, label == LIVE, (row.get("species") or "unnamed").strip(), actions
    )


def _still(path: Path, engine: FaceEngine, pad: PadModel | None) -> str:
    image = read_photo(path)
    faces = engine.detect(image)
    if not faces:
        return "no_face"
    if pad is None:
        return "still_picture"
    return "" if pad.live(image, largest(faces)) >= ACCEPT else "passive_model"
