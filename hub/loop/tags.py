"""Tags: what is known of a customer for one purpose, where it came from, and until when. Pure.

A tag comes from a partner, from the bank's own staff or from what a visit came to. There is no word for
anything else: nothing that a camera or a sensor saw, and no face, ever becomes a tag (an import contract
keeps those modules away).
"""

from __future__ import annotations

from typing import Literal, get_args

from branchloop.errors import InputError
from hub.config.scenes import Purpose, SceneTable
from hub.loop.consent import DAY_MS

Provenance = Literal["partner", "bank", "visit_outcome"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


def end_ms(table: SceneTable, name: str, purpose: Purpose, days: int | None, now_ms: int) -> int:
    """When a tag given now ends. Raises InputError for one that the table does not allow."""
    word = table.tag(name)
    if word is None:
        known = ", ".join(tag.id for tag in table.tags) or "none"
        raise InputError(f"there is no tag {name[:40]!r}.", hint=f"The scenes file has: {known}.")
    if purpose not in word.purposes:
        raise InputError(
            f"tag {name!r} is not allowed for the purpose {purpose}.",
            hint=f"It is for {', '.join(word.purposes)}.",
        )
    if days is not None and not 1 <= days <= word.most_days:
        raise InputError(
            f"tag {name!r} may be kept for 1 to {word.most_days} days, not {days}.", hint="Give fewer days."
        )
    return now_ms + (days or word.most_days) * DAY_MS
