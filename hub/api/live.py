"""What is the case in a branch right now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from branchloop.clock import MINUTE_MS, bucket_start_ms, iso
from branchloop.kpis import duration_quantile_s
from branchloop.site.site import Site
from hub.api import box, figures, queues, taints
from hub.api.alerts import alerted
from hub.api.history import Through, covered_at
from hub.api.models import answers as models
from hub.api.newest import Newest, figure_of, stale
from hub.api.question import of_part
from hub.api.state import State, now_ms
from hub.store.figures.alerts import StoredAlert
from hub.store.figures.reading import Crossings, Reader, Sums
from hub.store.figures.stretch import Span
from hub.store.figures.sums import LineSums, ZoneSums

NOTICES = 20
TODAY = (
    "footfall", "crossings_in", "crossings_out", "zone_visits", "dwell_median", "dwell_p90", "wait_median",
    "wait_p90", "abandonment",
)  # fmt: skip
"""The figures that are told of the whole day so far."""


@dataclass(frozen=True, slots=True)
class Today:
    """Sums of the branch's own day so far."""

    span: Span
    sums: Sums
    lines: Crossings
    entered: LineSums
    """Crossings of the entrances."""
    coverage: float | None
    faults: taints.Faults

    @classmethod
    def read(cls, reader: Reader, site: Site, now: int) -> Today:
        """From the branch's midnight to now."""
        span = (bucket_start_ms(now, "day", site.zone_info), now - now % MINUTE_MS + MINUTE_MS)
        sums = reader.sums(site, span)
        opened_ms = figures.overlap_ms(reader.hours(site, now).spans(span), (span[0], now))
        share = figures.coverage(
            opened_ms,
            sums.windows_ms,
            sums.observed_ms,
            sums.expected_ms,
            sums.open_observed_ms,
        )
        entered = reader.entered(site, span)
        return cls(span, sums, reader.lines(site, span), entered, share, reader.doubts(site, span, now))

    def through(self, site: Site) -> dict[str, models.Figure]:
        """Crossings of the entrances, and who of them came in anew."""
        counts = Through.of(self.entered, self.sums)
        covered = covered_at(self.coverage, site, self.entered, self.sums)
        return {
            key: figure_of(value, "people", covered, self.sums.last_ms, taints.of_figure(key, self.faults))
            for key, value in (
                ("crossings_in", counts.went_in),
                ("crossings_out", counts.went_out),
                ("footfall", counts.visitors),
            )
        }


def summary(reader: Reader, site: Site) -> models.BranchSummary:
    """A branch in the list."""
    now = now_ms()
    newest = Newest(reader.latest(site.id) or {})
    device = reader.device(site)
    faults = taints.right_now(newest.body, box.said(device, now), _keys(reader.open_alerts(site.id)))
    return models.BranchSummary(
        id=site.id,
        name=site.name,
        timezone=site.timezone,
        simulated=site.simulated,
        note=site.note,
        open_now=site.is_open(now),
        online=bool(device and device[0]),
        occupancy=newest.figure(
            newest.body.get("people_end"), newest.coverage, taints.of_figure("occupancy", faults)
        ),
        footfall_today=Today.read(reader, site, now).through(site)["footfall"],
        as_of=_iso(newest.end_ms),
    )


def live(state: State, site: Site) -> models.Live:
    """The live page's facts: figures of the newest window and of today, lights, notices, dots."""
    now = now_ms()
    with Reader.open(state.data_dir) as reader:
        newest = Newest(reader.latest(site.id) or {})
        device = reader.device(site)
        notices = reader.notices(site.id, NOTICES)
        today = Today.read(reader, site, now)
        zones = reader.zones(site, today.span)
        analysed = reader.cameras(site, today.span)
        opened = reader.open_alerts(site.id)
        faults = taints.right_now(newest.body, box.said(device, now), _keys(opened))
        waiting = queues.right_now(reader, site, newest, faults, now)
    lamps = box.lamps(device, newest, now)
    through = today.through(site)
    dots = state.dots.of(site.id, now)
    return models.Live(
        as_of=_iso(newest.end_ms),
        server_time=iso(now),
        timezone=site.timezone,
        stale=stale(newest.end_ms, now),
        simulated=site.simulated,
        occupancy=newest.figure(
            newest.body.get("people_end"), newest.coverage, taints.of_figure("occupancy", faults)
        ),
        in_today=through["crossings_in"],
        out_today=through["crossings_out"],
        footfall_today=through["footfall"],
        tainted=taints.of_figures(TODAY, today.faults),
        lines=[_line(line.id, today) for line in site.lines],
        zones=[_zone(zone.id, newest, today, zones, faults) for zone in site.zones],
        queues=waiting,
        cameras=_cameras(site, newest, lamps, analysed),
        pairs=_pairs(newest),
        sensors=_sensors(site, newest, lamps),
        alerts=[alerted(alert) for alert in opened],
        device=box.told(device),
        notices=[
            models.NoticeLine(**{k: v for k, v in notice.items() if k != "at_ms"}, at=iso(notice["at_ms"]))
            for notice in notices
        ],
        dots=[(x / 1000, y / 1000) for x, y in dots.dots_mm] if dots else [],
        dots_at=iso(dots.at_ms) if dots else None,
    )


