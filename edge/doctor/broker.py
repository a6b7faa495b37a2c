"""Whether the broker lets this box in: with its own name and password, over the TLS of its site file."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

from branchloop.doctor_finding import Finding, bad, good, warn
from branchloop.errors import ConfigError
from branchloop.served_certificate import SOON, served_until
from branchloop.site.box import Box
from branchloop.site.site import Site
from branchloop.wire import topics
from edge.send.boxlink import BoxLink
from edge.send.connection import CONNECT_TIMEOUT_S, Connection

ANSWER_S = 10.0


def examine_broker(site: Site, box: Box, base_dir: Path, *, running: bool) -> Finding:
    """A broker that is away is a warning, since what is counted waits for it; one that lets this box never in is a fault.

    A box that runs is left alone: a second connection under its name would end its own.
    """
    try:
        link = BoxLink.of(site.id, box, base_dir)
    except ConfigError as error:
        return bad(f"broker {box.broker}: {error}")
    if running:
        return _foretold(_reached(link, box), link)
    lost, refused = _log_in(link)
    if lost is None:
        return _foretold(good(f"broker {box.broker} lets {link.user} in"), link)
    if refused:
        return bad(f"broker {box.broker}: {lost}")
    return _away(box, lost)


def _away(box: Box, why: object) -> Finding:
    return warn(
        f"broker {box.broker}: {why}; does it run, and is `broker` right? (readings wait in the outbox)"
    )


def _reached(link: BoxLink, box: Box) -> Finding:
    try:
        socket.create_connection((link.host, link.port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return _away(box, error)
    return good(f"broker {box.broker} is reached; who logs in there is the running box")


def _foretold(found: Finding, link: BoxLink) -> Finding:
    """That the certificate of a broker which is reached ends before long."""
    if link.tls is None or found["state"] != "good":
        return found
    try:
        end = served_until(link.host, link.port, link.tls)
    except ssl.SSLCertVerificationError as error:  # a running box learns it when it connects anew
        return bad(f"{found['text']}; its certificate is not believed any more ({error.verify_message})")
    except (ssl.SSLError, ConnectionError) as error:
        return bad(f"{found['text']}, but what answers there speaks no TLS ({error})")
    except OSError as error:
        return warn(f"{found['text']}; whether its certificate holds is not known ({error})")
    if end - datetime.now(UTC) >= SOON:
        return found
    return warn(f"{found['text']}; its certificate expires on {end:%Y-%m-%d}, the hub has to renew it before")


def _log_in(link: BoxLink) -> tuple[str | None, bool]:
    """Why the broker does not let the box in, if so, and whether waiting will not mend it."""
    acks = topics.build(link.site, link.device, "ack")
    connection = Connection(link, None, [acks])
    woken, wake = socket.socketpair()
    try:
        connection.open()
        until_s = time.monotonic() + ANSWER_S
        while connection.lost is None and not connection.ready:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return "it does not answer", False
            connection.step(woken, min(left_s, 0.25))
        return connection.lost, connection.refused
    finally:
        with contextlib.suppress(OSError):
            connection.close()
        woken.close()
        wake.close()
