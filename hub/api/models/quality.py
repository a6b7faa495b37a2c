"""What the API answers about quality, typed. Codes (checks, reasons, kinds) are explained in docs/quality.md."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from branchloop.acceptance.report import (
    MeasuredCamera,
    ReportFigure as AcceptedFigure,
    Verdict as ReportVerdict,
)
from hub.api.models.answers import AlertAnswer, Answer, Light, Moment, Share
from hub.loop.finding import Basis, Check, Outcome, Reason as NotMade
from hub.loop.trust import Reason, Verdict

HourState = Literal["observed", "gap", "closed", "before", "ahead"]
"""before: the branch was never observed until then."""


class Trust(Answer):
    """Whether the counts can be trusted, why not more, and the figures to be read with care."""

    verdict: Verdict
    reasons: list[Reason]
    tainted: list[str]
    coverage: Share | None = Field(description="of the opening time of the last 7 days")
    entrances: Share | None = Field(description="the same of the entrances, by the cameras that see them")
    report: str | None = Field(description="digest of the acceptance report by which that is said")


class HourCoverage(Answer):
    """One local hour; `coverage` is of its opening time so far, null where none is judged."""

    start: Moment
    hour: int
    state: HourState
    coverage: Share | None


class DayCoverage(Answer):
    """One local day."""

    date: str
    coverage: Share | None
    hours: list[HourCoverage]


class FaultTime(Answer):
    """How long a fault was there, by the windows that had it."""

    fault: str
    seconds: float


class PartQuality(Answer):
    """A camera or sensor: how it is now, and how it was over the days asked for."""

    id: str
    state: Light
    fault: str | None
    coverage: Share | None = Field(description="of the opening time asked for")
    coverage_day: Share | None = Field(description="of the opening time of the last 24 hours")
    faults: list[FaultTime]


class CameraQuality(PartQuality):
    """A camera, and its calibration."""

    calibration_residual_mm: int | None
    calibration_age_days: int | None


class FindingAnswer(Answer):
    """What a check found: `value` against `expected`, at most `tolerance` apart; or why it was not made."""

    check: Check
    subject: str = Field(description="line, camera or sensor; empty: the branch")
    from_: Moment = Field(alias="from")
    to: Moment
    outcome: Outcome
    reason: NotMade | None
    value: float | None
    expected: float | None
    tolerance: float | None
    basis: Basis | None = Field(description="what the tolerance rests on")
    numbers: dict[str, float]
    turned: str = Field(
        description="of what does not fit, the one entrance that explains it if its `inside` is on the wrong side, or empty"
    )


class Alerts(Answer):
    """Open alerts and those cleared lately, newest first; `next` is to be given as `after`."""

    items: list[AlertAnswer]
    next: int | None


class AcceptanceAnswer(Answer):
    """An acceptance report: what was measured, until when it holds, and whether it still does."""

    digest: str = Field(description="SHA-256 of the signed text")
    state: Literal["valid", "expired"]
    verdict: ReportVerdict
    same_configuration: bool = Field(description="measured on the configuration that the branch has now")
    config_version: int
    simulated: bool
    measured_by: str
    made: Moment
    expires: Moment
    signed_by: str = Field(description="fingerprint of the key")
    taken: Moment
    figures: list[AcceptedFigure]
    not_counted: list[str] = Field(description="lines that nobody counted by hand: in no figure")
    cameras: list[MeasuredCamera]


class AcceptanceReports(Answer):
    """The acceptance reports of a branch, the last made first."""

    items: list[AcceptanceAnswer]


class Quality(Answer):
    """Everything by which a branch's counts can be judged."""

    server_time: Moment
    timezone: str
    simulated: bool
    from_: Moment = Field(alias="from")
    to: Moment
    trust: Trust
    coverage: Share | None = Field(description="of the opening time asked for, up to now")
    days: list[DayCoverage]
    cameras: list[CameraQuality]
    sensors: list[PartQuality]
    balance: list[FindingAnswer] = Field(description="the overnight zero, day by day, newest first")
    findings: list[FindingAnswer] = Field(description="all other checks: the last that could be told")
    alerts: list[AlertAnswer] = Field(description="all open ones, then those that cleared lately")
    reports: list[AcceptanceAnswer]
