"""Embed tokens: a page may show the cards of one branch, from one origin, until it expires. Pure.

A token stands in the page for everybody to read, so it opens nothing that is anybody's: it says whose page
it is, and is refused elsewhere. `subject` is the partner's own opaque reference for who is signed in there; in the
token that comes with a pass `visit` stands in its place, the pass's id, which says of nobody who it is.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from branchloop.errors import AccessError, InputError

Mac = Callable[[str], str]
"""Text to hexadecimal HMAC under the hub's key."""
VERSION = 1
MOST = 4_096
"""Characters of a token: the longest subject and scene of any script fit."""
_PURPOSE = "embed token\n"


@dataclass(frozen=True, slots=True)
class Embed:
    """What a token is bound to; `service` None: any of the branch's."""

    partner: str
    origin: str
    site: str
    expires_ms: int
    service: str | None = None
    scene: str | None = None
    subject: str | None = None
    visit: str | None = None


def issue(embed: Embed, mac: Mac) -> str:
    """The token. Raises InputError for one that would be refused for its length."""
    said = {key: value for key, value in asdict(embed).items() if value is not None}
    body = json.dumps({"v": VERSION, **said}, sort_keys=True, separators=(",", ":"))
    text = base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")
    token = f"{text}.{mac(_PURPOSE + text)}"
    if len(token) > MOST:
        raise InputError(
            f"this page's token would have {len(token)} characters, {MOST} are the most.",
            hint="Shorten the scene or the subject.",
        )
    return token


def read(token: str, mac: Mac, now_ms: int) -> Embed:
    """What a token is bound to. Raises AccessError (unauthenticated) for a forged, torn or expired one."""
    text, _, seal = token.partition(".")
    if len(token) > MOST or not token.isascii() or not hmac.compare_digest(seal, mac(_PURPOSE + text)):
        raise _refused("this page's token was not made by this hub.")
    try:
        fields = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if fields.pop("v") != VERSION:
            raise _refused("this page's token is of another version.")
        embed = Embed(**fields)
    except (binascii.Error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _refused("this page's token cannot be read.") from error
    if embed.expires_ms <= now_ms:
        raise _refused("this page's token has expired.")
    return embed


def _refused(sentence: str) -> AccessError:
    return AccessError(
        sentence, hint="The page's owner gets a new one: `branchloop hub embed`.", authenticated=False
    )
