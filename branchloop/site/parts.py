"""What the tables of a site file share: ids, metres, names, and sources without secrets."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from branchloop.config import Part
from branchloop.wire.topics import ID_PATTERN

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Metres = Annotated[float, Field(allow_inf_nan=False)]
USER, PASSWORD = "{user}", "{password}"
"""They stand in an address for what credential_env holds, of a camera that takes its login in the query alone."""
_LOGIN_KEYS = "user|usr|username|login|loginuse|loginpas|pwd|psw|pass|password|passwd|token|auth|authbasic|key|apikey|secret"
_QUERY_LOGIN = re.compile(
    rf"(?<![a-z0-9])(?:{_LOGIN_KEYS})=(?!{re.escape(USER)}|{re.escape(PASSWORD)})", re.IGNORECASE
)
"""Some cameras take `user=…&password=…` in the path as well."""
_BROKER = re.compile(r"mqtts?://[^/\s@]+")
_PORTED = re.compile(r":[0-9]{1,5}$")


class Text(Part):
    """A name in the languages of the house."""

    en: str = Field(min_length=1, max_length=200)
    zh: str = Field(min_length=1, max_length=200)


def camera_source(source: str) -> str:
    """A camera's `source` as it is. Raises ValueError for one of a kind that no box reads, or with a login in it."""
    kind, colon, rest = source.partition("://")
    if colon and kind not in {"rtsp", "http"}:
        raise ValueError(f"{kind}:// is not a camera source; write a file, rtsp://…, http://… or usb:N")
    if colon and ("@" in rest.split("/", 1)[0] or _QUERY_LOGIN.search(rest)):
        raise ValueError(
            "holds a login; put user:password into an environment variable and name it as credential_env"
            f"; where the camera takes it in the query alone, write {USER} and {PASSWORD} there"
        )
    return source


def broker_address(address: str, *, ported: bool = False) -> str:
    """A broker's address as it is. Raises ValueError for one without its scheme, or with a login in it, which is not told.

    `ported`: or without a port.
    """
    if not _BROKER.fullmatch(address) or (ported and not _PORTED.search(address)):
        raise ValueError(
            "is no broker's address: write mqtts://HOST:PORT, such as mqtts://hub.example.bank:8883, without a login"
        )
    return address


def check_login(source: str, credential_env: str | None) -> None:
    """Raises ValueError where an address waits for a login and no variable is named, or a variable for no address."""
    if credential_env is not None and "://" not in source:
        raise ValueError(
            "has credential_env beside a source that takes no login; remove it, or write rtsp://… or http://…"
        )
    if credential_env is None and "://" in source and (USER in source or PASSWORD in source):
        raise ValueError(
            f"has {USER} or {PASSWORD} in its source; name the variable that holds them as credential_env"
        )
