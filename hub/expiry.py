"""The certificate that a running hub's broker shows: what lies on the disk may be newer than what was read at the start."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime

from branchloop import exits
from branchloop.served_certificate import SOON, served_until
from hub.config.hub import HubConfig
from hub.runtime import Runtime

DAY_S = 86_400.0


def expiring(config: HubConfig, runtime: Runtime) -> str | None:
    """What is to be done about it soon; None where it holds, there is no TLS, or nobody answers."""
    if not runtime.broker_tls:
        return None
    renew = "renew it" if config.external_broker else "renew it and restart the hub"
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        context.check_hostname = (
            config.external_broker is not None
        )  # as whoever connects: see `Runtime.secure`
        end = served_until(runtime.broker_dial, runtime.broker_port, context)
    except ssl.SSLCertVerificationError as error:
        return f"the broker's certificate is not believed ({error.verify_message}): {renew}"
    except OSError:
        return None  # who needs the broker says so
    if end - datetime.now(UTC) < SOON:
        return f"the broker's certificate expires on {end:%Y-%m-%d}: {renew} before"
    return None


def watch_certificate(
    config: HubConfig, runtime: Runtime, stop: threading.Event, every_s: float = DAY_S
) -> None:
    """Say so in the hub's log, once a day, until `stop` is set."""
    while not stop.wait(every_s):
        if (words := expiring(config, runtime)) is not None:
            exits.log(f"hub: {words}")
