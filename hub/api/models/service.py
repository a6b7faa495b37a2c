"""What the API answers about a day of service, typed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from branchloop.site.parts import Text
from hub.api.models.answers import Answer, Moment, Share


class ForecastError(Answer):
    """What was told at arrival against what came of it, over the last 28 days to the end of the day."""

    waits: int | None = Field(
        description="forecasts of a wait that is over; null when too few to be told. Who was told no wait is apart"
    )
    mae_s: float | None = Field(description="mean absolute error of the median that was told")
    covered: Share | None = Field(description="share of waits within the interval; 0.8 is meant")
    no_wait: int | None = Field(description="who was told that there is no wait")
    no_wait_wrong: int | None = Field(description="of those, who waited over a minute")


class ServiceFigures(Answer):
    """A day of one service; `service` is null for all of them."""

    service: str | None
    name: Text | None
    came: int | None = Field(
        description="who checked in or took a ticket; for a service, who was sent on to it too"
    )
    waiting: int | None
    serving: int | None
    parked: int | None
    served: int | None
    left: int | None = Field(description="who went away unserved")
    sent_on: int | None = Field(description="how often somebody was sent on from it to another service")
    left_share: Share | None = Field(description="of those whose visit is over")
    missed: int | None = Field(description="appointments that nobody came to; no tickets from afar")
    no_show: Share | None = Field(description="of appointments that came or whose arrival window is over")
    wait_median_s: float | None = Field(
        description="of waits for a call, from arrival or from being sent on; not of who was parked before it"
    )
    wait_p90_s: float | None
    service_median_s: float | None = Field(description="at the counter, of those served or sent on")
    service_p90_s: float | None
    outcomes: dict[str, int] | None
    expected_wait_s: float | None = Field(description="of who comes now; today only")
    expected_low_s: float | None
    expected_high_s: float | None
    error: ForecastError
    absent: Literal["small"] | None = Field(description="small: counts of 1 to 4 are in it")


class FloorQueue(Answer):
    """What the floor's sensing saw of one queue that day; null when it was not observed."""

    id: str
    name: Text | None
    waiting_now: float | None = Field(
        description="of today and heard of lately, as `stale` of the live answer has it; otherwise null"
    )
    joined: int | None
    served: int | None
    abandoned: int | None
    abandonment: Share | None
    wait_median_s: float | None
    coverage: Share | None


class Beside(Answer):
    """Tickets beside the floor: both count people who came to be served, by ways of their own."""

    tickets: int | None = Field(description="null where the branch has no service, so gives none")
    joined: int | None = Field(
        description="joins of all queues; null when one was not observed, or where queues share a counter, and joins may not be added"
    )
    difference: int | None = Field(description="joined less tickets; null when either is not known")
    absent: Literal["shared_counters"] | None = Field(
        description="shared_counters: who goes on from one queue to another of the same counters joins both and comes once,"
        " so that joins of all queues are more than people"
    )
    coverage: Share | None = Field(description="of the least covered queue")


class ServiceDay(Answer):
    """A day of service at a branch."""

    day: str
    as_of: Moment
    total: ServiceFigures
    services: list[ServiceFigures]
    floor: list[FloorQueue]
    beside: Beside
