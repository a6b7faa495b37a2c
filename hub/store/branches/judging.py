"""A branch's configuration judged as its box would, and kept only when it is right. For the API and the command line."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, field

from branchloop import survey
from branchloop.config import Fault, find_faults
from branchloop.errors import ConfigError, InputError
from branchloop.site.editing import publishable
from branchloop.site.site import Site, parse_site
from branchloop.wire.desired import RefusedError, judge, make, marks_fault
from hub.config.hub import HubConfig, site_text
from hub.store.branches.configurations import Configurations, Saved

MOST_SAID = 5
"""Faults told in one sentence; the check tells all."""


@dataclass(slots=True)
class Judged:
    """Every fault of a text by its key, and what each camera's marks are worth where they are right."""

    faults: list[Fault] = field(default_factory=list)
    surveys: list[tuple[str, survey.Survey]] = field(default_factory=list)


def judge_text(config: HubConfig, site: Site, text: str) -> Judged:
    """Judge a text as the branch's box would."""
    judged = Judged()
    try:
        published = publishable(text)
    except ConfigError as error:
        judged.faults.append(Fault("", f"{error.message} {error.hint}"))
        return judged
    judged.faults += find_faults(published, Site)
    if not judged.faults:
        parsed = parse_site(published)
        for index, camera in enumerate(parsed.cameras):
            wrong = marks_fault(camera, parsed.plan)
            verdict = None if wrong else survey.survey(camera.calibration, parsed.plan)
            if wrong is not None:
                judged.faults.append(Fault(f"camera[{index}].calibration.points", " ".join(wrong)))
            elif verdict is not None:
                judged.surveys.append((camera.id, verdict))
    if not judged.faults:
        try:
            judge(make(published, site.id, site.version + 1, 0, _now_ms()), site_text(config, site.id))
        except RefusedError as error:
            judged.faults.append(Fault("", str(error)))
    return judged


def require_right(config: HubConfig, site: Site, text: str) -> None:
    """Raise InputError for a text that the box would refuse."""
    faults = judge_text(config, site, text).faults
    if faults:
        said = "; ".join(
            (str(fault) if fault.key else fault.message).rstrip(".") for fault in faults[:MOST_SAID]
        )
        more = f" (and {len(faults) - MOST_SAID} more)" if len(faults) > MOST_SAID else ""
        raise InputError(f"the configuration is wrong: {said}{more}.", hint="Mend it; nothing was saved.")


def save_text(
    db: sqlite3.Connection, config: HubConfig, site: Site, text: str, base: int, author: str, note: str
) -> Saved:
    """Keep a text as the next version. Raises InputError as `require_right`, ConflictError."""
    require_right(config, site, text)
    own_text = site_text(config, site.id)
    above, ring, now_ms = parse_site(own_text).version, config.rollout.ring_of(site.id), _now_ms()
    configurations = Configurations(db)
    configurations.keep_own(site.id, own_text, above, ring, now_ms)
    return configurations.save(
        site.id, text, above=above, base=base, author=author, note=note, ring=ring, now_ms=now_ms
    )


def roll_back(db: sqlite3.Connection, config: HubConfig, site: Site, old: Saved, author: str) -> Saved:
    """An old text as the next version, published. Raises InputError for one that the box would refuse now."""
    configurations = Configurations(db)
    newest = configurations.newest(site.id)
    base = max(newest.version if newest else 0, parse_site(site_text(config, site.id)).version)
    saved = save_text(db, config, site, old.text, base, author, f"back to version {old.version}")
    configurations.publish(saved, _now_ms())
    return saved


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
