"""`branchloop acceptance make`: a site's figures against its truth, with limits, as a report that gets signed."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from branchloop import __version__
from branchloop.acceptance.files import check_free, page_of
from branchloop.acceptance.page import page
from branchloop.acceptance.report import DECIMALS, digest, judge, overall, read_tree
from branchloop.acceptance.signing import sign_report, verify_report
from branchloop.clock import DAY_MS, from_ms, iso
from branchloop.errors import InputError, UsageError
from branchloop.keys.root import read_root
from branchloop.keys.sealing import raw_public
from branchloop.outfile import write_whole
from branchloop.site.site import Camera, Line, Site, Zone
from edge.acceptance_method import bootstrapped, said, without_truth
from edge.accuracy.counting import most_extra, poisson_interval
from edge.configured import read_in_force
from edge.evaluate.counts import evaluate_counts, evaluate_dwell
from edge.evaluate.people import PEOPLE, evaluate_heat, evaluate_people
from edge.floor.calibration import calibrate
from edge.provenance import check_once, is_of, sha256

LIMITS: Mapping[str, tuple[float | None, float | None]] = {
    "people.mota": (0.80, None),
    "people.idf1": (0.80, None),
    "heat.r": (0.95, None),
    "heat.emd_m": (None, 0.5),
    "heat.mass_ratio": (0.90, 1.10),
    "counts.wrong_rate": (None, 0.05),
    "counts.sum_error": (None, 0.05),
    "dwell.median_error": (-0.10, 0.10),
}
"""Least and most of each figure, unless the bank sets its own."""

_SPREAD = {"heat.mass_ratio": 1.0, "dwell.visits_error": 0.0, "dwell.median_error": 0.0, "dwell.p90_error": 0.0,
           "counts.net_error": 0.0}  # fmt: skip
"""Figures whose limit is how far they may lie from this."""
_UPWARD = {"people.mota", "people.idf1", "people.hota", "heat.r"}
_DOWNWARD = {"heat.emd_m", "counts.wrong_rate", "counts.sum_error"}


@dataclass(frozen=True, slots=True)
class Measures:
    """Pairs of (what the box made, truth), and what else the report names."""

    people: Sequence[tuple[Path, Path]] = ()
    heat: Sequence[tuple[Path, Path]] = ()
    counts: Sequence[tuple[Path, Path]] = ()
    dwell: Sequence[tuple[Path, Path]] = ()
    clips: Sequence[Path] = ()
    fps: float | None = None
    tolerance_s: float = 3.0
    align_s: float = 0.0
    watched: Sequence[str] = ()
    """Lines that were counted by hand though nobody crossed them."""
    limits: Mapping[str, float] = field(default_factory=dict)

    def pairs(self) -> list[tuple[Path, Path]]:
        """Every pair of files, whatever it is of."""
        return [*self.people, *self.heat, *self.counts, *self.dwell]


def report_body(
    site: Site,
    hash_in_force: str,
    measures: Measures,
    *,
    measured_by: str,
    now_ms: int,
    expires_days: float,
    note: str | None = None,
) -> dict[str, Any]:
    """Everything of a report but its signature. Raises InputError and UsageError naming what is wrong."""
    limits = _limits(measures.limits)
    for pairs in (measures.people, measures.heat, measures.counts, measures.dwell):
        check_once(pairs)
    clips = [sha256(clip)[1] for clip in measures.clips]
    made = dict.fromkeys(made for made, _ in measures.pairs())
    unknown = [path.name for path in made if not is_of(path, site, hash_in_force, clips)]
    figures, method, not_counted, not_timed = _measure(site, measures, limits)
    if not figures:
        raise UsageError(
            "nothing is to be measured.",
            hint="Give --people, --heat, --counts or --dwell with two files each.",
        )
    if unknown:
        method.append(said("acceptance.how.unknown", files=", ".join(dict.fromkeys(unknown))[:60]))
    body: dict[str, Any] = {
        "site": site.id,
        "name": site.name.model_dump(),
        "names": {
            "cameras": _names(site.cameras),
            "lines": _names(site.lines),
            "zones": _names(site.zones),
        },
        "simulated": site.simulated,
        "config_version": site.version,
        "config_hash": hash_in_force,
        "software": f"branchloop {__version__}",
        "cameras": [_camera(site, camera.id, now_ms) for camera in site.cameras],
        "evidence": _evidence(measures),
        "figures": figures,
        "method": method,
        "not_counted": not_counted,
        "not_timed": not_timed,
        "verdict": overall(figure["verdict"] for figure in figures),
        "measured_by": measured_by,
        "made_at_ms": now_ms,
        "expires_at_ms": now_ms + round(expires_days * DAY_MS),
    }
    if site.box is not None:
        body["detector"] = site.box.detector
    if note:
        body["note"] = note
    return body


def make(
    config: Path,
    measures: Measures,
    *,
    measured_by: str,
    expires_days: float,
    note: str | None,
    key_file: Path,
    out: Path,
) -> dict[str, Any]:
    """Measure, sign, and write `out` (JSON) and the page beside it; the figures in short.

    Raises UsageError where that would overwrite what the report rests on, or anything but an older report.
    """
    if not measured_by.strip():
        raise UsageError("--by is empty.", hint="Say who measured.")
    page_file = page_of(out)
    read = [path for pair in measures.pairs() for path in pair]
    check_free(out, page_file, (config, key_file, *measures.clips, *read))
    key = read_root(key_file)
    running = read_in_force(config)
    now_ms = time.time_ns() // 1_000_000
    body = report_body(
        running.site,
        running.hash,
        measures,
        measured_by=measured_by,
        now_ms=now_ms,
        expires_days=expires_days,
        note=note,
    )
    text = sign_report(key, body)
    report = verify_report(text, raw_public(key.public_key()), now_ms)
    shown = page(report, digest(read_tree(text)))
    write_whole({page_file: shown.encode(), out: text.encode()})
    counted = Counter(figure.verdict for figure in report.figures)
    return {
        "verdict": report.verdict,
        "passed": counted["pass"],
        "failed": counted["fail"],
        "undecided": counted["undecided"],
        "not_counted": report.not_counted,
        "not_timed": report.not_timed,
        "report": str(out),
        "page": str(page_file),
        "expires_at": iso(report.expires_at_ms),
        "signed_by": report.signed_by,
    }


class _Figures:
    """Figures as they go into the report: rounded, with limit and verdict."""

    def __init__(self, limits: Mapping[str, tuple[float | None, float | None]]) -> None:
        self._limits = limits
        self.rows: list[dict[str, Any]] = []

    def add(
        self, key: str, unit: str, found: Mapping[str, Any], sample: int, sample_of: str, subject: str | None,
        needed: int | None = None, limit: tuple[float | None, float | None] | None = None,
    ) -> None:  # fmt: skip
        name = key.split(".")[1]
        value, low, high = (_rounded(found.get(name + end)) for end in ("", "_low", "_high"))
        at_least, at_most = limit or self._limits.get(key, (None, None))
        row = {
            "key": key, "subject": subject, "unit": unit, "value": value, "low": low, "high": high,
            "sample": sample, "sample_of": sample_of, "needed": needed, "at_least": at_least, "at_most": at_most,
            "verdict": judge(value, low, high, at_least, at_most),
        }  # fmt: skip
        self.rows.append({name: part for name, part in row.items() if part is not None})


def _measure(
    site: Site, measures: Measures, limits: Mapping[str, tuple[float | None, float | None]]
) -> tuple[list[dict[str, Any]], list[dict[str, str]], list[str], list[str]]:
    """Figures, how they were measured, and the lines nobody counted and the zones nobody timed where others were."""
    figures = _Figures(limits)
    method: list[dict[str, str]] = []
    without: list[tuple[Path, dict[str, Any]]] = []
    for tracks, truth in measures.people:
        people = evaluate_people(tracks, truth, measures.fps)
        subject = _camera_of(tracks)
        for name in PEOPLE:
            figures.add(f"people.{name}", "share", people, people["truth_boxes"], "boxes", subject)
        method.append(bootstrapped("people", people, "mota"))
        if people["every"] != 1:
            method.append(said("acceptance.how.some_frames"))
        if people["without_truth_many"]:
            without.append((truth, people))
    if without:
        method.append(without_truth(without))
    for grid, truth in measures.heat:
        heat = evaluate_heat(grid, truth, measures.fps)
        for name, unit in (("r", "share"), ("emd_m", "m"), ("mass_ratio", "share")):
            figures.add(f"heat.{name}", unit, heat, heat["places"], "places", None)
        method.append(bootstrapped("heat", heat, "mass_ratio"))
        if heat["emd_m_low"] is not None:
            method.append(said("acceptance.how.distance"))
        if heat["places_outside"]:
            method.append(said("acceptance.how.outside", places=heat["places_outside"]))
    not_counted = _counts(figures, method, site, measures, limits)
    zones, timed = [zone.id for zone in site.zones], set[str]()
    for visits, truth in measures.dwell:
        dwelt = evaluate_dwell(visits, truth)
        _known(dwelt["zones"], zones, "zone", truth)
        _known(dwelt["zones_left_out"], zones, "zone", visits)
        timed.update(dwelt["zones"])
        for zone, part in dwelt["zones"].items():
            for name in ("visits_error", "median_error", "p90_error"):
                figures.add(f"dwell.{name}", "share", part, part["true_visits"], "visits", zone)
        method.append(said("acceptance.how.dwell"))
    not_timed = [zone for zone in zones if zone not in timed] if measures.dwell else []
    return figures.rows, list({words["en"]: words for words in method}.values()), not_counted, not_timed


def _counts(
    figures: _Figures, method: list[dict[str, str]], site: Site, measures: Measures,
    limits: Mapping[str, tuple[float | None, float | None]],
) -> list[str]:  # fmt: skip
    """Add the figures of every hand count; the site's lines that none of them counted."""
    if measures.watched and len(measures.counts) != 1:
        raise UsageError(
            "--line says which lines one hand count watched.", hint="Give one --counts, or a report each."
        )
    claim = limits["counts.wrong_rate"][1] or 0.05
    known = [line.id for line in site.lines]
    by_hand = set[str]()
    for counts, truth in measures.counts:
        counted = evaluate_counts(
            counts, truth, measures.tolerance_s, measures.align_s, claim, measures.watched
        )
        _known(measures.watched, known, "line", "--line")
        _known(counted["lines"], known, "line", truth)
        _known(counted["lines_left_out"], known, "line", counts)
        by_hand.update(counted["lines"])
        limit = limits["counts.wrong_rate" if counted["matched"] else "counts.sum_error"][1]
        for line, part in counted["lines"].items():
            _count(figures, part, line, limit, matched=counted["matched"])
        if len(counted["lines"]) > 1:
            _count(figures, counted, None, limit, matched=counted["matched"])
        method.append(
            said(
                "acceptance.how.counts",
                tolerance=f"{counted['tolerance_s']:g}",
                shift=f"{counted['shift_s']:g}",
            )
            if counted["matched"]
            else said("acceptance.how.sums")
        )
        method.append(said(f"acceptance.how.{'everybody' if counted['staff_included'] else 'visitors'}"))
    return [line for line in known if line not in by_hand] if measures.counts else []


