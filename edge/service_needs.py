"""What the box of a site file touches when it runs as a service."""

from __future__ import annotations

from pathlib import Path

from branchloop.daemon.needs import Needs, gather
from edge.configured import read_own


def needs(config: Path) -> Needs:
    """Raises ConfigError when the file is wrong or has no [box]."""
    site, box, _ = read_own(config)
    sources = [
        *(camera.source for camera in site.cameras),
        *(kiosk.source for kiosk in site.kiosks),
        *(sensor.source for sensor in site.sensors),
    ]
    models = [name for kiosk in site.kiosks for name in kiosk.liveness.pad_models]
    detector = [box.detector] if Path(box.detector).suffix else []
    return gather(
        [box, *site.cameras, *site.kiosks, *site.sensors],
        config.parent,
        writes=[box.data_dir],
        reads=[*filter(None, map(_file, sources)), *models, *detector],
        devices=[*filter(None, map(_device, sources))],
        listens=[
            *(kiosk.listen for kiosk in site.kiosks),
            *(source.removeprefix("udp:") for source in sources if source.startswith("udp:")),
        ],
    )


def _file(source: str) -> str | None:
    kind, colon, rest = source.partition(":")
    if kind == "log":
        return rest
    return None if colon and (rest.startswith("//") or kind in {"usb", "serial", "udp", "mqtt"}) else source


def _device(source: str) -> str | None:
    kind, _, rest = source.partition(":")
    if kind == "usb":
        return f"/dev/video{rest}"
    return rest.rsplit("@", maxsplit=1)[0] if kind == "serial" else None
