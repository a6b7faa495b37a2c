"""Signed documents: whose they are, and by which key."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from branchloop.config import Part
from branchloop.site.parts import Text


class Documents(Part):
    """The bank's name on documents, and its document key; without this table no certificate is made."""

    issuer: Text = Field(description="the bank's name, as it stands on the page")
    key_file: str = Field(min_length=1, description="document.pem of `branchloop keys document`, mode 0600")
    cert_file: str = Field(min_length=1, description="the key's certificate, then those above it, as PEM")
    keep_days: Annotated[int, Field(ge=1, le=365)] = Field(
        default=30, description="so long a document can be fetched"
    )
    specimen: bool = Field(
        default=False,
        description="every document bears the mark of simulated data, as those of simulated branches do",
    )
    font_file: str | None = Field(
        default=None, description="a .ttf with more letters than the shipped one (GBK and Latin)"
    )
