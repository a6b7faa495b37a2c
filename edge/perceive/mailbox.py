"""Where a grabber leaves what it has for one reader: every event, but only the newest frame."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

E = TypeVar("E")
F = TypeVar("F")


class Mailbox(Generic[E, F]):
    """Events `E` in order, and at most one frame `F`, which a newer one replaces. For two threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[E] = deque()
        self._frame: F | None = None
        self._after = 0
        self.replaced = 0
        """Frames that nobody fetched in time."""

    def put_event(self, event: E) -> None:
        """Leave an event; a frame already waiting stays in front of it."""
        with self._changed:
            self._events.append(event)
            self._changed.notify()

    def put_frame(self, frame: F) -> None:
        """Leave a frame; it comes after all events left before."""
        with self._changed:
            self.replaced += self._frame is not None
            self._frame = frame
            self._after = len(self._events)
            self._changed.notify()

    def wake(self) -> None:
        """Let a waiting reader return with nothing."""
        with self._changed:
            self._changed.notify()

    def get(self, timeout_s: float) -> E | F | None:
        """The next event or frame; None when nothing came in time."""
        with self._changed:
            if self._frame is None and not self._events and timeout_s > 0:
                self._changed.wait(timeout_s)
            if self._frame is not None and self._after == 0:
                frame, self._frame = self._frame, None
                return frame
            if self._events:
                if self._frame is not None:
                    self._after -= 1
                return self._events.popleft()
            return None
