"""`edge run`: a small process that keeps the box's core running; the core keeps the cameras."""

from __future__ import annotations

import sys
from pathlib import Path

from branchloop import exits
from branchloop.processes import Child, Supervisor, lock_directory, stop_event
from edge.configured import read_box
from edge.outboxes import forsaken, refusals
from edge.send.boxlink import BoxLink

STEADY_S = 3600.0
"""A core that works for less before it crashes has longer and longer pauses: a configuration may end it after minutes."""
LONGEST_PAUSE_S = 120.0


def run_box(config: Path) -> None:
    """Supervise the box of a site file until SIGTERM or SIGINT.

    Raises ConfigError before it begins, also where what waits to be sent is another's, and DependencyError where its data directory cannot be used or is in use: a core
    that is begun again and again mends neither.
    """
    site, box = read_box(config)
    BoxLink.of(site.id, box, config.parent)
    with lock_directory(config.parent / box.data_dir):
        for wrong in refusals(site, box, config.parent / box.data_dir):
            raise wrong
        for told in forsaken(site, box, config.parent / box.data_dir):
            exits.log(f"{told}.")
    stop = stop_event()
    core = Child(
        "core",
        [sys.executable, "-m", "edge.main", "core", str(config)],
        steady_s=STEADY_S,
        longest_delay_s=LONGEST_PAUSE_S,
    )
    exits.tell(f"box {box.id} of {site.id}: {len(site.cameras)} camera(s), {len(site.sensors)} sensor(s)\n")
    children = [core]
    for kiosk in site.kiosks:
        children.append(
            Child(f"kiosk {kiosk.id}", [sys.executable, "-m", "edge.main", "kiosk", str(config), kiosk.id])
        )
        scheme = "https" if kiosk.tls_cert_file else "http"
        exits.tell(f"kiosk {kiosk.id}: {scheme}://{kiosk.listen}/\n")
    Supervisor(children).run(stop)
