"""What the stages of a journey cost the bank, and what a served customer is worth to it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from branchloop.config import Part
from hub.loop.journey import Stage

Money = Annotated[float, Field(ge=0, le=1e9)]


class Value(Part):
    """Costs and value, in the bank's currency; nothing is assumed where none is entered."""

    currency: str = Field(default="CNY", pattern=r"^[A-Z]{3}$")
    costs: dict[Stage, Money] = Field(default_factory=dict, description="per journey that reaches the stage")
    per_served: Money | None = Field(default=None, description="what a served journey is worth")
    per_cross_sell: Money | None = Field(
        default=None, description="what another service is worth that was booked as a follow-up and served"
    )
