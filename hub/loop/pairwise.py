"""Pairwise pseudonyms: each audience knows a customer by another name, and no two of them have a name in common. Pure.

The name is an HMAC of audience and customer under the hub's key: stable for one audience as long as the
customer keeps the pseudonym, and of no use without that key. See docs/partners.md.
"""

from __future__ import annotations

import json

from hub.loop.embedding import Mac

_PURPOSE = "pairwise pseudonym\n"
_DIGITS = 24
"""96 bits: among a thousand million customers two of one name are not to be expected."""


def pairwise(mac: Mac, customer: str, audience: str) -> str:
    """A customer's name for one audience, such as a partner's id."""
    return f"p-{mac(_PURPOSE + json.dumps([audience, customer]))[:_DIGITS]}"
