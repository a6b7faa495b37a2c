"""How long the certificate holds that a server shows to who connects."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta

SOON = timedelta(days=30)
"""So long before its end it is to be renewed."""
WAIT_S = 5.0


def served_until(host: str, port: int, context: ssl.SSLContext) -> datetime:
    """The end of it, by one handshake and nothing more.

    Raises SSLCertVerificationError when it is not believed, and any other OSError when there is no handshake.
    """
    with (
        socket.create_connection((host, port), WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        shown = secure.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
