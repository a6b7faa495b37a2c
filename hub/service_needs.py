"""What a hub touches when it runs as a service."""

from __future__ import annotations

from pathlib import Path

from branchloop.daemon.needs import Needs, gather
from hub.config.hub import HubConfig, read_config


def needs(config: Path) -> Needs:
    """Raises ConfigError when the hub file, or a site file that it names, is wrong."""
    return needs_of(read_config(config))


def needs_of(settings: HubConfig) -> Needs:
    """The same of a file that was read."""
    hub = settings.hub
    journal = settings.people.forgotten_file
    people = settings.people.model_copy(update={"forgotten_file": None})  # it is written, not only read
    parts = [
        hub, people, *settings.partners.values(), *settings.webhooks.values(), settings.reminders,
        *([settings.documents] if settings.documents is not None else []),
    ]  # fmt: skip
    return gather(
        parts,
        settings.path.parent,
        writes=[
            hub.data_dir,
            *([hub.credentials] if hub.credentials is not None else []),
            *([str(Path(journal).parent)] if journal is not None else []),
        ],
        reads=[*hub.sites, *([hub.scenes] if hub.scenes is not None else [])],
        listens=[hub.listen, *([hub.broker_listen] if settings.external_broker is None else [])],
    )
