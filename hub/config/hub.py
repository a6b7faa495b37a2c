"""The hub's configuration: hub.toml and the site files it names."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from branchloop.config import Part, parse_config, read_text
from branchloop.errors import ConfigError, UsageError
from branchloop.site.box import Tls
from branchloop.site.parts import Id, broker_address
from branchloop.site.site import Site, parse_site
from hub.config.crowding import Crowding
from hub.config.documents import Documents
from hub.config.events import Reminders, Webhook
from hub.config.partners import Partner
from hub.config.scenes import SceneFile, SceneTable
from hub.config.value import Value

Days = Annotated[float, Field(gt=0, le=10_000)]


class Hub(Part):
    """Where the hub keeps its data, listens, and finds its broker and sites."""

    data_dir: str = Field(min_length=1)
    listen: str = Field(default="127.0.0.1:8080", pattern=r"^[^\s]+:[0-9]{1,5}$")
    broker: str = "embedded"
    broker_listen: str = Field(default="127.0.0.1:1883", pattern=r"^[^\s]+:[0-9]{1,5}$")
    credentials: str | None = Field(
        default=None, description="folder of broker passwords; DATA_DIR/broker/credentials without it"
    )
    tls: Tls | None = None
    sites: Annotated[list[str], Field(min_length=1, max_length=50_000)]
    scenes: str | None = Field(
        default=None, description="file of what the cards open with; read again when it changes"
    )

    @field_validator("broker")
    @classmethod
    def _addressed(cls, broker: str) -> str:
        return broker if broker == "embedded" else broker_address(broker, ported=True)

    @model_validator(mode="after")
    def _guarded(self) -> Hub:
        for key, address in (
            ("listen", self.listen), ("broker", self.broker), ("broker_listen", self.broker_listen)
        ):  # fmt: skip
            if address == "embedded":
                continue
            try:
                host, port = split_address(address)
            except UsageError as error:
                raise ValueError(f"{key}: {error}".rstrip(".")) from error
            if key == "broker" and not port:
                raise ValueError(f"{key}: {address} names no port")
            if key != "listen" and not is_local(host) and (self.tls is None or "mqtt://" in address):
                raise ValueError(
                    f"{key} {address} is not on this machine: add a [hub.tls] table (and mqtts:// for a broker)"
                )
        if self.broker == "embedded":
            if self.tls is not None and None in {self.tls.cert_file, self.tls.key_file}:
                raise ValueError("tls lacks cert_file or key_file; the embedded broker needs both")
            if _meet(self.listen, self.broker_listen):
                raise ValueError(
                    f"listen {self.listen} and broker_listen {self.broker_listen} are one port; "
                    "give the API or the broker another"
                )
        return self


class Retention(Part):
    """How long details are kept; day roll-ups are kept for ever."""

    messages_h: Annotated[float, Field(gt=0, le=100_000)] = 48.0
    minutes_days: Days = 35.0
    hours_days: Days = 400.0
    quarantine_days: Days = 90.0


class People(Part):
    """What guards names and consents, and where customers find the hub."""

    key_env: str | None = Field(
        default=None, description="variable with the key over names; a file of mode 0600 without it"
    )
    key_file: str | None = Field(default=None, description="that file; DATA_DIR/people.key without it")
    root_public: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{87}$",
        description="the bank's root, as `branchloop keys root` printed it; without it nobody can enrol",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+(/[^\s]*)?$",
        description="where customers reach this hub; without it the host that a caller names, so write it off loopback",
    )
    forgotten_file: str | None = Field(
        default=None,
        min_length=1,
        description="journal of who was forgotten, on another disk; DATA_DIR/forgotten.log without it",
    )
    consent_days: Annotated[int, Field(ge=1, le=365)] = 90
    keep_days: Annotated[int, Field(ge=1, le=3_650)] = Field(
        default=90, description="after so long an appointment no longer names its customer"
    )


class Backup(Part):
    """To whom backups are sealed."""

    public: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{87}$",
        description="the key that `branchloop keys backup` printed; without it backups are not encrypted",
    )


class Acceptance(Part):
    """Who may sign acceptance reports, besides the bank's root (`people.root_public`)."""

    public: Annotated[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{87}$")]], Field(max_length=100)] = (
        Field(default_factory=list, description="public keys, each as an acceptance.pub holds it")
    )


class Rollout(Part):
    """In which order branches get new configurations; a branch that is not listed is in the ring after the last."""

    rings: Annotated[list[list[Id]], Field(max_length=99)] = Field(
        default_factory=list, description="branches by ring, the pilots first"
    )

    def ring_of(self, site: str) -> int:
        """The ring of a branch, from 0."""
        return next((ring for ring, sites in enumerate(self.rings) if site in sites), len(self.rings))

    def misnamed(self, sites: Container[str]) -> str | None:
        """What keeps the rings from being those that are meant: a branch that is not there, or is named twice."""
        named = [site for ring in self.rings for site in ring]
        for number, site in enumerate(named):
            if site not in sites:
                return f"[rollout] rings name branch {site!r}, which is not in hub.sites."
            if site in named[:number]:
                return f"[rollout] rings name branch {site!r} twice."
        return None


class HubFile(Part):
    """The whole of hub.toml."""

    hub: Hub
    retention: Retention = Retention()
    people: People = People()
    acceptance: Acceptance = Acceptance()
    rollout: Rollout = Rollout()
    value: Value = Value()
    crowding: Crowding = Crowding()
    documents: Documents | None = None
    partners: Annotated[list[Partner], Field(max_length=1_000)] = Field(default_factory=list, alias="partner")
    webhooks: Annotated[list[Webhook], Field(max_length=100)] = Field(default_factory=list, alias="webhook")
    reminders: Reminders = Reminders()
    backup: Backup = Backup()


