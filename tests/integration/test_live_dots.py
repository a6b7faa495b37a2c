"""Live dots over a real broker: whose are shown."""

from __future__ import annotations

from pathlib import Path

from brokers import running, until, write_hub

from branchloop.wire.messages import Live
from hub.api.dots import Dots
from hub.runtime import Runtime

KIOSK = '[[kiosk]]\nid = "kiosk-1"\nx_m = 1.0\ny_m = 1.0\nsource = "usb:0"\n'


def test_a_kiosk_s_dots_are_nowhere(tmp_path: Path) -> None:
    """It has a credential of the same branch, and sees no floor."""
    config_file = write_hub(tmp_path)
    with (tmp_path / "north.toml").open("a") as file:
        file.write(KIOSK)
    told: list[tuple[str, Live]] = []
    with running("nats", tmp_path, config_file) as broker:
        dots = Dots()
        dots.tell(lambda site, live: told.append((site, live)))
        dots.connect(broker.config, Runtime("127.0.0.1", broker.port, False, "127.0.0.1", 1))
        devices = [broker.client(f"north/{name}") for name in ("kiosk-1", "box-1")]
        try:

            def seen() -> bool:
                for at, client in enumerate(devices):  # each is acknowledged before the next is sent
                    body = Live(at_ms=1_000, dots_mm=[(at, at)]).to_json()
                    assert client.publish(f"branchloop/1/{client.user}/live", body)
                return bool(told)

            until(seen, "the box's dots are shown")
            assert seen()
            shown = dots.of("north", 1_000)
        finally:
            for client in devices:
                client.close()
            dots.close()
    assert shown is not None
    assert {(site, *live.dots_mm) for site, live in told} == {("north", (1, 1))}
