"""What may come after a visit: readable rules over its service, its outcome and the tags consented to. Pure.

Nothing here knows of cameras, the floor or faces: an import contract says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from branchloop.site.kiosk import Service
from hub.config.scenes import SceneTable
from hub.loop.appointments import Outcome
from hub.loop.scenes import Suggestion


def next_services(
    table: SceneTable,
    services: Sequence[Service],
    after: str | None,
    outcome: Outcome | None,
    tags: Collection[str] = (),
) -> list[Suggestion]:
    """What may follow at a branch, best first, each service once, by the rule that says so.

    `after` is the visit's service; a rule on a service or an outcome does not hold where that is not known.
    """
    offered = {service.id: service for service in services}
    held = [
        rule
        for rule in table.next
        if rule.service in offered
        and (not rule.after or after in rule.after)
        and (not rule.outcomes or outcome in rule.outcomes)
        and all(tag in tags for tag in rule.tags)
    ]
    found: dict[str, Suggestion] = {}
    for rule in sorted(held, key=lambda each: -each.weight):
        service = offered[rule.service]
        found.setdefault(service.id, Suggestion(service.id, rule.reason, service.online, f"next/{rule.id}"))
    return list(found.values())
