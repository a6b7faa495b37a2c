"""What the API answers of events out; the envelope is the one that webhooks get, see docs/events.md."""

from __future__ import annotations

from pydantic import Field

from hub.api.models.answers import Answer, Moment


class EventData(Answer):
    """What happened in a journey. `customer` is a pseudonym for the one who reads it, and for nobody else."""

    site: str
    journey: str
    service: str | None
    channel: str | None
    scene: str | None
    partner: str | None
    customer: str | None
    appointment: str | None
    detail: dict[str, str | int | float | bool | None]


class Event(Answer):
    """One line of the ledger of journeys."""

    id: str
    type: str
    version: int
    timestamp: Moment
    data: EventData


class Events(Answer):
    """Lines in order; `next` is the `after` that goes on from here, until it is `head`.

    A page may hold fewer lines than asked for, or none: those of branches out of the token's scope are left out.
    """

    items: list[Event]
    next: int
    head: int


class TargetAnswer(Answer):
    """How a webhook fares."""

    id: str
    url: str
    configured: bool
    disabled: bool = Field(description="it answered 410; a new url or a retry wakes it")
    cursor: int
    behind: int = Field(description="lines of the ledger that it has not come to, its own or not")
    attempts: int
    next_attempt: Moment | None
    error: str | None
    delivered: Moment | None
    dead_letters: int


class Targets(Answer):
    """All webhooks."""

    items: list[TargetAnswer]
