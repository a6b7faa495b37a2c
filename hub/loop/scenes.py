"""What a card opens with: the rules of its scene, in order, each with its reason. Pure.

The same scene, table, services, time and tags give the same answer. A scene that the table does not know
falls to the scene `default`, and where no rule holds the branch's own first service stands: a page that
embeds a card never meets an error.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from branchloop.site.hours import spans_min
from branchloop.site.kiosk import Online, Service
from branchloop.site.opening import WEEKDAYS
from branchloop.site.parts import Text
from branchloop.text.catalogue import Language
from hub.config.scenes import DEFAULT, Rule, SceneTable, When

BUILT_IN = "built-in"
_REASON = Text(en="What this branch does most", zh="本网点常办业务")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A service that suits, why, and by which rule: `SCENE/RULE`, `next/RULE`, or `built-in`."""

    service: str
    reason: Text
    online: Online | None
    rule: str


def open_with(
    scene: str | None,
    table: SceneTable,
    services: Sequence[Service],
    at_local: datetime,
    tags: Collection[str] = (),
    language: Language | None = None,
) -> list[Suggestion]:
    """What suits a scene at a branch, best first; each service once. Empty only where there is no service.

    `at_local` is in the branch's time; `tags` are those the customer has consented to be used for it.
    """
    offered = {service.id: service for service in services}

    for name, scene_rules in _of(scene, table):
        held = [
            rule
            for rule in scene_rules
            if rule.service in offered and holds(rule.when, offered, at_local, tags, language)
        ]
        found: dict[str, Suggestion] = {}
        for rule in sorted(held, key=lambda each: -each.weight):
            service = offered[rule.service]
            found.setdefault(
                service.id, Suggestion(service.id, rule.reason, service.online, f"{name}/{rule.id}")
            )
        if found:
            return list(found.values())
    return [Suggestion(first.id, _REASON, first.online, BUILT_IN) for first in services[:1]]


def holds(
    when: When,
    offered: Collection[str],
    at_local: datetime,
    tags: Collection[str],
    language: Language | None,
) -> bool:
    """Whether every condition is true; one on a language fails where none is known."""
    minutes = at_local.hour * 60 + at_local.minute
    length = calendar.monthrange(at_local.year, at_local.month)[1]
    return (
        (not when.months or at_local.month in when.months)
        and (not when.days or at_local.day in when.days or at_local.day - length - 1 in when.days)
        and (not when.weekdays or WEEKDAYS[at_local.weekday()] in when.weekdays)
        and (when.hours is None or any(a <= minutes < b for a, b in spans_min(when.hours)))
        and (not when.languages or language in when.languages)
        and all(service in offered for service in when.offers)
        and all(tag in tags for tag in when.tags)
    )


def _of(scene: str | None, table: SceneTable) -> Iterator[tuple[str, Sequence[Rule]]]:
    by_id = {each.id: each for each in table.scenes}
    for name in dict.fromkeys((scene, DEFAULT)):
        if name is not None and name in by_id:
            yield name, by_id[name].rules
