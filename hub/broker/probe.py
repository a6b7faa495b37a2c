"""Whether something at an address truly speaks MQTT, found out without any credential."""

from __future__ import annotations

import socket
import ssl

_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00"
"""CONNECT of MQTT 3.1.1 with a clean session, no client id and no user."""


def answers(host: str, port: int, *, ca_file: str | None = None, wait_s: float = 2.0) -> bool:
    """True when the broker replies to a CONNECT, though it be with a refusal: it is up and reads packets.

    An anonymous CONNECT takes over nobody's session. A TLS listener is only asked for its handshake.
    """
    try:
        with socket.create_connection((host, port), timeout=wait_s) as plain:
            if ca_file is not None:
                context = ssl.create_default_context(cafile=ca_file)
                context.check_hostname = False
                with context.wrap_socket(plain):
                    return True
            plain.sendall(_CONNECT)
            return plain.recv(1) == b"\x20"
    except OSError:
        return False
