"""Where the running hub can be reached: ports are chosen once and kept across restarts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from branchloop.errors import DependencyError
from branchloop.processes import free_port
from hub.config import HubConfig


@dataclass(frozen=True, slots=True)
class Runtime:
    """Addresses of the broker and the API."""

    broker_host: str
    broker_port: int
    broker_tls: bool
    api_host: str
    api_port: int

    @property
    def api(self) -> str:
        """Base address of the API."""
        return f"http://{self.api_host}:{self.api_port}"

    @property
    def broker(self) -> str:
        """Address of the broker."""
        return f"mqtt{'s' if self.broker_tls else ''}://{self.broker_host}:{self.broker_port}"


def decide(config: HubConfig) -> Runtime:
    """Choose the ports that the configuration leaves open (0), keep former choices, and note them."""
    path = config.data_dir / "runtime.json"
    former = json.loads(path.read_text()) if path.exists() else {}
    address = (
        config.hub.broker_listen if config.hub.broker == "embedded" else config.hub.broker.split("://")[1]
    )
    broker_host, broker_port = _split(address)
    api_host, api_port = _split(config.hub.listen)
    runtime = Runtime(
        broker_host,
        broker_port or former.get("broker_port") or free_port(broker_host),
        config.hub.tls is not None
        if config.hub.broker == "embedded"
        else config.hub.broker.startswith("mqtts"),
        api_host,
        api_port or former.get("api_port") or free_port(api_host),
    )
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(runtime)))
    fresh.replace(path)
    return runtime


def read(config: HubConfig) -> Runtime:
    """What the supervisor decided. Raises DependencyError when it never ran."""
    path = config.data_dir / "runtime.json"
    try:
        return Runtime(**json.loads(path.read_text()))
    except OSError as error:
        raise DependencyError(
            f"{path} is missing.", hint="Start the hub with `branchloop hub run`."
        ) from error


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
