"""What the API answers about journeys and their value, typed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hub.api.models.answers import Answer, Moment, Share
from hub.loop.value import By


class FunnelStage(Answer):
    """One stage of a group; `absent` says why a figure that exists is not told."""

    stage: str
    journeys: int | None
    entered: int | None = Field(description="journeys of which this is the first stage")
    conversion: Share | None = Field(description="share of the stage before that also reached this one")
    median_s: float | None = Field(description="from the stage before; null below 5 journeys")
    absent: Literal["small", "not_recorded"] | None
    at_least: int | None = Field(default=None, description="where journeys is absent: so many for certain")


class FunnelGroup(Answer):
    """The funnel of one group; `group` is null for all of them."""

    group: str | None
    stages: list[FunnelStage]
    cancelled: int | None
    no_show: Share | None = Field(description="missed of the booked that were missed or arrived")
    cost: float | None
    cost_per_served: float | None
    value: float | None
    cross_sold: int | None = Field(
        default=None, description="journeys whose follow-up, another service, was booked and served"
    )
    absent: Literal["small"] | None = Field(description="small: something of this group is not told")


class Cohort(Answer):
    """Customers by the week of their first journey in the period, by the calendar of the branch it began at."""

    week: str = Field(description="its Monday")
    customers: int | None
    returned: int | None
    absent: Literal["small"] | None


class Funnel(Answer):
    """Journeys that began in the period, by stage and group, as known now.

    For who may not see single persons the period is widened to whole weeks of each branch; `from` and `to` say it.
    """

    from_: Moment = Field(alias="from")
    to: Moment
    by: By
    currency: str
    total: FunnelGroup
    groups: list[FunnelGroup]
    cohorts: list[Cohort]
