"""How crowding is told to pages: how far other branches may be, and how many may listen."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from branchloop.config import Part


class Crowding(Part):
    """Crowding on the cards."""

    nearby_km: Annotated[float, Field(ge=0, le=500)] = Field(
        default=10.0, description="quieter branches are offered within this distance; 0: none"
    )
    most_readers: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=2_000, description="so many pages may follow the crowding stream of one API process"
    )
