"""What the cards take and are answered; see docs/cards.md. Nothing here names a customer to another."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from branchloop.site.kiosk import Online
from branchloop.site.parts import Text
from branchloop.text.catalogue import Language
from branchloop.wire.payload import Id
from hub.api.models.answers import Answer, Moment
from hub.api.models.consent import Asked
from hub.config.events import Way
from hub.loop.appointments import Kind, Outcome, State

Level = Literal["quiet", "usual", "busy"]
"""Of the branch at its own usual hours, not against other branches."""
May = Literal["move", "cancel", "confirm"]


class CardService(Answer):
    """A service as a customer reads it."""

    id: str
    name: Text
    minutes: int
    documents: list[Text] = Field(description="what to bring")
    online: Online | None = Field(description="what of it needs no visit; absent: come to the branch")
    waitlist: bool = Field(description="who finds a day full may wait for a place")
    remote_tickets: bool = Field(description="a place in today's queue may be taken from afar")


class Suggestion(Answer):
    """A service that suits the scene, and why: the rule's own words."""

    service: str
    reason: Text
    online: Online | None
    rule: str | None = Field(default=None, description="SCENE/RULE of the table of scenes, or next/RULE")


class Offer(Answer):
    """What the card opens with."""

    site: str
    branch: Text
    address: Text | None
    timezone: str
    simulated: bool
    note: Text | None
    partner: Text
    scene: str | None
    services: list[CardService]
    opens_with: str | None
    suggestions: list[Suggestion] = Field(description="best first; the first one's service is `opens_with`")
    linked: bool | None = Field(
        description="the partner's signed-in user is known here by consent; null: nobody is signed in"
    )
    keep_days: int = Field(description="so long after the visit the name is kept")
    days_ahead: int
    remind_by: list[Way] = Field(description="how a customer can be reminded; empty where nothing is sent")
    remind_hint: Text | None = Field(description="what to write to be reminded; none where nothing is sent")
    waitlist: Text = Field(description="how who joins a waitlist hears of a place")


class CardSlot(Answer):
    """A time that can be booked; `level` is absent where no history tells it."""

    start: Moment
    end: Moment
    free: int
    level: Level | None
    people: float | None = Field(description="expected in the branch then, in the mean")


class Nearby(Answer):
    """A branch near this one that is quieter then; `embed` is its token for the same page."""

    site: str
    branch: Text
    distance_km: float
    start: Moment
    level: Level | None
    embed: str


class CardSlots(Answer):
    """A day's slots in order of time; `best` are starts, the quietest first."""

    service: str
    day: str
    items: list[CardSlot]
    best: list[Moment]
    next_day: str | None = Field(description="the next day with a free slot, when this one has none")
    nearby: list[Nearby]


class Contact(Asked):
    """How somebody wants to be reminded: one of them."""

    email: Annotated[str, Field(max_length=254)] | None = None
    phone: (
        Annotated[str, Field(max_length=40, description="with country, such as +86 138 0013 8000")] | None
    ) = None


class CardBook(Asked):
    """An appointment wanted on a page; with an Idempotency-Key the same request again answers the same."""

    service: Id
    start: Annotated[str, Field(max_length=40)]
    name: Annotated[str, Field(min_length=1, max_length=60)]
    title: Literal["mr", "ms"] | None = None
    language: Language = "zh"
    contact: Contact | None = None
    journey: Annotated[str, Field(pattern=r"^j-[0-9a-f]{16}$")] | None = None
    follows: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="the secret of the pass whose follow-up this is: for the same customer"
    )


class CardWaitlist(Asked):
    """A day that is full, wanted all the same."""

    service: Id
    day: Annotated[str, Field(max_length=10)]
    name: Annotated[str, Field(min_length=1, max_length=60)]
    title: Literal["mr", "ms"] | None = None
    language: Language = "zh"
    contact: Contact | None = None
    journey: Annotated[str, Field(pattern=r"^j-[0-9a-f]{16}$")] | None = None


class CardTicket(Asked):
    """A place in today's queue, taken from afar."""

    service: Id
    name: Annotated[str, Field(max_length=60)] = ""
    language: Language = "zh"
    journey: Annotated[str, Field(pattern=r"^j-[0-9a-f]{16}$")] | None = None


class CardMove(Asked):
    """Another start."""

    start: Annotated[str, Field(max_length=40)]


class Seen(Asked):
    """The card was seen, or somebody began with it."""

    stage: Literal["impression", "start"]
    service: Id | None = None
    journey: Annotated[str, Field(pattern=r"^j-[0-9a-f]{16}$")] | None = None


class Journey(Answer):
    """One errand's random id."""

    journey: str


class WaitTold(Answer):
    """The wait from now, in seconds: one of ten is shorter than `low_s`, one of ten longer than `high_s`."""

    low_s: float
    expected_s: float
    high_s: float
    basis: Literal["measured", "planned"]


class FollowUpTold(Answer):
    """What comes next, in the words of the staff; `service` when it can be booked."""

    text: str
    service: str | None


class Pass(Answer):
    """One visit, for its own customer."""

    site: str
    branch: Text
    address: Text | None
    timezone: str
    simulated: bool
    service: CardService
    kind: Kind
    state: State
    start: Moment | None = Field(
        description="of the appointment; a remote ticket's estimated turn; null while on the waitlist"
    )
    arrive_from: Moment | None
    arrive_to: Moment | None
    day: str
    masked_name: str
    code: str | None = Field(description="to show or type at the kiosk; null once the customer was forgotten")
    number: str | None = Field(description="the ticket, once checked in")
    counter: str | None
    counter_name: Text | None = Field(
        description="of a counter that the branch has configured; null for one that staff typed"
    )
    ahead: int | None = Field(description="how many are called before, while waiting")
    wait: WaitTold | None
    you_are_next: bool
    offered_until: Moment | None = Field(
        description="on the waitlist: a place is held until then; confirm it"
    )
    waitlist: Text | None = Field(
        description="who waits: whether a notice goes out when a place is held; who waited for nothing: why"
    )
    may: list[May]
    outcome: Outcome | None
    follow_up: FollowUpTold | None
    next: list[Suggestion] = Field(description="what may come next, with the rule's reason")
    as_of: Moment
    embed: str = Field(description="the page's token for this branch, to book what comes next")


class CardBooking(Answer):
    """The pass: the secret that opens it is shown this once."""

    secret: str
    url: str = Field(
        description="the pass on the hub's own page; the secret is behind the #, then & and the page's token where its user can be linked"
    )
    details: Pass


class CrowdHour(Answer):
    """One hour of a day; absent numbers where no history tells them."""

    start: Moment
    level: Level | None
    people: float | None
    low: float | None
    high: float | None


class Crowding(Answer):
    """How busy a branch is now, and when it is quieter."""

    site: str
    branch: Text
    timezone: str
    simulated: bool
    open: bool
    level: Level | None
    people: int | None = Field(
        description="in the branch now; null when not measured, too old, or fewer than `fewer_than`"
    )
    fewer_than: int | None = Field(
        description="measured, and so few that pages are not told how many; null otherwise"
    )
    as_of: Moment | None
    today: list[CrowdHour] = Field(
        description="from the present hour to closing; of the next open day when closed"
    )
    best: list[Moment] = Field(
        description="the quietest hours of the next seven days, best first, at most three"
    )
    basis_weeks: int = Field(description="so many weeks of history it rests on")
