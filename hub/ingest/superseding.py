"""Which of two statuses of a box stands: births and wills come in any order, and wills are told again."""

from __future__ import annotations

from branchloop.wire.status import Status
from hub.store.interface import StatusRow


def supersedes(status: Status, known: StatusRow | None) -> bool:
    """Whether a status replaces the one known.

    A will was written when its connection began, so it counts only for that very connection; and
    a connection whose will was heard is over.
    """
    if known is None:
        return True
    same_boot = status.boot == known.boot
    if not status.online:
        return same_boot and status.connect_no == known.connect_no
    if not same_boot or status.connect_no > known.connect_no:
        return True
    return status.connect_no == known.connect_no and known.online
