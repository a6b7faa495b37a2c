"""Which seqs of an outbox are committed: all up to a cursor, and runs above it. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

MAX_RUNS = 4_000
"""A box has at most 20 batches of 200 messages in flight, so honest holes stay below this."""


class Sequences:
    """A set of seqs from 1 on, stored as `upto` and ascending, disjoint runs above it."""

    def __init__(self, upto: int = 0, runs: Iterable[tuple[int, int]] = ()) -> None:
        self.upto = upto
        self._runs = list(runs)

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """Inclusive runs above `upto`."""
        return tuple(self._runs)

    def __contains__(self, seq: int) -> bool:
        if seq <= self.upto:
            return True
        at = bisect_right(self._runs, seq, key=lambda run: run[0])
        return at > 0 and self._runs[at - 1][1] >= seq

    def room_for(self, seq: int) -> bool:
        """Whether `seq` can be taken without more holes than an honest box leaves."""
        if len(self._runs) < MAX_RUNS or seq - 1 in self:
            return True
        return seq + 1 in self

    def add(self, seq: int) -> None:
        """Take one seq that is not yet there; runs that touch become one."""
        if seq == self.upto + 1:
            self.upto = seq
            self._absorb()
            return
        at = bisect_right(self._runs, seq, key=lambda run: run[0])
        first, last = seq, seq
        if at < len(self._runs) and self._runs[at][0] == seq + 1:
            last = self._runs.pop(at)[1]
        if at > 0 and self._runs[at - 1][1] == seq - 1:
            at -= 1
            first = self._runs.pop(at)[0]
        self._runs.insert(at, (first, last))

    def jump(self, upto: int) -> list[tuple[int, int]]:
        """Move the cursor up to `upto` at least; returns the runs that were missing below it."""
        missing: list[tuple[int, int]] = []
        at = self.upto + 1
        for first, last in self._runs:
            if first > upto:
                break
            missing.append((at, first - 1))
            at = last + 1
        if at <= upto:
            missing.append((at, upto))
        self.upto = max(self.upto, upto)
        self._absorb()
        return missing

    def _absorb(self) -> None:
        keep = 0
        for first, last in self._runs:
            if first > self.upto + 1:
                break
            self.upto = max(self.upto, last)
            keep += 1
        del self._runs[:keep]
