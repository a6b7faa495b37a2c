"""Whether the broker's certificate is believed by ingest and the boxes, and for how long: tried as they do, without a network."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from branchloop.doctor_finding import Finding, bad, good, warn
from branchloop.exposed_key import examine_private_key
from branchloop.served_certificate import SOON, served_until
from branchloop.tls_files import tls_fault
from hub.config.hub import HubConfig, split_address

Dated = tuple[Path, x509.Certificate]
"""A certificate and the file it is in."""
_FLIGHTS = 4
"""More than a handshake has."""
_CUT_OFF = "neither the boxes nor ingest get to the broker"


def examine_tls(config: HubConfig) -> Finding:
    """The files of [hub.tls]."""
    if config.hub.tls is None:
        return good("no TLS: broker and boxes share this machine")
    trouble = _unusable(config)
    return bad(trouble) if trouble is not None else _validity(config)


def examine_key(config: HubConfig) -> list[Finding]:
    """Who may read or write the private key of [hub.tls], which may lie in the certificate's own file."""
    tls = config.hub.tls
    if tls is None or tls.cert_file is None:
        return []
    return examine_private_key(config.path.parent / (tls.key_file or tls.cert_file))


def examine_served(config: HubConfig) -> Finding:
    """What the external broker of `mqtts://` shows, with its name, as ingest sees it."""
    address = config.external_broker or ""
    try:
        end = served_until(*split_address(address), ssl.create_default_context(cafile=config.ca_file))
    except ssl.SSLCertVerificationError as error:
        return bad(f"broker {address}: its certificate is not believed ({error.verify_message})")
    except OSError as error:
        return bad(f"broker {address} does not answer MQTT over TLS: {error}")
    if end - datetime.now(UTC) < SOON:
        return warn(f"broker {address} answers; its certificate expires on {end:%Y-%m-%d}, renew it before")
    return good(f"broker {address} answers; its certificate is valid until {end:%Y-%m-%d}")


def forewarning(config: HubConfig) -> str | None:
    """What a hub says at its start of a certificate that can be used, but is not believed, or not for long any more."""
    if config.external_broker is not None or config.hub.tls is None or _unusable(config) is not None:
        return None
    found = _validity(config)
    return found["text"] if found["state"] != "good" else None


def _unusable(config: HubConfig) -> str | None:
    tls, base = config.hub.tls, config.path.parent
    if tls is None:
        return None
    fault = tls_fault(base, tls.ca_file, tls.cert_file, tls.key_file)
    return None if fault is None else f"[hub.tls] cannot be used: {fault.said}; {fault.remedy}"


def _ends(config: HubConfig) -> tuple[ssl.SSLContext, ssl.SSLContext | None]:
    """The client's and the broker's, which is None where only the client's certificate is configured."""
    client, tls, base = ssl.create_default_context(cafile=config.ca_file), config.hub.tls, config.path.parent
    client.check_hostname = False  # under which name a box dials is written in its own file
    if tls is None or tls.cert_file is None:
        return client, None
    broker = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key_file = base / tls.key_file if tls.key_file is not None else None
    broker.load_cert_chain(base / tls.cert_file, key_file, password=str)  # never asked for on a terminal
    return client, broker


def _validity(config: HubConfig) -> Finding:
    tls, (client, broker) = config.hub.tls, _ends(config)
    if broker is None or tls is None or tls.cert_file is None:
        return good("certificates of [hub.tls] can be read")
    cert_file, ca_file = config.path.parent / tls.cert_file, config.path.parent / tls.ca_file
    doubt, path, now = _doubt(client, broker), _path(cert_file, ca_file), datetime.now(UTC)
    if doubt is not None:
        return bad(
            _reason(path, now)
            or f"certificate {cert_file} does not verify against {ca_file}: {doubt}; {_CUT_OFF}"
        )
    first = min((each for each in path if _end(each) > now), key=_end, default=None)
    if first is None:
        return good("certificates of [hub.tls] can be read")
    if _end(first) - now < SOON:
        return warn(
            f"certificate {first[0]} expires on {_end(first):%Y-%m-%d}; renew it before and restart the hub"
        )
    return good(f"certificates of [hub.tls] are valid until {_end(first):%Y-%m-%d}")


def _reason(path: list[Dated], now: datetime) -> str | None:
    """The date that is to blame, if one is."""
    for each in path:
        if _end(each) <= now:
            return f"certificate {each[0]} expired on {_end(each):%Y-%m-%d}: {_CUT_OFF}; renew it and restart the hub"
        if _begin(each) > now:
            return f"certificate {each[0]} is valid only from {_begin(each):%Y-%m-%d}: {_CUT_OFF}; is the clock right?"
    return None


def _doubt(client: ssl.SSLContext, broker: ssl.SSLContext) -> str | None:
    """Why the client does not believe the broker; None when it does."""
    to_client, to_broker = ssl.MemoryBIO(), ssl.MemoryBIO()
    mine, other = (
        client.wrap_bio(to_client, to_broker),
        broker.wrap_bio(to_broker, to_client, server_side=True),
    )
    try:
        for _ in range(_FLIGHTS):
            with suppress(ssl.SSLWantReadError):
                mine.do_handshake()
                return None
            with suppress(ssl.SSLWantReadError):
                other.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    except ssl.SSLError as error:
        return str(error)
    return "the handshake does not end"


def _path(cert_file: Path, ca_file: Path) -> list[Dated]:
    """What the broker shows, and who of the CA file issued the last of it."""
    shown = _read(cert_file)
    issuers = [each for each in _read(ca_file) if shown and each[1].subject == shown[-1][1].issuer]
    return [*shown, *sorted(issuers, key=_end)[-1:]]


def _read(file: Path) -> list[Dated]:
    """None where the library does not take what OpenSSL takes: then no date is foretold."""
    try:
        return [(file, each) for each in x509.load_pem_x509_certificates(file.read_bytes())]
    except ValueError:
        return []


def _begin(each: Dated) -> datetime:
    return each[1].not_valid_before_utc


def _end(each: Dated) -> datetime:
    return each[1].not_valid_after_utc