def _line(line: str, today: Today) -> models.LineToday:
    passed = today.lines.get(line, LineSums())
    counts = Through.of(passed, today.sums)
    covered = of_part(today.coverage, passed, today.sums)
    return models.LineToday(id=line, in_=counts.went_in, out=counts.went_out, coverage=covered)


def _zone(
    zone: str,
    newest: Newest,
    today: Today,
    zones: Mapping[str, ZoneSums],
    faults: taints.Faults,
) -> models.ZoneNow:
    found = newest.by_id("zones", "zone").get(zone)
    people = None
    if found is not None:
        people = figures.mean_people(found["person_ms"], newest.looked_ms(found))
    stays = zones.get(zone, ZoneSums())
    return models.ZoneNow(
        id=zone,
        occupancy=newest.figure(
            people, newest.coverage_of(found), taints.of_figure("zone_occupancy", faults)
        ),
        visits_today=stays.entries if stays.observed_ms > 0 else None,
        dwell_median_s=duration_quantile_s(stays.bins, 0.5),
        dwell_p90_s=duration_quantile_s(stays.bins, 0.9),
        coverage=of_part(today.coverage, stays, today.sums),
    )


def _cameras(
    site: Site,
    newest: Newest,
    lamps: Mapping[tuple[str, str], box.Lamp],
    analysed: Mapping[str, tuple[int, int, int]],
) -> list[models.CameraNow]:
    seen = newest.by_id("cameras", "camera")
    found = []
    for camera in site.cameras:
        lamp = lamps.get(("camera", camera.id), box.DARK)
        part = seen.get(camera.id)
        found.append(
            models.CameraNow(
                id=camera.id,
                state=lamp.state,
                since=lamp.since,
                fault=lamp.fault,
                detail=lamp.detail,
                coverage=None if part is None else min(1.0, part["observed_ms"] / newest.duration_ms),
                calibration_residual_mm=None
                if camera.calibration.always_fits
                else (part or {}).get("calibration_residual_mm"),
                calibration_age_days=(part or {}).get("calibration_age_days"),
                frames_analysed=analysed[camera.id][2] if camera.id in analysed else None,
            )
        )
    return found


def _sensors(site: Site, newest: Newest, lamps: Mapping[tuple[str, str], box.Lamp]) -> list[models.SensorNow]:
    seen = newest.by_id("sensors", "sensor")
    found = []
    for sensor in site.sensors:
        lamp = lamps.get(("sensor", sensor.id), box.DARK)
        read = seen.get(sensor.id, {})
        observed_ms, present_ms = read.get("observed_ms"), read.get("present_ms")
        valid, sum_mm = read.get("valid"), read.get("sum_mm")
        found.append(
            models.SensorNow(
                id=sensor.id,
                state=lamp.state,
                since=lamp.since,
                fault=lamp.fault,
                detail=lamp.detail,
                nearest_mm=read.get("nearest_mm"),
                mean_mm=round(sum_mm / valid) if valid and sum_mm is not None else None,
                present=present_ms * 2 >= observed_ms if observed_ms and present_ms is not None else None,
                present_s=None if present_ms is None else present_ms / 1000,
                observed_s=None if observed_ms is None else observed_ms / 1000,
                coverage=None if observed_ms is None else min(1.0, observed_ms / newest.duration_ms),
            )
        )
    return found


def _pairs(newest: Newest) -> list[models.PairNow]:
    return [
        models.PairNow(
            first=pair["first"],
            second=pair["second"],
            fault=pair["wrong"],
            disagreement_mm=pair.get("disagreement_mm"),
            clock_ms=pair.get("clock_ms"),
        )
        for pair in taints.wrong_pairs(newest.body)
    ]


def _keys(opened: Iterable[StoredAlert]) -> list[tuple[str, str]]:
    return [(alert.kind, alert.subject) for alert in opened]


def _iso(t_ms: int | None) -> str | None:
    return None if t_ms is None else iso(t_ms)
