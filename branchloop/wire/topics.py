"""Topics are built and parsed here and nowhere else: `branchloop/1/{site}/{device}/{kind}`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from branchloop.errors import InputError

ROOT = "branchloop/1"
ID_PATTERN = r"^[a-z0-9-]{1,32}$"
_ID = re.compile(ID_PATTERN)

EDGE_PUBLISHES = ("status", "data", "reply", "live")
EDGE_SUBSCRIBES = ("ack", "desired", "gallery", "command")
KINDS = EDGE_PUBLISHES + EDGE_SUBSCRIBES
HUB_STATUS = f"{ROOT}/hub/status"


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed device topic."""

    site: str
    device: str
    kind: str

    def __str__(self) -> str:
        return build(self.site, self.device, self.kind)


def check_id(value: str, what: str = "id") -> str:
    """Return `value` if it may stand in a topic; raise InputError otherwise."""
    if not _ID.fullmatch(value):
        raise InputError(f"{what} {value[:40]!r} is not an id.", hint="Use 1 to 32 of a-z, 0-9 and '-'.")
    return value


def build(site: str, device: str, kind: str) -> str:
    """Topic of one device's `kind`."""
    if kind not in KINDS:
        raise InputError(f"unknown topic kind {kind!r}.", hint=f"Choose one of {', '.join(KINDS)}.")
    return f"{ROOT}/{check_id(site, 'site')}/{check_id(device, 'device')}/{kind}"


def parse(topic: str) -> Topic:
    """Parse a device topic; raise InputError for anything else."""
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT or parts[4] not in KINDS:
        raise InputError(
            f"{topic[:80]!r} is not a branchloop topic.", hint=f"Expected {ROOT}/SITE/DEVICE/KIND."
        )
    return Topic(check_id(parts[2], "site"), check_id(parts[3], "device"), parts[4])


def hub_filters() -> list[str]:
    """Subscriptions of the hub: everything any device publishes."""
    return [f"{ROOT}/+/+/{kind}" for kind in EDGE_PUBLISHES]


def edge_filters(site: str, device: str) -> list[str]:
    """Subscriptions of one box: its own topics and the hub's status."""
    return [build(site, device, kind) for kind in EDGE_SUBSCRIBES] + [HUB_STATUS]
