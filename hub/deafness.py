"""A broker that answers and takes no message: nats-server after its disk was full, until it is started anew."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from branchloop import exits
from branchloop.errors import DependencyError
from branchloop.processes import Child
from hub.broker.probe import answers
from hub.config.hub import HubConfig
from hub.room import shortage
from hub.runtime import Runtime
from hub.store.figures.reading import Reader

LOOK_S = 2.0
DEAF_S = 60.0
AGAIN_S = 300.0
HEARD_MS = 30_000
"""Who told the hub, or was told by it, within so long is there."""


def deaf(data_dir: Path) -> bool:
    """Whether ingest lives and says that the broker takes nothing from it; False where that cannot be told.

    While it applies what the broker had kept, the broker's first acknowledgement may come behind all of that.
    """
    try:
        with Reader.open(data_dir) as reader:
            taken, heard_ms, committed_ms = reader.ingest()
    except DependencyError:
        return False
    now_ms = time.time_ns() // 1_000_000
    applies = committed_ms is not None and abs(now_ms - committed_ms) < HEARD_MS
    return not taken and not applies and abs(now_ms - heard_ms) < HEARD_MS


def watch_broker(config: HubConfig, runtime: Runtime, broker: Child, stop: threading.Event) -> None:
    """Have the embedded broker started anew when it stays deaf though there is room, until `stop` is set."""
    since_s, ended_s = None, float("-inf")
    while not stop.wait(LOOK_S):
        now_s = time.monotonic()
        if not deaf(config.data_dir):
            since_s = None
            continue
        since_s = now_s if since_s is None else since_s
        if now_s - since_s < DEAF_S or now_s - ended_s < AGAIN_S:
            continue
        ca_file = config.ca_file if runtime.broker_tls else None
        if answers(runtime.broker_dial, runtime.broker_port, ca_file=ca_file) and not shortage(
            config.data_dir
        ):
            exits.log(
                "hub: the broker answers and takes no message, though the disk has room: it is started anew"
            )
            broker.end()
            since_s, ended_s = None, time.monotonic()
