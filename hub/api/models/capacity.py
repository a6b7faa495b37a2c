"""What the API answers about appointments that cannot be kept as a branch is configured."""

from __future__ import annotations

from pydantic import Field

from hub.api.models.answers import Answer, Moment
from hub.api.models.book import AppointmentAnswer
from hub.store.book.stranded import Reason


class StrandedAnswer(Answer):
    """An appointment to come that cannot be as it was booked; it stays until staff move or cancel it."""

    reason: Reason = Field(
        description="service: not offered any more; closed: outside of the opening hours; counter: none is free "
        "for it; places: more are booked than there are places"
    )
    appointment: AppointmentAnswer


class StrandedAnswers(Answer):
    """Those of a branch, by start."""

    as_of: Moment
    items: list[StrandedAnswer]
