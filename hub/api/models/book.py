"""What the API takes and answers about slots, appointments and the day's board."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from branchloop.site.parts import Text
from branchloop.text.catalogue import Language
from branchloop.wire.payload import Id
from hub.api.models.answers import Answer, Moment
from hub.api.models.consent import Asked
from hub.loop.appointments import Kind, Method, Outcome, State


class SlotAnswer(Answer):
    """A time at which a service can be booked."""

    start: Moment
    end: Moment
    places: int
    free: int


class Slots(Answer):
    """A day's slots in order."""

    service: str
    day: str
    items: list[SlotAnswer]


class Book(Asked):
    """An appointment that is wanted."""

    service: Id
    start: Annotated[str, Field(max_length=40, description="RFC 3339 with zone; the start of a slot")]
    name: Annotated[str, Field(min_length=1, max_length=60)]
    title: Literal["mr", "ms"] | None = None
    customer: Id | None = Field(
        default=None, description="the bank's pseudonym for this customer; a new one without it"
    )
    minor: bool = False


class Call(Asked):
    """Who is called, and to where."""

    counter: Annotated[str, Field(min_length=1, max_length=32, pattern=r"\S")] | None = None


class CallNext(Asked):
    """A counter asks for whoever is first in line."""

    counter: Annotated[str, Field(min_length=1, max_length=32, pattern=r"\S")]
    services: Annotated[list[Id], Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="only these of what the counter serves"
    )


class Show(Asked):
    """A booking code that somebody shows, typed or as the QR code's text."""

    code: Annotated[str, Field(min_length=1, max_length=120)]


class Move(Asked):
    """Another time for an appointment."""

    start: Annotated[str, Field(max_length=40, description="RFC 3339 with zone; the start of a slot")]


class WalkIn(Asked):
    """Somebody without an appointment."""

    service: Id
    name: Annotated[str, Field(max_length=60)] = ""
    language: Language = "zh"


class Transfer(Asked):
    """To which service somebody is sent on."""

    service: Id


class FollowUpAsked(Asked):
    """What comes next for the customer."""

    text: Annotated[str, Field(min_length=1, max_length=300)]
    service: Id | None = None


class Finish(Asked):
    """What a visit came to."""

    outcome: Outcome
    follow_up: FollowUpAsked | None = None


class AppointmentAnswer(Answer):
    """One appointment: masked, as a board shows it."""

    id: str
    service: str
    start: Moment
    end: Moment
    arrive_from: Moment
    arrive_to: Moment
    masked_name: str
    title: Literal["mr", "ms"] | None
    booking_no: str
    state: State
    missed: bool = Field(description="booked, and the arrival window is over")
    arrived: Moment | None
    called: Moment | None
    served: Moment | None
    number: str | None
    aliases: list[str] = Field(description="other numbers given for it while kiosks were cut off")
    provisional: bool = Field(description="a ticket of it was given while the hub was out of reach")
    method: Method | None
    counter: str | None
    kind: Kind
    calls: int = Field(description="how often it was called again")
    outcome: Outcome | None
    waited_s: float | None = Field(
        description="from arrival, or from being sent on, to the first call, or until now"
    )
    recognisable: bool = Field(description="a consent to be recognised holds")


class CalledNext(Answer):
    """Whom a counter serves now."""

    called: AppointmentAnswer | None = Field(description="absent when nobody waits for this counter")
    again: bool = Field(description="the counter was serving somebody already: nobody else was called")
    waiting: int = Field(description="how many still wait for what this counter serves")


class CounterAnswer(Answer):
    """A counter or adviser's desk as configured."""

    id: str
    name: Text
    services: list[str]


class Booking(AppointmentAnswer):
    """An appointment for its own customer: with the code that opens it."""

    customer: str
    code: str
    qr: str = Field(description="what the QR code holds")


class ServiceQueue(Answer):
    """The wait for one service."""

    service: str
    name: Text
    waiting: int
    busy: int
    counters: int
    mean_service_s: float | None
    basis: Literal["measured", "planned"]
    wait_s: float | None = Field(
        description="median for somebody without an appointment who comes now; absent when it cannot be told"
    )
    wait_low_s: float | None = Field(description="one wait of ten is shorter")
    wait_high_s: float | None = Field(description="one wait of ten is longer")
    counters_open: int | None = Field(default=None, description="of `counters`, as far as calls show")
    expected: int = Field(default=0, description="not here yet, and may be called before who comes now")
    floor_extra: int = Field(
        default=0, description="people the floor counts in queues beyond tickets, taken as further ahead"
    )
    tickets_gone: int = Field(
        default=0, description="tickets beyond the people the floor counts: the interval is wider for them"
    )


class Board(Answer):
    """A day at a branch, for staff."""

    day: str
    as_of: Moment
    items: list[AppointmentAnswer]
    next: list[str] = Field(description="ids of those who wait, in the order of being called")
    queues: list[ServiceQueue]
    counters: list[CounterAnswer] = Field(description="as configured; none: counters are named freely")
    methods: dict[Method, int] = Field(description="check-ins of the day by way")
    median_wait_s: float | None = Field(
        description="of waits for a call today, from arrival or from being sent on; not of who was parked before it"
    )


class NameAnswer(Answer):
    """A clear name, told to staff who serve the customer; every look is in the audit log."""

    name: str
