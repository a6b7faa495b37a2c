"""What a backup says of itself: the first thing in it."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from branchloop.errors import InputError

WHAT = "branchloop hub backup"
FORMAT = 1
NAME = "manifest.json"
_DIGEST = r"^[0-9a-f]{64}$"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Part(_Told):
    """One file of it."""

    name: Annotated[str, Field(pattern=r"^(credentials/)?[A-Za-z0-9][A-Za-z0-9._-]{0,120}$")]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=_DIGEST)]


class AuditHead(_Told):
    """The last line of its audit log."""

    seq: Annotated[int, Field(ge=0)]
    hash: Annotated[str, Field(pattern=_DIGEST)]


class Manifest(_Told):
    """The whole of it. `migrations` are `SET:NAME` by database, `key_check` tells the key over names from another."""

    what: Literal["branchloop hub backup"] = "branchloop hub backup"
    format: Literal[1] = 1
    version: str
    made_ms: int
    made_at: str
    sites: list[str]
    migrations: dict[str, list[str]]
    audit: AuditHead
    journal: str
    key_from: str
    key_check: str
    photos_left_out: int
    parts: list[Part]

    def part(self, name: str) -> Part | None:
        """A file of it by its name."""
        return next((part for part in self.parts if part.name == name), None)


def parse(content: bytes, name: str) -> Manifest:
    """A manifest. Raises InputError when it is of something else, of a later format, or damaged."""
    try:
        tree = json.loads(content)
    except ValueError:
        tree = None
    if not isinstance(tree, dict) or tree.get("what") != WHAT:
        raise InputError(f"{name} is no backup of a hub.", hint="Give a file that `hub backup` wrote.")
    made_with = tree.get("format")
    if isinstance(made_with, int) and made_with > FORMAT:
        raise InputError(
            f"{name} was made by the newer version {str(tree.get('version'))[:40]}.",
            hint="Install that version, then restore.",
        )
    try:
        return Manifest.model_validate(tree)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(each) for each in fault["loc"])
        raise InputError(
            f"{name} is damaged: its manifest is wrong at {place}.",
            hint="Take another copy, or another backup.",
        ) from error
