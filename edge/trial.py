"""Whether a configuration that was taken from the hub works: until it has, three crashes send the box back.

`desired.json` is what runs, `trial.json` how often the core began with it, `desired-before.json` the last
one that worked, `refused.json` the one that did not. A configuration without a trial has worked.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from branchloop.desired import Desired
from branchloop.errors import DependencyError
from branchloop.messages import Refusal, Wire
from edge.configured import KEPT, put_whole

BEFORE = "desired-before.json"
TRIAL = "trial.json"
REFUSED = "refused.json"
MOST_TRIES = 3
PROVEN_S = 600.0
"""A configuration that has counted for so long in one go works."""
_LOG = logging.getLogger(__name__)
WireT = TypeVar("WireT", bound=Wire)


class Tries(Wire):
    """How often the core worked by this version without getting through its trial, and how it ended last."""

    version: int
    tries: int
    error: str = ""


class Trial:
    """The files of one box. For use by the core, which owns the data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir

    @property
    def open(self) -> bool:
        """Whether what is kept has still to prove itself."""
        return self._tries() is not None

    def begin(self, own_version: int) -> None:
        """The core begins: one more try, or back to the configuration before when there were too many."""
        now = self._tries()
        if now is None or now.version <= own_version:
            return
        with self._unless_the_disk_fails():
            if now.tries >= MOST_TRIES:
                self._give_up(now)
            else:
                self._put(now.model_copy(update={"tries": now.tries + 1}))

    def coming(self, version: int) -> None:
        """Another version is about to be kept. Raises DependencyError."""
        kept = self._read(KEPT, Desired)
        if kept is not None and not self.open:
            put_whole(self._dir / BEFORE, kept.to_json())
        self._put(Tries(version=version, tries=1))

    def proven(self) -> None:
        """What is kept works."""
        with contextlib.suppress(OSError):
            (self._dir / TRIAL).unlink(missing_ok=True)

    def crashed(self, error: BaseException) -> None:
        """The core ends by this; the try has counted already, also for a core that could not say so."""
        now = self._tries()
        if now is not None:
            with self._unless_the_disk_fails():
                self._put(now.model_copy(update={"error": f"{type(error).__name__}: {error}"[:300]}))

    def spared(self) -> None:
        """The core ends in order, or for something that is no configuration's fault: the try does not count."""
        now = self._tries()
        if now is not None:
            with self._unless_the_disk_fails():
                self._put(now.model_copy(update={"tries": max(0, now.tries - 1)}))

    def refused(self) -> Refusal | None:
        """The version that did not work, the last one if there were several."""
        return self._read(REFUSED, Refusal)

    def _give_up(self, now: Tries) -> None:
        how = f"the last time with {now.error}" if now.error else "without a word"
        reason = f"the core ended {now.tries} times within {PROVEN_S:.0f} s of work by it, {how}."
        put_whole(
            self._dir / REFUSED, Refusal(version=now.version, code="crashed", reason=reason[:500]).to_json()
        )
        before = self._dir / BEFORE
        if before.exists():
            before.replace(self._dir / KEPT)
        else:
            (self._dir / KEPT).unlink(missing_ok=True)
        (self._dir / TRIAL).unlink(missing_ok=True)
        _LOG.error("configuration %d is refused (crashed): %s", now.version, reason)

    def _tries(self) -> Tries | None:
        found = self._read(TRIAL, Tries)
        kept = self._read(KEPT, Desired) if found is not None else None
        return found if kept is not None and found is not None and found.version == kept.version else None

    def _put(self, tries: Tries) -> None:
        put_whole(self._dir / TRIAL, tries.to_json())

    def _read(self, name: str, model: type[WireT]) -> WireT | None:
        try:
            return model.model_validate_json((self._dir / name).read_bytes())
        except (OSError, ValidationError):
            return None

    @contextlib.contextmanager
    def _unless_the_disk_fails(self) -> Iterator[None]:
        try:
            yield
        except (OSError, DependencyError) as error:
            _LOG.warning("the trial of a configuration cannot be noted: %s", error)
