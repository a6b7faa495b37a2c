"""Where a box connects, and as whom: from the `[box]` table to what the MQTT client needs."""

from __future__ import annotations

import logging
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from branchloop.certificates import CurrentCertificates
from branchloop.credentials import client_id, username
from branchloop.errors import ConfigError
from branchloop.site.box import Box, Tls
from branchloop.tls_files import tls_fault

PLAIN_PORT = 1883
TLS_PORT = 8883
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BoxLink:
    """One box's end of the link; the password never appears in a representation."""

    site: str
    device: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @classmethod
    def of(cls, site: str, box: Box, base_dir: Path, keys: str = "box.") -> BoxLink:
        """Read the credential and certificates, by paths relative to `base_dir`; `keys`: where the credential is named.

        Raises ConfigError when one is missing, or when others may read the credential.
        """
        scheme, _, address = box.broker.partition("://")
        secure = scheme == "mqtts"
        host, port = _split(address)
        return cls(
            site,
            box.id,
            host,
            port if port is not None else TLS_PORT if secure else PLAIN_PORT,
            username(site, box.id),
            _password(box, base_dir, keys),
            CurrentCertificates(lambda: _context(box.tls, base_dir), _LOG.warning) if secure else None,
        )

    @property
    def client_id(self) -> str:
        """The MQTT client id, bound to the credential."""
        return client_id(self.user, self.password)


def _split(address: str) -> tuple[str, int | None]:
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        return address.strip("[]"), None
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ConfigError(
            f"key `box.broker`: {port[:20]!r} is not a port.", hint="Write mqtt://HOST:PORT with 1 to 65535."
        )
    return host.strip("[]"), int(port)


def _password(box: Box, base_dir: Path, keys: str) -> str:
    if box.credential_env is not None:
        value = os.environ.get(box.credential_env, "").strip()
        if not value:
            raise ConfigError(
                f"key `{keys}credential_env`: the environment has no {box.credential_env}.",
                hint="Set it to the broker password of this device.",
            )
        return value
    path = base_dir / str(box.credential_file)
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} may be read by others.", hint=f"Run: chmod 600 {path}")
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"key `{keys}credential_file`: {path} cannot be read: {why}.",
            hint="Copy this device's credential file from the hub.",
        ) from error
    if not value:
        raise ConfigError(f"{path} is empty.", hint="Copy this device's credential file from the hub.")
    return value


def _context(tls: Tls | None, base_dir: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer that checks the broker's certificate and name."""
    try:
        context = ssl.create_default_context(cafile=str(base_dir / tls.ca_file) if tls else None)
        if tls is not None and tls.cert_file is not None:
            key_file = str(base_dir / tls.key_file) if tls.key_file else None
            # An empty password: a service is not asked for one.
            context.load_cert_chain(str(base_dir / tls.cert_file), key_file, password=str)
    except (OSError, ssl.SSLError) as error:
        if tls is not None and (fault := tls_fault(base_dir, tls.ca_file, tls.cert_file, tls.key_file)):
            raise ConfigError(f"key `box.tls.{fault.key}`: {fault.said}.", hint=fault.hint) from error
        raise ConfigError(
            f"key `box.tls`: the certificates cannot be used: {error}.",
            hint="Check ca_file, cert_file and key_file: PEM files, relative to the site file.",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
