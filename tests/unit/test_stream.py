"""The stream's queues: nothing lost, nothing twice, and nobody waits for a slow reader."""

from __future__ import annotations

import asyncio

from hub.api.stream import QUEUED, Follower


def test_a_slow_reader_gets_its_queue_whole_and_is_then_let_go() -> None:
    """What it got has no hole, so that it can resume after the last of it."""

    async def run() -> tuple[str | None, str | None]:
        follower = Follower()
        for number in range(QUEUED + 50):
            follower.put(f"{number},")
        return await follower.take(1), await follower.take(1)

    text, end = asyncio.run(run())
    assert text == "".join(f"{number}," for number in range(QUEUED))
    assert end is None


def test_of_the_dots_only_the_newest_waits() -> None:
    """A hundred pictures of where people were are worth less than the last."""

    async def run() -> list[str | None]:
        follower = Follower()
        for number in range(100):
            follower.put_dots(f"dots {number}")
        follower.put("notice ")
        return [await follower.take(1), await follower.take(0.01)]

    assert asyncio.run(run()) == ["notice dots 99", ""]