def _count(
    figures: _Figures, part: Mapping[str, Any], line: str | None, limit: float | None, *, matched: bool
) -> None:
    """Errors where each crossing was matched; of sums, by how many they differ, which can fail but prove nothing; where nobody crossed, what was invented."""
    if not part["crossings"]:
        low, high = poisson_interval(part["extra"])
        figures.add("counts.extra", "count", {"extra": part["extra"], "extra_low": low, "extra_high": high}, 0, "crossings",
                    line, limit=(None, float(most_extra(limit or 0.0))))  # fmt: skip
        return
    if matched:
        figures.add("counts.wrong_rate", "share", part, part["crossings"], "crossings", line, part["needed"])
    else:
        found = {"sum_error": part["absolute_error"]}
        figures.add("counts.sum_error", "share", found, part["crossings"], "crossings", line)
    figures.add("counts.net_error", "share", part, part["crossings"], "crossings", line)


def _limits(own: Mapping[str, float]) -> dict[str, tuple[float | None, float | None]]:
    limits = dict(LIMITS)
    for key, value in own.items():
        if key in _SPREAD | dict.fromkeys(_UPWARD | _DOWNWARD):
            _check_limit(key, value)
        if key in _SPREAD:
            limits[key] = _rounded(_SPREAD[key] - value), _rounded(_SPREAD[key] + value)
        elif key in _UPWARD:
            limits[key] = _rounded(value), None
        elif key in _DOWNWARD:
            limits[key] = None, _rounded(value)
        else:
            names = ", ".join(sorted(_SPREAD | dict.fromkeys(_UPWARD | _DOWNWARD)))
            raise UsageError(f"--limit names {key[:40]!r}, which is no figure.", hint=f"Figures: {names}.")
    return limits


