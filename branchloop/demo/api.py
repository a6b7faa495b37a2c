"""The demo as a client of the hub: what the API says, and how soon it says it."""

from __future__ import annotations

import contextlib
import json
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from branchloop.errors import DependencyError

Value = TypeVar("Value")


class DemoApi:
    """The few questions the demo asks."""

    def __init__(self, api: str, token: str) -> None:
        self._api = api
        self._token = token

    def frames(self, site: str) -> int:
        """Frames the detector has seen today."""
        return sum(camera.get("frames_analysed") or 0 for camera in self.get(f"{site}/live")["cameras"])

    def crossings(self, site: str) -> int:
        """Crossings of all lines today."""
        return sum((line["in"] or 0) + (line["out"] or 0) for line in self.get(f"{site}/live")["lines"])

    def person_seconds(self, site: str) -> float:
        """The heat's total over the last two hours; 0 when nothing was observed in them."""
        now = datetime.now(UTC)
        query = f"?from={_stamp(now - timedelta(hours=2))}&to={_stamp(now)}"
        return float(self.get(f"{site}/heat{query}")["total"] or 0)

    def get(self, path: str) -> dict[str, Any]:
        """An answer of the API. Raises DependencyError when there is none."""
        try:
            with self.open(path, timeout_s=10) as answer:
                body: dict[str, Any] = json.load(answer)
                return body
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise DependencyError(f"the hub's API did not answer {path}: {error}.") from error

    def open(self, path: str, timeout_s: float) -> Any:
        """The raw answer, for streams."""
        request = urllib.request.Request(  # noqa: S310 - the demo's own address
            f"{self._api}/api/v1/branches/{path}", headers={"Authorization": f"Bearer {self._token}"}
        )
        return urllib.request.urlopen(request, timeout=timeout_s)  # noqa: S310


class Latencies:
    """From the capture of the frame that made a crossing certain to its arrival on the API's stream."""

    def __init__(self, api: DemoApi, site: str) -> None:
        self._api = api
        self._site = site
        self._seconds: list[float] = []
        self._thread = threading.Thread(target=self._listen, name="latency", daemon=True)

    def start(self) -> None:
        """Listen until the demo ends."""
        self._thread.start()

    @property
    def count(self) -> int:
        """How many crossings were timed."""
        return len(self._seconds)

    def quantiles(self) -> tuple[float | None, float | None]:
        """(p50, p95) in seconds; None when nothing was timed."""
        seconds = sorted(self._seconds)
        if not seconds:
            return None, None
        p95 = seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
        return round(statistics.median(seconds), 3), round(p95, 3)

    def _listen(self) -> None:
        while True:
            with contextlib.suppress(urllib.error.URLError, OSError, ValueError):
                self._follow()
            time.sleep(0.5)

    def _follow(self) -> None:
        event = ""
        with self._api.open(f"{self._site}/stream", timeout_s=30) as stream:
            for raw in stream:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:") and event == "notice":
                    seen_ms = json.loads(line[5:]).get("seen_ms")
                    if seen_ms is not None:
                        self._seconds.append(time.time() - seen_ms / 1000)


def wait_for(
    ask: Callable[[], Value | None],
    timeout_s: float,
    what: str,
    stop: threading.Event,
    log: Path | None = None,
    gone: Callable[[], bool] = lambda: False,
) -> Value:
    """Ask until there is an answer.

    Raises DependencyError when it takes too long, `stop` is set or who should answer is gone, with the last
    line of `log`.
    """
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s and not stop.is_set() and not gone():
        with contextlib.suppress(DependencyError):
            answer = ask()
            if answer is not None:
                return answer
        stop.wait(0.2)
    how = f"did not start within {timeout_s:.0f} s"
    if stop.is_set():
        how = "was stopped before it had started"
    elif gone():
        how = "ended before it had started"
    raise DependencyError(f"{what} {how}.", hint=_last_words(log))


def _last_words(log: Path | None) -> str:
    if log is None:
        return "Its log says why."
    try:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        said = []
    return f"The last line of {log}: {said[-1][:500]}" if said else f"Its log {log} is empty."


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
