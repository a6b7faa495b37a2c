"""Who is told of what happens in journeys, and how customers are reminded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from branchloop.config import Part
from branchloop.site.parts import Id
from hub.loop.journey import Aside, Stage

Way = Literal["email", "phone"]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]


def _encrypted(url: str) -> str:
    host = url.split("://", 1)[1].split("/", 1)[0]
    local = host.split(":")[0] in {"localhost", "127.0.0.1"} or host.startswith("[::1]")
    if url.startswith("http://") and not local:
        raise ValueError(f"{url} is not encrypted; write https://")
    if "@" in host:
        raise ValueError("holds a password; the receiver knows us by the signature")
    return url


Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s#]*)?$", max_length=500)]


class Secret(Part):
    """What signs: in a variable, or in a file of mode 0600. A second one signs beside it while it is exchanged."""

    secret_env: Variable | None = None
    secret_file: str | None = None
    former_secret_env: Variable | None = None
    former_secret_file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("needs secret_env or secret_file: one of them")
        return self


class Webhook(Secret):
    """One receiver of the ledger of journeys."""

    id: Id
    url: Url
    stages: Annotated[list[Literal[Stage, Aside]], Field(max_length=40)] = Field(
        default_factory=list, description="only these; all without it"
    )
    sites: Annotated[list[Id], Field(max_length=50_000)] = Field(
        default_factory=list, description="only these branches; all without it"
    )
    partner: Id | None = Field(
        default=None, description="only this partner's journeys, under its own pseudonyms"
    )
    from_start: bool = Field(default=False, description="begin with the oldest line instead of the next one")
    give_up_h: Annotated[float, Field(gt=0, le=720)] = 72.0

    @field_validator("url")
    @classmethod
    def _secure(cls, url: str) -> str:
        return _encrypted(url)


class Smtp(Part):
    """The bank's mail server."""

    host: str = Field(min_length=1, max_length=253)
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    sender: str = Field(min_length=3, max_length=254)
    starttls: bool = True
    ca_file: str | None = Field(default=None, description="its certificate, when the system does not know it")
    user_env: Variable | None = None
    password_env: Variable | None = None


class Gateway(Secret):
    """The bank's gateway for messages to phones: it is posted number and text, signed like a webhook."""

    url: Url

    @field_validator("url")
    @classmethod
    def _secure(cls, url: str) -> str:
        return _encrypted(url)


class Reminders(Part):
    """How customers who want it are reminded."""

    sink: Literal["log", "smtp", "webhook"] = "log"
    hours_before: Annotated[list[Annotated[float, Field(gt=0, le=240)]], Field(max_length=5)] = Field(
        default_factory=lambda: [24.0, 2.0]
    )
    quiet_from_h: Annotated[int, Field(ge=0, le=24)] = 21
    quiet_to_h: Annotated[int, Field(ge=0, le=12)] = 8
    smtp: Smtp | None = None
    webhook: Gateway | None = None

    @property
    def ways(self) -> frozenset[Way]:
        """By what a customer can be told anything: an e-mail address, a phone number, or nothing."""
        reached: dict[str, frozenset[Way]] = {
            "webhook": frozenset({"email", "phone"}), "smtp": frozenset({"email"}),
        }  # fmt: skip
        return reached.get(self.sink, frozenset())

    @model_validator(mode="after")
    def _has_sink(self) -> Reminders:
        if self.sink == "smtp" and self.smtp is None:
            raise ValueError('sink = "smtp" needs a [reminders.smtp] table; add it')
        if self.sink == "webhook" and self.webhook is None:
            raise ValueError('sink = "webhook" needs a [reminders.webhook] table; add it')
        if self.quiet_from_h - self.quiet_to_h < 6:
            raise ValueError("quiet hours leave fewer than 6 hours of the day; narrow them")
        return self
