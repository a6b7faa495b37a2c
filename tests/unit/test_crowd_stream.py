"""The crowding stream's fan-out: one computation for all, the newest alone for the slow, and faults that pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from branchloop.clock import MINUTE_MS
from branchloop.errors import DependencyError
from branchloop.site.parts import Text
from branchloop.site.site import parse_site
from hub.api import crowd_stream
from hub.api.crowd_stream import CrowdStream
from hub.api.models.card import Crowding
from hub.api.state import now_ms

SITE = parse_site(
    'id = "north"\nname = { en = "North", zh = "北" }\ntimezone = "Asia/Shanghai"\nplan = { width_m = 9.0, height_m = 9.0 }\n'
)


def answer(people: int) -> Crowding:
    return Crowding(
        site="north", branch=Text(en="North", zh="北"), timezone="Asia/Shanghai", simulated=False, open=True, level=None,
        people=people, fewer_than=None, as_of=None, today=[], best=[], basis_weeks=0,
    )  # fmt: skip


class Branch:
    """How many are in it, and how often that was asked."""

    def __init__(self) -> None:
        self.people = 3
        self.asked = 0
        self.faults: list[Exception] = []

    def told(self, site: str) -> Crowding:
        assert site == "north"
        self.asked += 1
        if self.faults:
            raise self.faults.pop()
        return answer(self.people)


async def event(of: AsyncIterator[bytes]) -> int:
    """People of the next event."""
    async for text in of:
        if text.startswith(b"event: crowding\n"):
            return Crowding.model_validate_json(text.split(b"data: ")[1]).people or 0
    raise AssertionError("the stream ended")


def run(check: Callable[[CrowdStream, Branch], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """With hardly a pause between computations."""
    monkeypatch.setattr(crowd_stream, "LEAST_S", 0.01)

    async def go() -> None:
        branch = Branch()
        stream = CrowdStream(branch.told, 100)
        async with asyncio.timeout(20):
            await check(stream, branch)  # type: ignore[misc]

    asyncio.run(go())


def until() -> int:
    return now_ms() + MINUTE_MS


def test_one_computation_serves_all_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(stream: CrowdStream, branch: Branch) -> None:
        readers = [stream.follow(SITE, until()) for _ in range(50)]
        assert await asyncio.gather(*map(event, readers)) == [3] * 50
        assert branch.asked == 1
        branch.people = 9
        stream.heard("north")
        stream.heard("elsewhere")
        assert await asyncio.gather(*map(event, readers)) == [9] * 50
        assert branch.asked == 2

    run(check, monkeypatch)


def test_a_slow_reader_gets_the_newest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(stream: CrowdStream, branch: Branch) -> None:
        quick, slow = stream.follow(SITE, until()), stream.follow(SITE, until())
        assert await asyncio.gather(event(quick), event(slow)) == [3, 3]
        for people in (4, 5, 6):
            branch.people = people
            stream.heard("north")
            assert await event(quick) == people
        assert await event(slow) == 6

    run(check, monkeypatch)


@pytest.mark.parametrize("fault", [DependencyError("the disk is full."), RuntimeError("unforeseen")])
def test_a_fault_passes_and_the_readers_stay(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    async def check(stream: CrowdStream, branch: Branch) -> None:
        branch.faults.append(fault)
        reader = stream.follow(SITE, until())
        waiting = asyncio.create_task(event(reader))
        while not waiting.done():
            # What was heard while the fault was handled may be of the computation that failed.
            stream.heard("north")
            await asyncio.sleep(0.01)
        assert await waiting == 3
        assert branch.faults == []
        assert branch.asked >= 2

    run(check, monkeypatch)


def test_the_same_answer_is_not_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(stream: CrowdStream, branch: Branch) -> None:
        reader = stream.follow(SITE, until())
        assert await event(reader) == 3
        asked = branch.asked
        while branch.asked < asked + 3:
            stream.heard("north")
            await asyncio.sleep(0.01)
        branch.people = 8
        stream.heard("north")
        assert await event(reader) == 8

    run(check, monkeypatch)


def test_nothing_is_computed_when_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(stream: CrowdStream, branch: Branch) -> None:
        reader = stream.follow(SITE, until())
        await event(reader)
        await reader.aclose()  # type: ignore[attr-defined]
        asked = branch.asked
        stream.heard("north")
        await asyncio.sleep(0.05)
        assert (stream.readers, branch.asked) == (0, asked)

    run(check, monkeypatch)


def test_it_ends_when_the_page_may_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(stream: CrowdStream, branch: Branch) -> None:
        told = [text async for text in stream.follow(SITE, now_ms() + 200)]
        assert told[0] == b": welcome\n\n"
        assert sum(text.startswith(b"event:") for text in told) == 1
        assert stream.readers == 0

    run(check, monkeypatch)
