"""A branch's box, as its site file tells of it: how it reaches the hub, and where it keeps its outbox."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from branchloop.config import Part
from branchloop.site.parts import Id, broker_address

DETECTOR = "nanodet"
"""What finds people where no file names another."""


class Tls(Part):
    """Certificates of the link; files are named, never contained."""

    ca_file: str
    cert_file: str | None = None
    key_file: str | None = None


class Box(Part):
    """How the branch's box reaches the hub and where it keeps its outbox."""

    id: Id
    broker: Annotated[str, AfterValidator(broker_address)] = Field(
        description="mqtt://HOST:PORT or mqtts://HOST:PORT"
    )
    data_dir: str
    credential_file: str | None = Field(default=None, description="file with the broker password, mode 0600")
    credential_env: str | None = None
    tls: Tls | None = None
    outbox_max_mb: Annotated[float, Field(gt=0, le=100_000)] = 512.0
    detector: str = DETECTOR

    @model_validator(mode="after")
    def _guarded(self) -> Box:
        address = self.broker.split("://", 1)[1]
        host = address[1:].split("]")[0] if address.startswith("[") else address.split(":")[0]
        loopback = host in {"localhost", "::1"} or host.startswith("127.")
        if not loopback and (self.broker.startswith("mqtt://") or self.tls is None):
            raise ValueError(
                f"broker {host} is not on this machine: use mqtts:// and a [box.tls] table with ca_file"
            )
        if self.credential_file is None and self.credential_env is None:
            raise ValueError("has no credential; name credential_file or credential_env")
        return self
