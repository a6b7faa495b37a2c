"""Which configuration of a box is in force, which one comes, and why another was refused."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from branchloop.clock import HOUR_MS
from branchloop.errors import ConfigError, DependencyError
from branchloop.site.content import content_hash
from branchloop.site.site import Site
from branchloop.wire.desired import Desired, RefusedError, judge
from branchloop.wire.status import CoreCrashes, Refusal
from edge.configured import Configured, keep
from edge.floor.floor import Floor
from edge.trial import PROVEN_S, Trial

AGAIN_S = 30.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DesiredHeard:
    """A desired configuration, as it came."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Coming:
    """A configuration that was taken and kept, and the floor that is to count by it."""

    desired: Desired
    site: Site
    floor: Floor


class Succession:
    """Versions only rise. For use by the core's one thread."""

    def __init__(self, configured: Configured, data_dir: Path, prefix: str) -> None:
        """`prefix` begins the ids of notices."""
        self.site = configured.site
        self.hash, self.content = configured.hash, configured.content
        self._trial = Trial(data_dir)
        self._crashed = {refusal.version: refusal for refusal in self._trial.refused()}
        newest = self._crashed.get(max(self._crashed, default=0))
        newer = newest is not None and newest.version > configured.site.version
        self._passed_over = configured.passed_over
        self.refused: Refusal | None = newest if newer else None
        if self._passed_over is not None and (
            self.refused is None or self._passed_over.refusal.version > self.refused.version
        ):
            self.refused = self._passed_over.refusal
        self.crashes: CoreCrashes | None = self._trial.crashes.lately()
        """Of the last hour, where they are many; so told until the core has worked for an hour."""
        self._began_s: float | None = None
        self._since_s: float | None = None
        """Since when the configuration in force has been counting in this stretch; infinity: it has worked for long."""
        self.coming: Coming | None = None
        self._own_text = configured.own_text
        self._box = configured.box
        self._data_dir = data_dir
        self._prefix = prefix
        self._waiting: DesiredHeard | None = None
        self._again: DesiredHeard | None = None
        self._again_s = 0.0

    def floor(self, site: Site) -> Floor:
        """A floor that counts by a configuration. Raises ConfigError for one that cannot be calibrated."""
        return Floor(site, prefix=f"{self._prefix}-{site.version}", method=f"{self._box.detector}+floor")

    def hear(self, heard: DesiredHeard) -> Coming | None:
        """Judge what the hub desires: kept and coming, or refused (see `refused`), or ignored as not newer."""
        try:
            desired = Desired.model_validate_json(heard.payload)
        except ValidationError as error:
            _LOG.warning("the hub desires what cannot be read: %s", error)
            return None
        if self.coming is not None:
            self._waiting = heard
            return None
        if desired.version <= self.site.version:
            return None
        if desired.version in self._crashed:
            self.refused = self._crashed[desired.version]
            return None
        passed = self._passed_over
        if passed is not None and (desired.version, desired.hash) == (
            passed.desired.version,
            passed.desired.hash,
        ):
            self.refused = passed.refusal  # judged as one that was taken, not as one that comes anew
            return None
        try:
            site = judge(desired, self._own_text)
            coming = Coming(desired, site, self.floor(site))
            self._trial.coming(desired.version)
            keep(self._data_dir, desired)
        except RefusedError as error:
            self._refuse(desired, error.code, str(error))
        except ConfigError as error:
            self._refuse(desired, "faulty", str(error))
        except DependencyError as error:
            self._refuse(desired, "disk", str(error))
            self._again = heard
        except (ArithmeticError, ValueError) as error:  # else it would end the core at every connection anew
            self._refuse(desired, "faulty", f"no floor can be made of it: {error}")
        else:
            self.coming = coming
            self.refused = None
            return coming
        return None

    def again(self, now_s: float) -> DesiredHeard | None:
        """What was refused for want of room, now and then: to be heard again, since there may be some."""
        if self._again is None:
            self._again_s = now_s
        if now_s - self._again_s < AGAIN_S:
            return None
        heard, self._again = self._again, None
        return heard

    def in_force(self) -> DesiredHeard | None:
        """What came is in force now; what was heard meanwhile, if anything, to be heard again."""
        if self.coming is not None:
            self._since_s = None
            desired = self.coming.desired
            self.hash, self.content = desired.hash, content_hash(desired.text)
            self.site, self.coming = self.coming.site, None
        waiting, self._waiting = self._waiting, None
        return waiting

    def counting(self, now_s: float) -> bool:
        """It counts by what is in force, and proves it bit by bit; True when the status tells other things by now."""
        if self.coming is None:
            if self._since_s is None:
                self._since_s = now_s
            elif now_s - self._since_s >= PROVEN_S:
                self._since_s = now_s if self._trial.counted() else float("inf")
        if self._began_s is None:
            self._began_s = now_s
        if self.crashes is None or now_s - self._began_s < HOUR_MS / 1000:
            return False
        self.crashes = None
        return True

    def _refuse(self, desired: Desired, code: str, reason: str) -> None:
        self.refused = Refusal(version=desired.version, code=code, reason=reason[:500])
        _LOG.warning("configuration %d is refused (%s): %s", desired.version, code, reason)
