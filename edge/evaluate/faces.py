"""`branchloop evaluate faces`: how well faces are told apart, per pair and per attempt.

A picture without a face is a failure to acquire: its pairs are counted there and nowhere else. Where a
picture shows several faces, the one nearest the centre counts.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchloop.errors import InputError
from edge.kiosk.protect import Protection
from edge.kiosk.threshold import IMAGES, VERIFY, template, threshold
from edge.perceive.faces.decode import read_photo
from edge.perceive.faces.engine import FaceEngine, centre_face

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
LABELS = {
    "1": True, "true": True, "same": True, "yes": True, "genuine": True, "match": True,
    "0": False, "false": False, "different": False, "no": False, "impostor": False, "diff": False,
    "-1": False, "mismatch": False,
}  # fmt: skip
GALLERIES = (1, 10, 60, 300)
PICTURES = (".jpg", ".jpeg", ".png")
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Pair:
    """Two picture files, and whether they show one person."""

    a: Path
    b: Path
    same: bool


def evaluate_pairs(pairs: Path, images: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Accuracy over a list of pairs. Raises InputError for a list or picture that cannot be read."""
    listed = read_pairs(pairs, images)
    files = sorted({path for pair in listed for path in (pair.a, pair.b)})
    faces = _embed_all(files, progress)
    known = [pair for pair in listed if faces[pair.a] is not None and faces[pair.b] is not None]
    scores = np.array([float(np.dot(_of(faces, pair.a), _of(faces, pair.b))) for pair in known])
    same = np.array([pair.same for pair in known], bool)
    guard = Protection(b"a key for measuring only")
    kept = {path: guard.apply(face) for path, face in faces.items() if face is not None}
    guarded = np.array([float(np.dot(kept[pair.a], kept[pair.b])) for pair in known])
    figures = _figures(scores, same)
    figures["protected"] = {
        key: value
        for key, value in _figures(guarded, same).items()
        if key.startswith(("tar", "eer", "far", "frr"))
    }
    figures["pairs"] = len(listed)
    figures["failure_to_acquire"] = sum(face is None for face in faces.values()) / max(1, len(files))
    return figures


def evaluate_identities(images: Path, progress: Progress | None = None) -> dict[str, Any]:
    """All pairs of a folder of folders (one per person), and what an attempt at the kiosk would meet."""
    people = {
        folder.name: sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
        for folder in sorted(images.iterdir())
        if folder.is_dir()
    }
    files = [path for listed in people.values() for path in listed]
    if len(people) < 2 or not files:
        raise InputError(
            f"{images} holds no folders of people.", hint="One folder per person, pictures inside."
        )
    faces = _embed_all(files, progress)
    found = [path for path in files if faces[path] is not None]
    owner = np.array([path.parent.name for path in found])
    vectors = np.array([_of(faces, path) for path in found])
    upper = np.triu_indices(len(found), 1)
    same = owner[upper[0]] == owner[upper[1]]
    figures = _figures((vectors @ vectors.T)[upper], same)
    figures["pairs"] = len(same)
    figures["failure_to_acquire"] = 1 - len(found) / len(files)
    figures["people"] = len(people)
    genuine, impostor = _attempts(vectors, owner)
    misses = int((genuine < VERIFY).sum())
    figures["attempts"] = {
        "enrolment_images": IMAGES,
        "threshold": VERIFY,
        "genuine": len(genuine),
        "frr": share_of(misses, len(genuine)),
        "impostor": len(impostor),
        "far": share_of(int((impostor >= VERIFY).sum()), len(impostor)),
    }
    figures["identification"] = [_identification(impostor, genuine, size, len(people)) for size in GALLERIES]
    return figures


