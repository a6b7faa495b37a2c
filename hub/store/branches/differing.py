"""Whether a box runs another text of a version than the hub holds: to publish from the hub's would undo the box's.

A box tells what its text says (`config_content`), since the hash of its own file is of all of it, secrets' names and
remarks too. Of a box that does not tell, nothing is known, and nothing is said.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from branchloop.errors import ConflictError
from branchloop.site.content import content_hash
from branchloop.site.site import Site, parse_site
from hub.config.hub import HubConfig, site_text
from hub.store.branches.configurations import Configurations


@dataclass(frozen=True, slots=True)
class Differing:
    """The version of which there are two texts, and the one above all that are known: for the right one of them."""

    version: int
    next: int


def differing(db: sqlite3.Connection, config: HubConfig, site: Site) -> Differing | None:
    """What the branch's box runs otherwise than the hub has it; None where it is the same, or not known.

    A hub's own file above the box's version was put there on purpose, and has the last word.
    """
    configurations = Configurations(db)
    told = configurations.reported(site.id)
    if told is None or not told.content:
        return None
    own = site_text(config, site.id)
    own_version = parse_site(own).version
    if own_version > told.version:
        return None
    held = [own] if own_version == told.version else []
    saved, newest = configurations.find(site.id, told.version), configurations.newest(site.id)
    waits = newest is not None and newest.published_ms is None  # made of the text that was kept then
    if saved is not None and saved.hash != told.hash and (waits or not held):
        held.append(saved.text)
    if all(content_hash(text) == told.content for text in held):
        return None
    return Differing(told.version, max(told.version, newest.version if newest else 0) + 1)


def require_same(db: sqlite3.Connection, config: HubConfig, site: Site) -> None:
    """Raise ConflictError, with what to do, where the box is known to run another text than the hub holds."""
    found = differing(db, config, site)
    if found is not None:
        raise ConflictError(
            f"the box runs another text of version {found.version} than the hub holds, and publishing would undo it.",
            hint=f"Set version = {found.next} in the box's branch file, restart the box, carry that file to the hub and restart "
            f"the hub; or, if the hub's is the right one, set version = {found.next} there and restart the hub.",
        )
