"""What every payload on the wire is made of: its base, and the types of its fields.

Unknown fields are ignored, so an old hub reads a newer box. Times are UTC milliseconds, durations ms, lengths mm
or m as the name says; counts and integrals are integers so that roll-ups merge exactly.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from branchloop.wire.topics import ID_PATTERN

WIRE_VERSION = 1
MAX_SEQ = 2**53 - 1
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
Count = Annotated[int, Field(ge=0, le=MAX_SEQ)]
SignedCount = Annotated[int, Field(ge=-MAX_SEQ, le=MAX_SEQ)]
TimeMs = Annotated[int, Field(ge=0, le=4_102_444_800_000)]
Seq = Annotated[int, Field(ge=1, le=MAX_SEQ)]
TicketNumber = Annotated[str, Field(pattern=r"^[A-Z][0-9]{3}$")]
Base64Url = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Wire(BaseModel):
    """Base of all payloads: frozen, lenient about fields added later, strict about types."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, populate_by_name=True)

    def to_json(self) -> str:
        """Compact JSON by wire names, without unset optionals."""
        return self.model_dump_json(by_alias=True, exclude_none=True)
