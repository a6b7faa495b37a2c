"""What time brings about beside ingest never ends it."""

from __future__ import annotations

from collections.abc import Callable

from branchloop.errors import BranchloopError, ConflictError, DependencyError, InputError
from hub.ingest.walltime import WallTime
from hub.ingest.worker import Ingest


def test_a_tick_that_is_refused_ends_neither_ingest_nor_the_ticks_after_it() -> None:
    said: list[str] = []
    ticked: list[int] = []

    def refusing(fault: BranchloopError) -> Callable[[int], None]:
        def tick(_: int) -> None:
            raise fault

        return tick

    faults = [InputError("no such service"), ConflictError("taken"), DependencyError("away")]
    ingest = Ingest(None, None, None, WallTime(None), [*(refusing(each) for each in faults), ticked.append])  # type: ignore[arg-type]
    ingest._say_once = said.append  # type: ignore[method-assign]
    ingest._tick()
    assert [each.split(".")[0] for each in said] == ["no such service", "taken", "away"]
    assert len(ticked) == 1
