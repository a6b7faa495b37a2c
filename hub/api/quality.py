"""Quality of a branch's counts: read, checked by the pure checks, and told with its evidence."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from branchloop.clock import (
    ALARM_AGE_MS,
    DAY_MS,
    HOUR_MS,
    WINDOW_MS,
    bucket_end_ms,
    bucket_start_ms,
    from_ms,
    iso,
    local_day_end_ms,
    local_day_start_ms,
)
from branchloop.site.site import Camera, Site
from hub.api import box, figures
from hub.api.alerts import alerted
from hub.api.models import answers as models, quality as answers
from hub.api.newest import Newest
from hub.api.state import State, now_ms
from hub.loop.finding import Finding, unknown
from hub.loop.trust import trust
from hub.loop.value import SMALL
from hub.store.branches.configurations import Configurations
from hub.store.branches.drawn import drawn_since
from hub.store.branches.opening import Hours, OpeningHistory
from hub.store.connection import reading
from hub.store.figures.acceptance import AcceptanceReports, Kept
from hub.store.figures.alerts import Alerts
from hub.store.figures.checking import Checker
from hub.store.figures.evidence import Evidence, Part
from hub.store.figures.proof import MOST_READ, proof
from hub.store.figures.reading import Reader
from hub.store.figures.stretch import Span, buckets

MOST_ALERTS = 50
BALANCE_DAYS = 14
TRUST_DAYS = 7
BACK_H = 7 * 24
"""So far back an hour is looked for that checks can be made on."""
Cell = tuple[Span, int, int | None]
"""An hour, its opening time so far, and how much of that was observed (ms per camera; None: not known)."""
_COUNTING = frozenset({"balance", "overnight", "tickets"})


def quality(state: State, site: Site, days: int, *, small: bool) -> answers.Quality:
    """Coverage, devices, checks, alerts and reports over the last `days` local days, today included.

    `small`: for who may not see single persons.
    """
    at_ms = now_ms()
    today = from_ms(at_ms, site.zone_info).date()
    span = (
        local_day_start_ms(today - timedelta(days=days - 1), site.zone_info),
        local_day_end_ms(today, site.zone_info),
    )
    with reading(state.data_dir) as db:
        evidence = Evidence(db)
        kept = AcceptanceReports(db).newest(site.id, MOST_READ)
        reports = [reported(db, site, each, at_ms) for each in kept]
        hours = OpeningHistory(db).of(site, at_ms)
        proven = proof(db, site, at_ms)
        checker = Checker(evidence, site, hours, proven.error, drawn=drawn_since(db, site))
        opening = _Opening(hours, evidence.first_ms(site.id))
        balance = _balance(checker, today, span[0])
        newest = evidence.newest(site.id) or {}
        found = _findings(checker, evidence, site, newest, at_ms)
        told_ms = _told_ms(newest, at_ms)
        stored = Alerts(db)
        opened = stored.open_alerts(site.id)
        alerts = [
            *opened,
            *(a for a in stored.since(site.id, span[0], MOST_ALERTS) if a.cleared_ms is not None),
        ]
        calendar = _calendar(evidence, site, opening, span, told_ms)
        lamps = box.lamps(Reader(db).device(site), Newest(newest), at_ms)
        cameras = _parts(evidence, site, "camera", opening, span, lamps, told_ms)
        sensors = _parts(evidence, site, "sensor", opening, span, lamps, told_ms)
        lately = _coverage(evidence, site, opening, (told_ms - TRUST_DAYS * DAY_MS, told_ms), told_ms)
        doors = _coverage(
            evidence, site, opening, (told_ms - TRUST_DAYS * DAY_MS, told_ms), told_ms, entrances=True
        )
    judged = trust(
        lately,
        [alert.kind for alert in opened],
        any(finding.outcome != "unknown" for finding in (*balance, *found) if finding.check in _COUNTING),
        proven.standing,
        doors,
    )
    return answers.Quality(
        server_time=iso(at_ms),
        timezone=site.timezone,
        simulated=site.simulated,
        from_=iso(span[0]),
        to=iso(span[1]),
        trust=answers.Trust(
            verdict=judged.verdict,
            reasons=list(judged.reasons),
            tainted=list(judged.tainted),
            coverage=lately,
            entrances=doors,
            report=proven.report,
        ),
        coverage=_covered([cell for _, cells in calendar for cell in cells]),
        days=[_day(day, cells, site, hours, told_ms) for day, cells in calendar],
        cameras=[
            answers.CameraQuality(**part, **_calibrated(newest, camera))
            for part, camera in zip(cameras, site.cameras, strict=True)
        ],
        sensors=[answers.PartQuality(**part) for part in sensors],
        balance=[_told(finding) for finding in balance],
        findings=[_told(_guarded(finding) if small else finding) for finding in found],
        alerts=[alerted(alert) for alert in alerts],
        reports=reports,
    )


def alert_page(
    db: sqlite3.Connection, site: Site, from_: int, after: int | None, limit: int
) -> answers.Alerts:
    """Open alerts and those cleared since `from_`, newest first."""
    alerts = Alerts(db)
    most = limit + 1
    found = (
        alerts.since(site.id, from_, most) if after is None else alerts.before(site.id, from_, after, most)
    )
    return answers.Alerts(
        items=[alerted(alert) for alert in found[:limit]],
        next=found[limit - 1].id if len(found) > limit else None,
    )


def reported(db: sqlite3.Connection, site: Site, kept: Kept, at_ms: int) -> answers.AcceptanceAnswer:
    """An acceptance report as told."""
    report = kept.report
    return answers.AcceptanceAnswer(
        digest=kept.digest,
        state="expired" if at_ms >= report.expires_at_ms else "valid",
        verdict=report.verdict,
        same_configuration=Configurations(db).runs(site, report.config_version, report.config_hash),
        config_version=report.config_version,
        simulated=report.simulated,
        measured_by=report.measured_by,
        made=iso(report.made_at_ms),
        expires=iso(report.expires_at_ms),
        signed_by=report.signed_by,
        taken=iso(kept.taken_ms),
        figures=list(report.figures),
        not_counted=list(report.not_counted),
        cameras=list(report.cameras),
    )


def _told_ms(newest: Mapping[str, Any], at_ms: int) -> int:
    """Up to where coverage can be judged: the newest window is still on its way, unless it is long overdue."""
    if not newest:
        return at_ms
    end_ms: int = newest["start_ms"] + WINDOW_MS * newest.get("slots", 1)
    return end_ms if 0 <= at_ms - end_ms < ALARM_AGE_MS else at_ms


def _balance(checker: Checker, today: date, from_ms_: int) -> list[Finding]:
    found = []
    for back in range(BALANCE_DAYS):
        day = today - timedelta(days=back)
        finding = checker.day(day)
        if finding is None or finding.span[1] <= from_ms_:
            continue
        if back > 0 or finding.outcome != "unknown":
            found.append(finding)
    while found and found[-1].reason == "nothing_stored":
        found.pop()  # before the branch was first observed there is nothing to tell
    reasons = {finding.reason for finding in found}
    if reasons in ({"no_entrance"}, {"never_closes"}, {"open_at_midnight"}):
        return found[:1]  # one line says it for all days
    return found


def _findings(
    checker: Checker, evidence: Evidence, site: Site, newest: Mapping[str, Any], at_ms: int
) -> list[Finding]:
    """The checks on the last finished hour that was open, and on the calibration in force."""
    end_ms = evidence.newest_ends().get(site.id)
    if end_ms is None:
        return []
    hour_ms = bucket_start_ms(min(end_ms, at_ms), "hour", site.zone_info)
    for _ in range(BACK_H):
        start_ms = bucket_start_ms(hour_ms - 1, "hour", site.zone_info)
        found = checker.hour((start_ms, hour_ms))
        if found:
            return [*found, *checker.calibration(end_ms, newest)]
        hour_ms = start_ms
    return checker.calibration(end_ms, newest)


@dataclass(frozen=True, slots=True)
class _Opening:
    """Opening time since the branch was first observed: nothing was missed before."""

    hours: Hours
    first_ms: int | None

    def spans(self, span: Span) -> list[Span]:
        if self.first_ms is None:
            return []
        return self.hours.spans((max(span[0], self.first_ms), span[1]))


def _calendar(
    evidence: Evidence,
    site: Site,
    judged: _Opening,
    span: Span,
    at_ms: int,
    watched: Mapping[int, int] | None = None,
) -> list[tuple[date, list[Cell]]]:
    """By local day; `watched`: hour -> how long a part of the branch was observed, where that is asked for."""
    totals = evidence.totals(site.id, "hour", span)
    opening = judged.spans(span)
    calendar: dict[date, list[Cell]] = {}
    for hour in buckets(span, "hour", site.zone_info):
        opened_ms = figures.overlap_ms(opening, (hour[0], min(hour[1], at_ms))) if hour[0] < at_ms else 0
        seen = totals.get(hour[0])
        observed_ms: int | None = 0
        if seen is not None:
            observed_ms = seen.per_camera_ms(
                seen.open_observed_ms if watched is None else watched.get(hour[0], seen.open_observed_ms)
            )
            observed_ms = None if observed_ms is None else min(opened_ms, observed_ms)
        day = from_ms(hour[0], site.zone_info).date()
        calendar.setdefault(day, []).append((hour, opened_ms, observed_ms))
    return list(calendar.items())


def _day(day: date, cells: Sequence[Cell], site: Site, hours: Hours, at_ms: int) -> answers.DayCoverage:
    return answers.DayCoverage(
        date=day.isoformat(),
        coverage=_covered(cells),
        hours=[
            answers.HourCoverage(
                start=iso(cell[0][0]),
                hour=from_ms(cell[0][0], site.zone_info).hour,
                state=_state(hours, cell, at_ms),
                coverage=_covered([cell]),
            )
            for cell in cells
        ],
    )


def _state(hours: Hours, cell: Cell, at_ms: int) -> answers.HourState:
    hour, opened_ms, observed_ms = cell
    if opened_ms > 0:
        return "gap" if observed_ms == 0 else "observed"
    if hours.open_ms(hour) > 0:
        return "ahead" if hour[1] > at_ms else "before"
    return "closed"


def _coverage(
    evidence: Evidence, site: Site, judged: _Opening, span: Span, at_ms: int, *, entrances: bool = False
) -> float | None:
    """Share of the opening time of whole hours that was observed; of the `entrances` None where there is none."""
    start_ms = bucket_start_ms(span[0], "hour", site.zone_info)
    whole = (start_ms, bucket_end_ms(span[1], "hour", site.zone_info))
    doors = [line.id for line in site.entrances]
    if entrances and not doors:
        return None
    watched = evidence.open_watched(site.id, doors, whole) if entrances else None
    calendar = _calendar(evidence, site, judged, whole, at_ms, watched)
    return _covered([cell for _, cells in calendar for cell in cells])


def _covered(cells: Sequence[Cell]) -> float | None:
    """Of the hours that it is known of."""
    known = [(opened_ms, observed_ms) for _, opened_ms, observed_ms in cells if observed_ms is not None]
    return _share(sum(observed_ms for _, observed_ms in known), sum(opened_ms for opened_ms, _ in known))


def _parts(
    evidence: Evidence,
    site: Site,
    part: Part,
    judged: _Opening,
    span: Span,
    lamps: Mapping[tuple[str, str], box.Lamp],
    at_ms: int,
) -> list[dict[str, Any]]:
    opening = judged.spans(span)
    opened = {
        hour[0]: opened_ms
        for hour in buckets(span, "hour", site.zone_info)
        if hour[0] < at_ms and (opened_ms := figures.overlap_ms(opening, (hour[0], min(hour[1], at_ms))))
    }
    lately_ms = bucket_start_ms(at_ms - 24 * HOUR_MS, "hour", site.zone_info)
    lately = {start_ms: opened_ms for start_ms, opened_ms in opened.items() if start_ms >= lately_ms}
    observed = evidence.observed(site.id, part, span)
    stored = evidence.totals(site.id, "hour", span).keys()
    faults = evidence.faults(site.id, "hour", span)
    found = []
    for each in site.cameras if part == "camera" else site.sensors:
        lamp = lamps.get((part, each.id), box.DARK)
        hours = observed.get(each.id, {})
        found.append(
            {
                "id": each.id,
                "state": lamp.state,
                "fault": lamp.fault,
                "coverage": _observed_share(hours, _while_there(hours, opened, stored)),
                "coverage_day": _observed_share(hours, _while_there(hours, lately, stored)),
                "faults": [
                    answers.FaultTime(fault=fault, seconds=fault_ms / 1000)
                    for fault, fault_ms in sorted(faults.get((part, each.id), {}).items())
                ],
            }
        )
    return found


def _while_there(
    hours: Mapping[int, int], opened: Mapping[int, int], stored: Collection[int]
) -> dict[int, int]:
    """Hours in which a part was due: not those whose windows do not name it, nor any before the first that does.

    When nothing at all was stored nobody says that it was not there: that is a gap of its own as well.
    """
    first_ms = min(hours, default=0)
    return {
        start_ms: opened_ms
        for start_ms, opened_ms in opened.items()
        if start_ms in hours or (start_ms not in stored and start_ms >= first_ms)
    }


def _observed_share(hours: Mapping[int, int], opened: Mapping[int, int]) -> float | None:
    """Of hours that were open in part, no more than that part can have been observed."""
    seen_ms = sum(min(hours.get(start_ms, 0), opened_ms) for start_ms, opened_ms in opened.items())
    return _share(seen_ms, sum(opened.values()))


def _calibrated(newest: Mapping[str, Any], camera: Camera) -> dict[str, int | None]:
    """As its newest window says; the zero of marks that fit whatever was typed is no residual."""
    said: Iterable[Mapping[str, Any]] = newest.get("cameras", [])
    told = next((each for each in said if each["camera"] == camera.id), {})
    residual_mm = None if camera.calibration.always_fits else told.get("calibration_residual_mm")
    return {"calibration_residual_mm": residual_mm, "calibration_age_days": told.get("calibration_age_days")}


def _guarded(finding: Finding) -> Finding:
    """Of so few who checked in nothing is told where nothing is wrong: the funnel does not tell them either."""
    few = finding.check == "tickets" and 0 < (finding.value or 0) < SMALL
    if not few or finding.outcome != "ok":
        return finding
    return unknown("tickets", finding.subject, finding.span, "too_few")


def _told(finding: Finding) -> answers.FindingAnswer:
    return answers.FindingAnswer(
        check=finding.check,
        subject=finding.subject,
        from_=iso(finding.span[0]),
        to=iso(finding.span[1]),
        outcome=finding.outcome,
        reason=finding.reason,
        value=finding.value,
        expected=finding.expected,
        tolerance=finding.tolerance,
        basis=finding.basis,
        numbers=dict(finding.numbers),
        turned=finding.turned,
    )


def _share(part_ms: int, whole_ms: int) -> models.Share | None:
    return min(1.0, part_ms / whole_ms) if whole_ms > 0 else None
