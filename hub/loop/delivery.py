"""What is sent out of the ledger of journeys, how it is signed, and when it is tried again. Pure.

Signatures are those of Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Sequence

from branchloop.clock import iso
from branchloop.errors import ConfigError
from hub.loop.journey import Happened

VERSION = 1
FIRST_S = 1.0
LONGEST_S = 600.0
_PREFIX = "whsec_"


def envelope(
    number: int, happened: Happened, customer: str | None, partner: str | None = None
) -> dict[str, object]:
    """One line of the ledger as receivers get it; `customer` is their own pseudonym for that customer.

    `partner` is the one that receives it. A partner's name for a customer, in `detail`, is told to that partner
    alone: beside another receiver's own it would join the two.
    """
    detail = dict(happened.detail)
    if partner is None or partner != happened.partner:
        detail.pop("pairwise", None)
    return {
        "id": str(number),
        "type": f"branchloop.journey.{happened.stage}",
        "version": VERSION,
        "timestamp": iso(happened.at_ms),
        "data": {
            "site": happened.site,
            "journey": happened.journey,
            "service": happened.service,
            "channel": happened.channel,
            "scene": happened.scene,
            "partner": happened.partner,
            "customer": customer,
            "appointment": happened.appointment,
            "detail": detail,
        },
    }


def told(happened: Happened, stages: Collection[str], sites: Collection[str], partner: str | None) -> bool:
    """Whether a receiver is told of it; empty collections mean all."""
    return (
        (not stages or happened.stage in stages)
        and (not sites or happened.site in sites)
        and (partner is None or happened.partner == partner)
    )


def as_body(content: dict[str, object]) -> bytes:
    """The bytes that are signed and sent."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def key_of(secret: str, where: str) -> bytes:
    """The key in a secret: base64, with or without `whsec_`. Raises ConfigError below 24 bytes."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < 24:
        raise ConfigError(
            f"{where} holds no secret of at least 24 bytes in base64.",
            hint="Make one: openssl rand -base64 32.",
        )
    return key


def signature(keys: Sequence[bytes], identity: str, timestamp_s: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature a key, parted by a blank."""
    signed = f"{identity}.{timestamp_s}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys
    )


def backoff_s(attempts: int, chance: Callable[[], float], asked_s: float | None = None) -> float:
    """How long to wait after so many failures: doubling, spread by `chance` in [0, 1), never past 10 minutes.

    `asked_s` is what the receiver asked for (Retry-After): no sooner than that, within the same bound.
    """
    doubled_s = FIRST_S * 2.0 ** min(attempts - 1, 30)
    spread_s = min(LONGEST_S, doubled_s) * (0.5 + 0.5 * chance())
    return min(LONGEST_S, max(spread_s, asked_s or 0.0))


def still_s(next_ms: int, now_ms: int) -> float:
    """How much is left of a wait until `next_ms`; nothing of one longer than any: the clock was set back since."""
    left_s = (next_ms - now_ms) / 1000
    return left_s if 0 < left_s <= LONGEST_S else 0.0
