"""Taking a background inside the camera's process: beside its work, in a thread of its own, only on command.

Samples are spread over half a minute to two, so that whoever walks has walked on; over less where less time
is given. They lie in memory only from the command until its answer.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from branchloop.errors import BranchloopError, InputError
from edge.perceive.backdrop import SCORE_FLOOR, Backdrop
from edge.perceive.nobody import Detector, Image
from edge.perceive.report import BackgroundReport

EVERY_MS = 1_500
LEAST_EVERY_MS = 400
LATER_MS = 4_000
"""Between samples once the place has proved busy."""
BUSY_AFTER = 20
MOST_SAMPLES = 36
LONGEST_MS = 120_000
COLLECTING = 1 / 3
"""Share of the time given that samples may take; a busy box needs the rest for making and checking the picture."""


@dataclass(frozen=True, slots=True)
class _Order:
    command: str
    until_ms: int


class Taking:
    """Answers commands for a background. `ask` and `offer` never wait."""

    def __init__(
        self,
        camera: str,
        load: Callable[[float], Detector],
        tell: Callable[[BackgroundReport], None],
    ) -> None:
        """`load` gives a detector that tells people from a score on; `tell` is called in the thread."""
        self._camera = camera
        self._load = load
        self._tell = tell
        self._orders: list[_Order] = []
        self._lock = threading.Lock()
        self._given: queue.Queue[tuple[int, Image | None]] = queue.Queue(1)
        self._next_ms = 0
        self._every_ms = EVERY_MS
        self._taken = 0
        self._working = False
        self._detector: Detector | None = None

    def ask(self, command: str, now_ms: int, expires_ms: int) -> None:
        """Begin, or join what is under way: all that ask get the same picture."""
        given_ms = min(round((expires_ms - now_ms) * COLLECTING), LONGEST_MS)
        until_ms = now_ms + given_ms
        every_ms = max(LEAST_EVERY_MS, min(EVERY_MS, given_ms // BUSY_AFTER))
        with self._lock:
            if any(order.command == command for order in self._orders):
                return
            self._orders.append(_Order(command, until_ms))
            if self._working:
                self._every_ms = min(self._every_ms, every_ms)
                return
            self._working, self._taken, self._next_ms, self._every_ms = True, 0, now_ms, every_ms
            threading.Thread(target=self._work, name="background", daemon=True).start()

    def offer(self, image: Image | None, t_ms: int) -> None:
        """A frame of UTC ms `t_ms`; None: time passes without a picture that could be used."""
        with self._lock:
            if not self._working or (image is not None and 0 <= self._next_ms - t_ms < LATER_MS + 1):
                return
            if image is not None:
                self._taken += 1
                self._next_ms = t_ms + (self._every_ms if self._taken < BUSY_AFTER else LATER_MS)
        try:
            self._given.put_nowait((t_ms, None if image is None else image.copy()))
        except queue.Full:  # the last one is still being looked at
            return

    def _work(self) -> None:
        report = BackgroundReport(self._camera, "", "refused", 0, "no picture could be made")
        try:
            report = self._make()
        except BranchloopError as error:
            report = BackgroundReport(self._camera, "", "refused", 0, str(error))
        except (cv2.error, ValueError, MemoryError) as error:
            report = BackgroundReport(
                self._camera, "", "refused", 0, f"no picture could be made: {error}"[:300]
            )
        finally:  # whatever a detector raises, whoever asked hears, and may ask again
            with self._lock:
                orders, self._orders, self._working = self._orders, [], False
            for order in orders:
                self._tell(replace(report, command=order.command))

    def _make(self) -> BackgroundReport:
        if self._detector is None:
            self._detector = self._load(SCORE_FLOOR)
        backdrop = Backdrop(self._detector, MOST_SAMPLES)
        t_ms = 0
        while not (backdrop.full or backdrop.enough()):
            try:
                t_ms, image = self._given.get(timeout=LONGEST_MS / 1000)
            except queue.Empty as error:
                raise InputError("no picture came.", hint="Look at the camera's light.") from error
            if image is not None:
                backdrop.add(image)
            with self._lock:
                if t_ms >= min(order.until_ms for order in self._orders):
                    break
        made = backdrop.finish()
        _, blank = cv2.imencode(".png", made.blank.astype(np.uint8) * 255)
        height, width = made.blank.shape
        return BackgroundReport(
            self._camera, "", "done", t_ms, "", made.jpeg, blank.tobytes(), (width, height), made.camera_px,
            made.samples, round(made.blank_share, 4),
        )  # fmt: skip
