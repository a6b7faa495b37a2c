"""The checks of `hub.loop` made on what is stored: finished hours, finished days, the calibration in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from branchloop.clock import (
    DAY_MS,
    MINUTE_MS,
    bucket_end_ms,
    bucket_start_ms,
    from_ms,
    local_day_end_ms,
    local_day_start_ms,
    to_ms,
)
from branchloop.site.site import Sensor, Site
from hub.loop import conservation, drift
from hub.loop.conservation import Level, Passage
from hub.loop.finding import CountError, Finding, Span, unknown
from hub.store.branches.drawn import Drawn, Part
from hub.store.branches.opening import Hours
from hub.store.figures.evidence import LAST_MS, Evidence, Observed, PartHour

HISTORY_DAYS = 56
LEVEL_DAYS = 14
SEEN_DAYS = 7
LEAST_OF_A_MINUTE = 0.9
Learnt = tuple[int, float]
"""A site's day (start in UTC ms) and the share of those inside that cameras see."""


class Checker:
    """Checks of one site at one moment of the store. Reads a bounded number of rows a call."""

    def __init__(
        self,
        evidence: Evidence,
        site: Site,
        hours: Hours,
        error: CountError,
        learnt: dict[str, Learnt] | None = None,
        drawn: Mapping[Drawn, int] | None = None,
    ) -> None:
        """`hours` are the branch's over time; `learnt` keeps what holds for a day, for whoever looks at many hours of many sites.

        `drawn` tells since when lines and zones are drawn as they are, where that changed.
        """
        self._drawn = {} if drawn is None else drawn
        self._learnt = {} if learnt is None else learnt
        self._evidence = evidence
        self._site = site
        self._error = error
        self._zone = site.zone_info
        self._hours = hours
        self._entrances = [line.id for line in site.entrances]

    def hour(self, span: Span) -> list[Finding]:
        """Findings on one finished local hour in which the branch was open; none otherwise."""
        if self.open_ms(span) == 0:
            return []
        day_ms = bucket_start_ms(span[0], "day", self._zone)
        so_far = (day_ms, span[1])
        return [
            self._balance(so_far),
            self._tickets(so_far),
            *self._lines(span),
            *self._zones(span),
            *self._observers(span),
            *self._sensors(span),
        ]

    def day(self, day: date) -> Finding | None:
        """The overnight zero of one local day, None where the branch did not open at all."""
        span = (local_day_start_ms(day, self._zone), local_day_end_ms(day, self._zone))
        opening = self._hours.spans(span)
        if not opening:
            return None
        closing_ms = opening[-1][1]
        totals = self._evidence.totals(self._site.id, "hour", span)
        if totals and not self._entrances and not self._evidence.open_watched(self._site.id, [], span):
            return unknown("overnight", "", span, "no_entrance")
        last_ms = max((observed.last_ms for observed in totals.values()), default=0)
        return conservation.overnight(
            self._passage(span, totals),
            self._began(day),
            self._level(min(span[1], last_ms + -last_ms % MINUTE_MS)),
            self._error,
            open_after=closing_ms == span[1] and self._hours.is_open(span[1]),
            rests=self.open_ms(span) < span[1] - span[0],
            watched=last_ms >= closing_ms,
        )

    def calibration(self, at_ms: int, newest: Mapping[str, Any] | None) -> list[Finding]:
        """Residual and age of every camera, as its newest window says."""
        said = {camera["camera"]: camera for camera in (newest or {}).get("cameras", [])}
        return [
            finding
            for camera in self._site.cameras
            for finding in drift.calibration(
                camera.id,
                at_ms,
                said.get(camera.id, {}).get("calibration_residual_mm"),
                said.get(camera.id, {}).get("calibration_age_days"),
                dated=camera.calibration.measured_on is not None,
                always_fits=camera.calibration.always_fits,
            )
        ]

    def hours(self, span: Span) -> Iterator[Span]:
        """The whole local hours within a stretch."""
        at_ms = span[0]
        while at_ms < span[1]:
            end_ms = bucket_end_ms(at_ms, "hour", self._zone)
            if bucket_start_ms(at_ms, "hour", self._zone) == at_ms and end_ms <= span[1]:
                yield at_ms, end_ms
            at_ms = end_ms

    def open_ms(self, span: Span) -> int:
        """Opening time within a stretch."""
        return self._hours.open_ms(span)

    def _balance(self, so_far: Span) -> Finding:
        if not self._entrances:
            return unknown("balance", "", so_far, "no_entrance")
        totals = self._evidence.totals(self._site.id, "hour", so_far)
        began = self._began(from_ms(so_far[0], self._zone).date())
        share = self._seen_share(so_far[0])
        now = self._level(so_far[1])
        found = conservation.balance(self._passage(so_far, totals), began, now, self._error, share)
        if found.outcome != "off":
            return found
        return conservation.explained(found, self._evidence.passed(self._site.id, self._entrances, so_far))

    def _tickets(self, so_far: Span) -> Finding:
        if not self._entrances:
            return unknown("tickets", "", so_far, "no_entrance")
        totals = self._evidence.totals(self._site.id, "hour", so_far)
        given = self._evidence.tickets(self._site.id, so_far)
        return conservation.tickets(
            self._passage(so_far, totals), given, self._error, kiosks=len(self._site.kiosks)
        )

    def _lines(self, span: Span) -> list[Finding]:
        counted = self._counted(span, "line", self._evidence.lines_at)
        return [drift.line_history(line.id, span, *counted(line.id)) for line in self._site.lines]

    def _zones(self, span: Span) -> list[Finding]:
        counted = self._counted(span, "zone", self._evidence.zones_at)
        return [drift.zone_history(zone.id, span, *counted(zone.id)) for zone in self._site.zones]

    def _counted(
        self,
        span: Span,
        part: Part,
        at: Callable[[str, list[int]], Mapping[int, Mapping[str, PartHour]]],
    ) -> Callable[[str], tuple[drift.Hour, list[drift.Hour]]]:
        """Of a line or zone: what was counted in the hour, and in hours before it since it was drawn as it is."""
        past = self._past_hours(span[0])
        starts = [*past, span[0]]
        totals = self._evidence.totals_at(self._site.id, "hour", starts)
        counts = at(self._site.id, starts)

        def hour(start_ms: int, subject: str) -> drift.Hour | None:
            seen, counted = totals.get(start_ms), counts.get(start_ms, {}).get(subject)
            if seen is None or counted is None:
                return None  # nothing stored, or it was not drawn yet
            return self._hour(start_ms, counted.count, self._observed(seen, counted, start_ms))

        def compared(subject: str) -> tuple[drift.Hour, list[drift.Hour]]:
            since_ms = self._drawn.get((part, subject), 0)
            before = (hour(start_ms, subject) for start_ms in past if start_ms >= since_ms)
            now = hour(span[0], subject) or self._hour(span[0], 0.0, 0.0)
            return now, [each for each in before if each is not None]

        return compared

    def _observers(self, span: Span) -> list[Finding]:
        past = self._past_hours(span[0])
        seen = self._evidence.cameras_at(self._site.id, [*past, span[0]])

        def hour(start_ms: int, camera: str) -> drift.Hour:
            told = seen.get(start_ms, {}).get(camera)
            if told is None or told.observed_ms <= 0:
                return self._hour(start_ms, 0.0, 0.0)
            length_ms = bucket_end_ms(start_ms, "hour", self._zone) - start_ms
            return self._hour(
                start_ms, told.analysed / (told.observed_ms / 1000), told.observed_ms / length_ms
            )

        return [
            drift.camera_history(
                camera.id, span, hour(span[0], camera.id), [hour(start_ms, camera.id) for start_ms in past]
            )
            for camera in self._site.cameras
        ]

    def _sensors(self, span: Span) -> list[Finding]:
        sensors = [sensor for sensor in self._site.sensors if sensor.present_below_m is not None]
        if not sensors:
            return []
        told = self._evidence.sensors_at(self._site.id, [span[0]]).get(span[0], {})
        totals = self._evidence.totals_at(self._site.id, "hour", [span[0]]).get(span[0])
        plan = self._site.plan
        shape = (round(plan.cell_m * 1000), plan.rows, plan.cols)
        grid = self._evidence.heat(self._site.id, "hour", span, shape)
        cells: Sequence[float] = [] if grid is None else grid.tolist()
        ever = self._evidence.heat(self._site.id, "day", (span[0] - SEEN_DAYS * DAY_MS, span[1]), shape)
        before: Sequence[float] = [] if ever is None else ever.tolist()
        observed_ms = 0 if totals is None else totals.per_camera_ms(totals.observed_ms) or 0
        found = []
        for sensor in sensors:
            hour = told.get(sensor.id)
            cone = drift.Cone(
                self._under(sensor, cells, -drift.PLACE_ERROR_M),
                self._under(sensor, cells, drift.PLACE_ERROR_M),
                observed_ms,
                self._under(sensor, before, drift.PLACE_ERROR_M) > 0,
            )
            present_ms, told_ms = (0, 0) if hour is None else (hour.present_ms, hour.told_ms)
            found.append(drift.sensor_agreement(sensor.id, span, present_ms, told_ms, cone))
        return found

    def _under(self, sensor: Sensor, cells: Sequence[float], more_m: float) -> float:
        plan = self._site.plan
        radius_m = max(0.0, drift.reach_m(sensor.height_m, sensor.cone_deg) + more_m)
        return drift.in_cone(cells, plan.cols, plan.cell_m, (sensor.x_m, sensor.y_m), radius_m)

    def _passage(self, span: Span, totals: Mapping[int, Observed]) -> Passage:
        by_hour = self._evidence.passages(self._site.id, self._entrances, span)
        open_ms = self.open_ms(span)
        coverage = None
        if totals and open_ms > 0:
            watched = self._evidence.open_watched(self._site.id, self._entrances, span)
            by_camera = [each.per_camera_ms(watched.get(start, 0)) for start, each in totals.items()]
            known = [each for each in by_camera if each is not None]
            coverage = min(1.0, sum(known) / open_ms) if len(known) == len(by_camera) else None
        return Passage(
            span,
            sum(went_in for went_in, _ in by_hour.values()),
            sum(went_out for _, went_out in by_hour.values()),
            coverage,
        )

    def _began(self, day: date) -> Level:
        """Who is inside at midnight: nobody, unless the branch was open then."""
        start_ms = local_day_start_ms(day, self._zone)
        return self._level(start_ms) if self._hours.is_open(start_ms - 1) else Level(0.0)

    def _level(self, end_ms: int) -> Level:
        """People at the end of the last observed minute before a moment.

        Made of the minute's mean and half of who came or went in it, in whole people.
        """
        end_ms -= end_ms % MINUTE_MS
        span = (end_ms - LAST_MS, end_ms)
        for start_ms, observed in reversed(
            list(self._evidence.totals(self._site.id, "minute", span).items())
        ):
            if observed.observed_ms >= LEAST_OF_A_MINUTE * observed.expected_ms > 0:
                minute = (start_ms, start_ms + MINUTE_MS)
                crossings = self._evidence.passages(self._site.id, self._entrances, minute, "minute")
                people = observed.people or 0.0
                went_in, went_out = crossings.get(start_ms, (0, 0))
                people += (went_in - went_out) / 2
                return Level(max(0.0, float(round(people))), went_in + went_out)
        return Level(None)

    def _seen_share(self, day_ms: int) -> float:
        """What the cameras see of those inside, learnt from the days before; see `conservation.seen_share`."""
        known = self._learnt.get(self._site.id)
        if known is None or known[0] != day_ms:
            known = self._learnt[self._site.id] = (day_ms, self._learn(day_ms))
        return known[1]

    def _learn(self, day_ms: int) -> float:
        earlier: list[tuple[float, float]] = []
        today = from_ms(day_ms, self._zone).date()
        for back in range(1, LEVEL_DAYS + 1):
            day = today - timedelta(days=back)
            if self._hours.is_open(local_day_start_ms(day, self._zone) - 1):
                continue
            span = (local_day_start_ms(day, self._zone), local_day_end_ms(day, self._zone))
            passages = self._evidence.passages(self._site.id, self._entrances, span)
            ends = [end_ms for start_ms, end_ms in self.hours(span) if self.open_ms((start_ms, end_ms))]
            levels = self._evidence.totals_at(
                self._site.id, "minute", [end_ms - MINUTE_MS for end_ms in ends]
            )
            for end_ms in ends:
                minute = levels.get(end_ms - MINUTE_MS)
                if minute is not None and minute.people is not None:  # its crossings blur out over many days
                    inside = sum(w[0] - w[1] for start_ms, w in passages.items() if start_ms < end_ms)
                    earlier.append((inside, minute.people))
        return conservation.seen_share(earlier)

    def _past_hours(self, start_ms: int) -> list[int]:
        """Starts of the same local hour on the days before, as far as the branch was open then."""
        local = from_ms(start_ms, self._zone)
        found = []
        for back in range(1, HISTORY_DAYS + 1):
            day = local.date() - timedelta(days=back)
            past_ms = bucket_start_ms(
                to_ms(datetime.combine(day, time(local.hour), tzinfo=self._zone)), "hour", self._zone
            )
            if self.open_ms((past_ms, bucket_end_ms(past_ms, "hour", self._zone))) > 0:
                found.append(past_ms)
        return found

    def _hour(self, start_ms: int, value: float, observed: float) -> drift.Hour:
        local = from_ms(start_ms, self._zone)
        return drift.Hour(local.weekday(), local.hour, value, observed)

    def _observed(self, totals: Observed, part: PartHour, start_ms: int) -> float:
        length_ms = bucket_end_ms(start_ms, "hour", self._zone) - start_ms
        return min(1.0, (totals.per_camera_ms(part.observed_ms) or 0) / length_ms)
