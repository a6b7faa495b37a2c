"""Which threads do what cannot be awaited: a name that nobody finds, or a mail server that drips, holds up no other work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Unwaited(ThreadPoolExecutor):
    """A thread for each call, which nobody waits for in the end: a look for a name cannot be broken off."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin it at once."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def work() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever awaits it gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=work, name="unwaited", daemon=True).start()
        return future


_DATABASE = ThreadPoolExecutor(4, "database")
_UNWAITED = Unwaited()


async def in_database(work: Callable[..., T], *args: object) -> T:
    """Do a transaction, in threads that do nothing else."""
    return await asyncio.get_running_loop().run_in_executor(_DATABASE, work, *args)


def unwaited(work: Callable[..., T], *args: object) -> asyncio.Future[T]:
    """Begin what may hang, in a thread of its own."""
    return asyncio.get_running_loop().run_in_executor(_UNWAITED, work, *args)