def read_pairs(path: Path, images: Path) -> list[Pair]:
    """Pairs of a CSV: `a,b,same` with or without a header, or LFW's `name,n1,n2` and `name,n1,name,n2`.

    Raises InputError naming the row that is wrong.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}.", hint="Columns: a,b,same.") from error
    pairs: list[Pair] = []
    for number, row in enumerate(rows, start=1):
        if number == 1 and "." not in row[0] and len(row) > 1 and not row[1].isdigit():
            continue  # the header
        pairs.append(_pair(row, images, f"{path} row {number}"))
    if not pairs:
        raise InputError(f"{path} lists no pair.", hint="Columns: a,b,same; one pair a row.")
    if len({pair.same for pair in pairs}) < 2:
        raise InputError(
            f"{path} lists only {'one person' if pairs[0].same else 'different people'}.",
            hint="Rates need pairs of both kinds.",
        )
    return pairs


def _pair(row: Sequence[str], images: Path, where: str) -> Pair:
    if len(row) == 4 and row[1].isdigit() and row[3].isdigit():
        return Pair(_lfw(images, row[0], row[1]), _lfw(images, row[2], row[3]), same=False)
    if len(row) == 3 and row[1].isdigit() and row[2].isdigit() and "." not in row[0]:
        return Pair(_lfw(images, row[0], row[1]), _lfw(images, row[0], row[2]), same=True)
    if len(row) < 3 or row[2].lower() not in LABELS:
        raise InputError(f"{where} is not a pair: {','.join(row)[:80]!r}.", hint="Write a,b,1 or a,b,0.")
    return Pair(images / row[0], images / row[1], LABELS[row[2].lower()])


def _lfw(images: Path, name: str, number: str) -> Path:
    return images / name / f"{name}_{int(number):04d}.jpg"


def _embed_all(files: Sequence[Path], progress: Progress | None) -> dict[Path, NDArray[np.float32] | None]:
    engine = FaceEngine()
    faces: dict[Path, NDArray[np.float32] | None] = {}
    for done, path in enumerate(files, start=1):
        image = read_photo(path)
        face = centre_face(engine.detect(image), image)
        faces[path] = None if face is None else engine.embed(engine.align(image, face))
        if progress:
            progress(done, len(files))
    return faces


def _of(faces: dict[Path, NDArray[np.float32] | None], path: Path) -> NDArray[np.float32]:
    face = faces[path]
    if face is None:
        raise KeyError(path)
    return face


def _figures(scores: Array, same: NDArray[np.bool_]) -> dict[str, Any]:
    genuine, impostor = np.sort(scores[same]), np.sort(scores[~same])
    if not len(genuine) or not len(impostor):
        raise InputError("no pair of each kind has a face in both pictures.", hint="Check the pictures.")
    return {
        "tar_at_far_0.01": _tar(genuine, impostor, 0.01),
        "tar_at_far_0.001": _tar(genuine, impostor, 0.001),
        "eer": _eer(genuine, impostor),
        "threshold": VERIFY,
        "far": float((impostor >= VERIFY).mean()),
        "frr": float((genuine < VERIFY).mean()),
        "genuine_pairs": len(genuine),
        "impostor_pairs": len(impostor),
    }


def _tar(genuine: Array, impostor: Array, far: float) -> float:
    """Share of genuine pairs above the lowest cosine at which at most `far` of the impostors are."""
    allowed = math.floor(far * len(impostor) + 1e-9)
    limit = impostor[len(impostor) - 1 - allowed] if allowed < len(impostor) else -1.0
    return float((genuine > limit).mean())


def _eer(genuine: Array, impostor: Array) -> float:
    limits = np.unique(np.concatenate([genuine, impostor]))
    frr = np.searchsorted(genuine, limits, side="left") / len(genuine)
    far = 1 - np.searchsorted(impostor, limits, side="left") / len(impostor)
    at = int(np.argmin(np.abs(frr - far)))
    return float((frr[at] + far[at]) / 2)


def _attempts(vectors: Array, owner: NDArray[np.str_]) -> tuple[Array, Array]:
    """Cosines of probes against templates of three other images: genuine, and of all other people."""
    genuine: list[float] = []
    impostor: list[float] = []
    for name in np.unique(owner):
        mine = np.flatnonzero(owner == name)
        others = vectors[owner != name]
        groups = list(itertools.combinations(range(len(mine)), IMAGES))
        for group in groups[:: max(1, len(groups) // 12)]:
            enrolled = template([vectors[mine[i]].astype(np.float32) for i in group])
            rest = [mine[i] for i in range(len(mine)) if i not in group]
            genuine += (vectors[rest] @ enrolled).tolist()
            impostor += (others @ enrolled).tolist()
    return np.array(genuine), np.array(impostor)


def _identification(impostor: Array, genuine: Array, size: int, people: int) -> dict[str, Any]:
    """What a gallery of `size` does at its own threshold: misses measured, false positives per attempt.

    A gallery larger than the set of people is no measurement: its FPIR follows from the comparisons.
    """
    limit = threshold(0.001, size)
    accepted = int((impostor >= limit.cosine).sum())
    per_comparison = share_of(accepted, len(impostor))
    low, high = (
        -math.expm1(size * math.log1p(-min(rate, 0.999999))) for rate in per_comparison["interval_95"]
    )
    return {
        "gallery": size,
        "threshold": round(limit.cosine, 4),
        "threshold_extrapolated": limit.extrapolated,
        "fpir": -math.expm1(size * math.log1p(-per_comparison["rate"])),
        "fpir_interval_95": [low, high],
        "fpir_extrapolated": size >= people,
        "fnir": share_of(int((genuine < limit.cosine).sum()), len(genuine)),
    }


def share_of(count: int, of: int) -> dict[str, Any]:
    """A share with its Wilson interval; the comparisons are not independent, so it is rather too narrow."""
    if not of:
        return {"rate": None, "count": 0, "of": 0, "interval_95": [0.0, 1.0]}
    share, spread = count / of, Z95**2 / of
    middle = (share + spread / 2) / (1 + spread)
    half = Z95 * math.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return {
        "rate": share,
        "count": count,
        "of": of,
        "interval_95": [max(0.0, middle - half), min(1.0, middle + half)],
    }
