"""What customers are written: of an appointment that comes near, and of a place that the waitlist holds for them."""

from __future__ import annotations

from datetime import datetime

from branchloop.clock import from_ms
from branchloop.site.parts import Text
from branchloop.site.site import Site
from branchloop.text.catalogue import Language
from branchloop.text.reminders import WORDS
from hub.loop.appointments import service_of
from hub.store.book.appointment import Appointment


def worded(site: Site, appointment: Appointment, language: Language) -> tuple[str, str]:
    """Subject and text of a reminder in the customer's language, in the branch's time; the name is masked.

    Raises InputError for a service that the branch has no more.
    """
    at, zone = _at(language), site.zone_info
    start = from_ms(appointment.start_ms, zone)
    text = _filled("reminder.text", site, appointment, language) + _bring(site, appointment, language)
    text += WORDS["reminder.arrive"][at].format(
        first=f"{from_ms(appointment.window_from_ms, zone):%H:%M}",
        last=f"{from_ms(appointment.window_to_ms, zone):%H:%M}",
    )
    subject = WORDS["reminder.subject"][at].format(day=_day(start, language), time=f"{start:%H:%M}")
    return subject, text + _simulated(site, language)


def offer_worded(site: Site, appointment: Appointment, until_ms: int, language: Language) -> tuple[str, str]:
    """Subject and text of a place that is held until a moment, by the same rules as a reminder's."""
    at, until = _at(language), from_ms(until_ms, site.zone_info)
    held = {"until_day": _day(until, language), "until": f"{until:%H:%M}"}
    text = _filled("offer.text", site, appointment, language)
    text += _bring(site, appointment, language) + WORDS["offer.take"][at].format(**held)
    return WORDS["offer.subject"][at].format(**held), text + _simulated(site, language)


def _filled(key: str, site: Site, appointment: Appointment, language: Language) -> str:
    """The appointment itself: who, what, when and where."""
    at, start = _at(language), from_ms(appointment.start_ms, site.zone_info)
    branch = _of(site.name, language)
    return WORDS[key][at].format(
        greeting=WORDS["reminder.greeting"][at].format(name=appointment.masked_name),
        service=_of(service_of(site, appointment.service).name, language),
        day=_day(start, language), time=f"{start:%H:%M}", zone=site.timezone,
        where=branch if site.address is None else f"{branch}, {_of(site.address, language)}",
    )  # fmt: skip


def _bring(site: Site, appointment: Appointment, language: Language) -> str:
    documents = [_of(each, language) for each in service_of(site, appointment.service).documents]
    if not documents:
        return ""
    listed = ("; " if language == "en" else "；").join(documents)
    return WORDS["reminder.bring"][_at(language)].format(documents=listed)


def _simulated(site: Site, language: Language) -> str:
    return WORDS["reminder.simulated"][_at(language)] if site.simulated else ""


def _day(moment: datetime, language: Language) -> str:
    return f"{moment:%A, %d %B %Y}" if language == "en" else f"{moment.year}年{moment.month}月{moment.day}日"


def _of(text: Text, language: Language) -> str:
    return text.en if language == "en" else text.zh


def _at(language: Language) -> int:
    return 0 if language == "en" else 1
