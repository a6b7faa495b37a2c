"""Where the running hub can be reached: ports are chosen once and kept across restarts."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from branchloop import exits
from branchloop.certificates import CurrentCertificates
from branchloop.errors import ConfigError, DependencyError
from branchloop.outfile import write_whole
from branchloop.processes import free_port, listen_once
from branchloop.tls_files import tls_fault
from hub.config.hub import HubConfig, split_address

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to dial for what listens everywhere


@dataclass(frozen=True, slots=True)
class Runtime:
    """Addresses of the broker and the API; the hosts are those listened on."""

    broker_host: str
    broker_port: int
    broker_tls: bool
    api_host: str
    api_port: int

    @property
    def api(self) -> str:
        """Base address of the API, for this machine."""
        return f"http://{_bracketed(_ANY.get(self.api_host, self.api_host))}:{self.api_port}"

    @property
    def broker(self) -> str:
        """Address of the broker, for this machine."""
        return f"mqtt{'s' if self.broker_tls else ''}://{_bracketed(self.broker_dial)}:{self.broker_port}"

    @property
    def broker_listen(self) -> str:
        """HOST:PORT that an embedded broker listens on."""
        return f"{_bracketed(self.broker_host)}:{self.broker_port}"

    @property
    def broker_dial(self) -> str:
        """The host by which this machine reaches the broker."""
        return _ANY.get(self.broker_host, self.broker_host)

    def certificates(self, config: HubConfig) -> CurrentCertificates | None:
        """By which an MQTT client checks the broker's certificate; None where there is no TLS.

        The embedded broker runs on this machine under whatever name its certificate has: the chain is
        checked, the name is not. Raises ConfigError when they cannot be read.
        """
        if not self.broker_tls or config.ca_file is None:
            return None
        return CurrentCertificates(lambda: _context(config), exits.log)


def _context(config: HubConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = config.external_broker is not None
    try:
        context.load_verify_locations(config.ca_file)
    except (OSError, ssl.SSLError) as error:
        fault = tls_fault(Path(), str(config.ca_file), None, None)
        if fault is not None:
            raise ConfigError(
                f"{config.path}: key `hub.tls.ca_file`: {fault.said}.", hint=fault.hint
            ) from error
        raise ConfigError(
            f"{config.path}: key `hub.tls.ca_file`: {config.ca_file} cannot be used: {error}."
        ) from error
    return context


def decide(config: HubConfig) -> Runtime:
    """Choose the ports that the configuration leaves open (0), keep former choices, and note them.

    Call it as owner of the data directory. Raises DependencyError when a port is taken already, or the disk full.
    """
    path = config.data_dir / "runtime.json"
    former = _former(path)
    api_host, api_port = split_address(config.hub.listen)
    api_port = _port(api_host, api_port, former.get("api_port"), "the API")
    if config.external_broker is None:
        broker_host, broker_port = split_address(config.hub.broker_listen)
        taken = api_port if api_host == broker_host else None
        broker_port = _port(broker_host, broker_port, former.get("broker_port"), "the broker", taken)
        tls = config.hub.tls is not None
    else:
        broker_host, broker_port = split_address(config.external_broker)
        tls = config.hub.broker.startswith("mqtts")
    runtime = Runtime(broker_host, broker_port, tls, api_host, api_port)
    write_whole({path: json.dumps(asdict(runtime)).encode()})
    return runtime


def read(config: HubConfig) -> Runtime:
    """What the supervisor decided. Raises DependencyError when it never ran."""
    path = config.data_dir / "runtime.json"
    try:
        return Runtime(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise DependencyError(
            f"{path} is missing or not the hub's.", hint="Start the hub with `branchloop hub run`."
        ) from error


def _former(path: Path) -> dict[str, int]:
    try:
        former = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return former if isinstance(former, dict) else {}


def _port(host: str, wanted: int, former: int | None, what: str, taken: int | None = None) -> int:
    if wanted:
        if not _free(host, wanted):
            raise DependencyError(
                f"{what} cannot listen on {_bracketed(host)}:{wanted}: it is taken, or not this machine's.",
                hint="Stop the other program or choose another address.",
            )
        return wanted
    if former and former != taken and _free(host, former):
        return free_port(host, former)
    return next(port for port in _ports(host) if port != taken)


def _ports(host: str) -> Iterator[int]:
    while True:
        yield free_port(host)


def _free(host: str, port: int) -> bool:
    try:
        listen_once(host, port)
    except OSError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
