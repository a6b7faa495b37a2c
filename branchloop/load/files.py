"""The throw-away hub of a load: its folder, its configuration and as many simulated sites as are asked for."""

from __future__ import annotations

from pathlib import Path

from branchloop.load.recording import SITE
from branchloop.share import share

DEVICE = "box-1"
_BOX = """
[box]
id = "{device}"
broker = "mqtt://127.0.0.1:1883"
data_dir = "unused"
credential_file = "unused"
"""


def write_hub(root: Path, branches: int) -> tuple[Path, list[dict[str, str]]]:
    """Write hub.toml and its sites into `root`; returns its path, and site, device and credential of each box."""
    (root / "sites").mkdir(parents=True)
    text = share(SITE).read_text(encoding="utf-8") + _BOX.format(device=DEVICE)
    sites = [f"load-{number:05d}" for number in range(1, branches + 1)]
    for site in sites:
        own = text.replace('id = "load"', f'id = "{site}"', 1)
        (root / "sites" / f"{site}.toml").write_text(own, encoding="utf-8")
    names = ", ".join(f'"sites/{site}.toml"' for site in sites)
    hub = root / "hub.toml"
    hub.write_text(
        '[hub]\ndata_dir = "data"\nlisten = "127.0.0.1:0"\nbroker_listen = "127.0.0.1:0"\n'
        f"sites = [{names}]\n",
        encoding="utf-8",
    )
    credentials = root.resolve() / "data" / "broker" / "credentials"
    return hub, [
        {"site": site, "device": DEVICE, "credential_file": str(credentials / f"{site}--{DEVICE}")}
        for site in sites
    ]
