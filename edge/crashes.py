"""How often the core of a box ended without being told to: a record that outlives it.

`crashes.json` names the version that a core works by while it does, and the boot of the machine. Found at the next
beginning, that core crashed, also where it could not say so (a signal); if the machine was booted since, it may have
been no more than a power cut, which is no crash of the core.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from branchloop.clock import HOUR_MS
from branchloop.errors import DependencyError
from branchloop.wire.payload import Wire
from branchloop.wire.status import CoreCrashes
from edge.configured import put_whole

CRASHES = "crashes.json"
MANY = 3
"""So often within an hour is no accident."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_KEPT = 32
_LOG = logging.getLogger(__name__)


class Crash(Wire):
    """One unclean end: the version that the core worked by, when the next one began (UTC ms), and the error, if it said one."""

    version: int
    at_ms: int
    error: str = ""


class Record(Wire):
    """What is kept; `works_by` is None after an end in order, `boot_id` where the system tells none."""

    works_by: int | None = None
    boot_id: str | None = None
    ends_by: str = ""
    crashes: list[Crash] = Field(default_factory=list)


class Crashes:
    """The record of one box. For use by the core, which owns the data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / CRASHES

    def begin(self) -> None:
        """A core begins: the one before has crashed if it did not end in order, nor with the machine."""
        record = self._read()
        if record.works_by is None:
            return
        crashes = record.crashes
        if _ended_with_the_machine(record):
            _LOG.warning(
                "the machine was restarted while the core worked by configuration %d; that is no crash of the core",
                record.works_by,
            )
        else:
            crash = Crash(version=record.works_by, at_ms=_now_ms(), error=record.ends_by)
            crashes = [*crashes, crash][-_KEPT:]
        self._put(Record(crashes=crashes))

    def works_by(self, version: int) -> None:
        """The core works by this version from now on."""
        self._put(self._read().model_copy(update={"works_by": version, "boot_id": boot_id()}))

    def ends_by(self, error: BaseException) -> None:
        """The core ends by this error."""
        said = f"{type(error).__name__}: {error}"[:300]
        self._put(self._read().model_copy(update={"ends_by": said}))

    def in_order(self) -> None:
        """The core ends as it was told to, or by what is no configuration's fault."""
        self._put(self._read().model_copy(update={"works_by": None}))

    def of(self, version: int, within_ms: int | None = None) -> list[Crash]:
        """Crashes under a version, all or the recent ones, the last one at the end."""
        return [
            crash
            for crash in self._read().crashes
            if crash.version == version and (within_ms is None or crash.at_ms > _now_ms() - within_ms)
        ]

    def lately(self) -> CoreCrashes | None:
        """Those of the last hour under whatever version, if they are many."""
        recent = [crash for crash in self._read().crashes if crash.at_ms > _now_ms() - HOUR_MS]
        return CoreCrashes(count=len(recent), error=recent[-1].error) if len(recent) >= MANY else None

    def _read(self) -> Record:
        try:
            return Record.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return Record()

    def _put(self, record: Record) -> None:
        with unless_the_disk_fails():
            put_whole(self._path, record.to_json())


def boot_id() -> str | None:
    """Which boot of the machine this is; None where the system does not tell."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def _ended_with_the_machine(record: Record) -> bool:
    """Whether another boot explains the end; a core that said its error crashed before the machine did."""
    now = boot_id()
    return not record.ends_by and None not in (record.boot_id, now) and record.boot_id != now


@contextlib.contextmanager
def unless_the_disk_fails() -> Iterator[None]:
    """What cannot be noted ends nothing."""
    try:
        yield
    except (OSError, DependencyError) as error:
        _LOG.warning("how the core fares cannot be noted: %s", error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
