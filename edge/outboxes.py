"""The outboxes of a box and its kiosks: where each lies, and whose it is."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pydantic import ValidationError

from branchloop.errors import ConfigError
from branchloop.site.box import Box
from branchloop.site.site import Site
from branchloop.wire.desired import Desired
from edge.configured import KEPT
from edge.send.outbox import Outbox
from edge.send.owner import Owner

OUTBOX = "outbox.db"


def open_outbox(site: Site, box: Box, data_dir: Path, device: str) -> Outbox:
    """The outbox of the box itself or of a kiosk, as `Outbox`; `data_dir` is the box's."""
    folder = data_dir if device == box.id else data_dir / device
    owner = Owner(site.id, device, _before(data_dir))
    return Outbox(folder / OUTBOX, max_bytes=round(box.outbox_max_mb * 1e6), owner=owner)


def refusals(site: Site, box: Box, data_dir: Path) -> list[ConfigError]:
    """What waits under another name, of the box and of each kiosk; nothing is changed."""
    before = _before(data_dir)
    folders = {box.id: data_dir} | {kiosk.id: data_dir / kiosk.id for kiosk in site.kiosks}
    found = (
        Owner(site.id, device, before).refused(folder / OUTBOX)
        for device, folder in folders.items()
        if (folder / OUTBOX).exists()
    )
    return [each for each in found if each is not None]


def forsaken(site: Site, box: Box, data_dir: Path) -> list[str]:
    """A sentence for each outbox of a kiosk that is none any more, as after another id, in which something waits."""
    devices = {box.id, *(kiosk.id for kiosk in site.kiosks)}
    found = []
    for path in sorted(data_dir.glob(f"*/{OUTBOX}")):
        if path.parent.name not in devices and (held := Owner.held(path)) is not None:
            whose, waiting = held
            count, verb = ("1 message", "waits") if waiting == 1 else (f"{waiting} messages", "wait")
            found.append(
                f"{count} of {whose} {verb} in {path.parent}, and nobody sends them: "
                f"give a kiosk the id {path.parent.name} again until they are sent, or delete that folder"
            )
    return found


def _before(data_dir: Path) -> str | None:
    """The site that a box was of by what it took from the hub, if it did."""
    with contextlib.suppress(OSError, ValidationError):
        return Desired.model_validate_json((data_dir / KEPT).read_bytes()).site
    return None