def _check_limit(key: str, value: float) -> None:
    """Raise UsageError for a limit that anything keeps, that nothing can, or that is no number."""
    least = 0.0 if key in _UPWARD else 10.0**-DECIMALS
    most = math.inf if key == "heat.emd_m" else 1.0
    if not least <= value < most:
        span = (
            f"from {least:g} up"
            if most == math.inf
            else f"from {least:g} to less than 1, such as 0.05 for 5 %"
        )
        raise UsageError(f"--limit {key}={value:g} is no limit.", hint=f"Give a number {span}.")


def _known(found: Iterable[str], known: Sequence[str], what: str, said_by: Path | str) -> None:
    for name in found:
        if name not in known:
            raise InputError(
                f"{said_by}: the site has no {what} {name[:40]!r}.",
                hint=f"It has: {', '.join(known) or 'none'}.",
            )


def _camera(site: Site, camera_id: str, now_ms: int) -> dict[str, Any]:
    marks = next(camera for camera in site.cameras if camera.id == camera_id).calibration
    fitted = calibrate(marks.points, marks.picture_px, marks.distortion, marks.focal_px)
    residual_mm = None if marks.always_fits else round(fitted.residual_m * 1000)
    found: dict[str, Any] = {"camera": camera_id, "residual_mm": residual_mm}
    if marks.measured_on is not None:
        today = from_ms(now_ms, site.zone_info).date()
        found |= {"measured_on": marks.measured_on.isoformat(), "age_days": _days(marks.measured_on, today)}
    return found


def _names(parts: Iterable[Camera | Line | Zone]) -> dict[str, dict[str, str]]:
    return {part.id: part.name.model_dump() for part in parts if part.name is not None}


def _days(measured: date, today: date) -> int:
    return max(-1, (today - measured).days)


def _evidence(measures: Measures) -> list[dict[str, Any]]:
    files: list[tuple[str, Path]] = [("clip", clip) for clip in measures.clips]
    for role, pairs in (
        ("tracks", measures.people),
        ("heat", measures.heat),
        ("counts", measures.counts),
        ("visits", measures.dwell),
    ):
        for made, truth in pairs:
            files += [(role, made), ("truth", truth)]
    found: dict[tuple[str, Path], dict[str, Any]] = {}
    for role, path in files:
        if (role, path) not in found:
            size, digested = sha256(path)
            found[role, path] = {"role": role, "name": path.name[:200], "bytes": size, "sha256": digested}
    return list(found.values())


def _camera_of(tracks: Path) -> str | None:
    """`tracks-ID.txt`, as `edge replay` names it, is about camera ID."""
    named = re.fullmatch(r"tracks-([a-z0-9-]{1,32})\.txt", tracks.name)
    return named[1] if named else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DECIMALS)