@dataclass(frozen=True, slots=True)
class HubConfig:
    """A hub.toml that was read, with its sites by id."""

    path: Path
    hub: Hub
    retention: Retention
    sites: Mapping[str, Site]
    people: People = field(default_factory=People)
    acceptance: Acceptance = field(default_factory=Acceptance)
    rollout: Rollout = field(default_factory=Rollout)
    site_files: Mapping[str, Path] = field(default_factory=dict)
    value: Value = field(default_factory=Value)
    partners: Mapping[str, Partner] = field(default_factory=dict)
    scene_file: SceneFile = field(default_factory=SceneFile)
    crowding: Crowding = field(default_factory=Crowding)
    documents: Documents | None = None
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    reminders: Reminders = field(default_factory=Reminders)
    backup: Backup = field(default_factory=Backup)

    @property
    def scenes(self) -> SceneTable:
        """What the cards open with, as the file says now; the last good table while it is wrong."""
        return self.scene_file.table

    @property
    def data_dir(self) -> Path:
        """The data directory, relative to the file that names it."""
        return self.path.parent / self.hub.data_dir

    @property
    def credentials_dir(self) -> Path:
        """The folder of broker passwords."""
        if self.hub.credentials is not None:
            return self.path.parent / self.hub.credentials
        return self.data_dir / "broker" / "credentials"

    @property
    def external_broker(self) -> str | None:
        """HOST:PORT of a broker that the hub does not start itself."""
        return None if self.hub.broker == "embedded" else self.hub.broker.split("://")[1]

    @property
    def ca_file(self) -> str | None:
        """The certificate by which the hub knows its broker."""
        return str(self.path.parent / self.hub.tls.ca_file) if self.hub.tls is not None else None


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `SCHEME://HOST:PORT`. Raises UsageError when it is neither."""
    host, _, port = address.rsplit("://", maxsplit=1)[-1].rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"{address!r} is not an address.", hint="Write HOST:PORT, such as 127.0.0.1:1883.")
    return host.strip("[]"), int(port)


def is_local(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _meet(one: str, other: str) -> bool:
    """Whether two programs cannot listen there at once; a port 0 is chosen so that they can."""
    (host, port), (second, second_port) = split_address(one), split_address(other)
    hosts = {"127.0.0.1" if each == "localhost" else each for each in (host, second)}
    everywhere = hosts & {"0.0.0.0", "::"}  # noqa: S104 - what is written, not what is listened on
    return port == second_port != 0 and (len(hosts) == 1 or bool(everywhere))


def read_config(path: Path) -> HubConfig:
    """Read hub.toml and its sites. Raises ConfigError naming file, key and remedy."""
    file = parse_config(read_text(path), str(path), HubFile)
    sites: dict[str, Site] = {}
    files: dict[str, Path] = {}
    for name in file.hub.sites:
        site_path = path.parent / name
        site = parse_site(read_text(site_path), str(site_path))
        if site.id in sites:
            raise ConfigError(
                f"{path}: key `hub.sites`: two files describe site {site.id!r}.", hint="Give each its own id."
            )
        for kiosk in site.kiosks:
            if kiosk.recognise != "off" and kiosk.consent_days != file.people.consent_days:
                raise ConfigError(
                    f"{site_path}: kiosk {kiosk.id!r} says consent_days = {kiosk.consent_days}, "
                    f"{path} says {file.people.consent_days}.",
                    hint="What customers read must be what happens: write the same in both.",
                )
        sites[site.id], files[site.id] = site, site_path
    partners = {partner.id: partner for partner in file.partners}
    if len(partners) < len(file.partners):
        raise ConfigError(f"{path}: two [[partner]] tables have one id.", hint="Give each its own id.")
    for partner in file.partners:
        for site_id in partner.sites:
            if site_id not in sites:
                raise ConfigError(
                    f"{path}: partner {partner.id!r} names branch {site_id!r}, which is not in hub.sites.",
                    hint="Add its file, or leave it out.",
                )
    if file.documents is not None and file.documents.keep_days > file.people.keep_days:
        raise ConfigError(
            f"{path}: documents.keep_days is {file.documents.keep_days}, people.keep_days only {file.people.keep_days}.",
            hint="A document goes with its customer's data: make it no more.",
        )
    scenes = SceneFile() if file.hub.scenes is None else SceneFile.read(path.parent / file.hub.scenes)
    return HubConfig(
        path,
        file.hub,
        file.retention,
        sites,
        file.people,
        file.acceptance,
        file.rollout,
        files,
        file.value,
        partners,
        scenes,
        file.crowding,
        documents=file.documents,
        webhooks=_webhooks(path, file.webhooks, sites, partners),
        reminders=file.reminders,
        backup=file.backup,
    )


def _webhooks(
    path: Path, webhooks: list[Webhook], sites: Mapping[str, Site], partners: Mapping[str, Partner]
) -> Mapping[str, Webhook]:
    found = {webhook.id: webhook for webhook in webhooks}
    if len(found) < len(webhooks):
        raise ConfigError(f"{path}: two [[webhook]] tables have one id.", hint="Give each its own id.")
    for webhook in webhooks:
        unknown = next((site for site in webhook.sites if site not in sites), None)
        if unknown is not None or (webhook.partner is not None and webhook.partner not in partners):
            name = f"branch {unknown!r}" if unknown is not None else f"partner {webhook.partner!r}"
            raise ConfigError(
                f"{path}: webhook {webhook.id!r} names {name}, which is not configured.",
                hint="Check its name.",
            )
    return found


def site_text(config: HubConfig, site: str) -> str:
    """The text of a site's own file, as it is now. Raises ConfigError."""
    return read_text(config.site_files[site])
