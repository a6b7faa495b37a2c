"""Whether a configuration that was taken from the hub works: until it has for long, crashes send the box back.

`desired.json` is what runs. `trial.json` says how far it has proven itself: first ten minutes of counting in one
go, then a day of it in all; without that file it has worked for long. `desired-before.json` is the last one that
got through the ten minutes, `desired-good.json` the last one that worked for long, `refused.json` what crashed.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from branchloop.clock import HOUR_MS
from branchloop.wire.desired import Desired
from branchloop.wire.payload import Wire
from branchloop.wire.status import Refusal
from edge.configured import KEPT, put_whole
from edge.crashes import MANY, Crashes, unless_the_disk_fails

BEFORE = "desired-before.json"
GOOD = "desired-good.json"
TRIAL = "trial.json"
REFUSED = "refused.json"
PROVEN_S = 600.0
"""A configuration that has counted for so long in one go works."""
LONG = 144
"""Stretches of `PROVEN_S`, together a day: it has seen a branch full and empty, open and closed."""
_REFUSALS = 16
_LOG = logging.getLogger(__name__)
WireT = TypeVar("WireT", bound=Wire)


class Standing(Wire):
    """How many stretches of `PROVEN_S` a version has counted for without a crash in them."""

    version: int
    stretches: int = 0


class Refusals(Wire):
    """Versions that crashed, the last one at the end."""

    refusals: list[Refusal] = Field(default_factory=list)


class Trial:
    """The files of one box. For use by the core, which owns the data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir
        self.crashes = Crashes(data_dir)

    def begin(self, own_version: int) -> None:
        """The core begins: by what is kept, or by one before when it crashed too often.

        An own file of `own_version` or above is what the box runs, and is never refused.
        """
        self.crashes.begin()
        standing = self._standing()
        if standing is not None and standing.version > own_version:
            with unless_the_disk_fails():
                self._judge(standing)
        kept = self._read(KEPT, Desired)
        self.crashes.works_by(own_version if kept is None else max(own_version, kept.version))

    def coming(self, version: int) -> None:
        """Another version is about to be kept. Raises DependencyError."""
        kept, standing = self._read(KEPT, Desired), self._standing()
        if kept is not None and standing is None:
            put_whole(self._dir / GOOD, kept.to_json())
            self._drop(BEFORE)
        elif kept is not None and standing is not None and standing.stretches:
            put_whole(self._dir / BEFORE, kept.to_json())
        put_whole(self._dir / TRIAL, Standing(version=version).to_json())
        self.crashes.works_by(version)

    def counted(self) -> bool:
        """It counted for `PROVEN_S` in one go; False when nothing is left to be proven."""
        standing = self._standing()
        if standing is None:
            return False
        if standing.stretches + 1 >= LONG:
            self._drop(TRIAL)
            return False
        more = standing.model_copy(update={"stretches": standing.stretches + 1})
        with unless_the_disk_fails():
            put_whole(self._dir / TRIAL, more.to_json())
        return True

    def refused(self) -> list[Refusal]:
        """Versions that crashed, the last one at the end."""
        found = self._read(REFUSED, Refusals)
        return [] if found is None else found.refusals

    def _judge(self, standing: Standing) -> None:
        if not standing.stretches:
            crashes, within = self.crashes.of(standing.version), f"{PROVEN_S:.0f} s"
        else:
            crashes, within = self.crashes.of(standing.version, HOUR_MS), f"{HOUR_MS // 1000} s"
        if len(crashes) >= MANY:
            said = next((crash.error for crash in reversed(crashes) if crash.error), "")
            how = f"the last time with {said}" if said else "without a word"
            self._give_up(
                standing.version, f"the core ended {len(crashes)} times within {within} of work by it, {how}."
            )

    def _give_up(self, version: int, reason: str) -> None:
        refusals = [*self.refused(), Refusal(version=version, code="crashed", reason=reason[:500])]
        put_whole(self._dir / REFUSED, Refusals(refusals=refusals[-_REFUSALS:]).to_json())
        before = self._read(BEFORE, Desired)
        if before is not None:
            (self._dir / BEFORE).replace(self._dir / KEPT)
            put_whole(self._dir / TRIAL, Standing(version=before.version, stretches=1).to_json())
        else:
            if (self._dir / GOOD).exists():
                (self._dir / GOOD).replace(self._dir / KEPT)
            else:
                self._drop(KEPT)
            self._drop(TRIAL)
        _LOG.error("configuration %d is refused (crashed): %s", version, reason)

    def _standing(self) -> Standing | None:
        found = self._read(TRIAL, Standing)
        kept = self._read(KEPT, Desired) if found is not None else None
        return found if kept is not None and found is not None and found.version == kept.version else None

    def _drop(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._dir / name).unlink(missing_ok=True)

    def _read(self, name: str, model: type[WireT]) -> WireT | None:
        try:
            return model.model_validate_json((self._dir / name).read_bytes())
        except (OSError, ValidationError):
            return None
