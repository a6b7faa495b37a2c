"""Whether the hub can sign documents: its libraries, the key, who may read it, its certificate and how long that holds."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from branchloop.doctor_finding import Finding, bad, good, warn
from hub.config.hub import HubConfig

SOON = timedelta(days=30)
_MAKE = "make the two with `branchloop keys document`"
_LIBRARIES = ("pyhanko", "reportlab")
_ENCODING = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def examine_documents(config: HubConfig, now: datetime | None = None) -> list[Finding]:
    """A finding for each thing; none where documents are not configured."""
    settings, folder = config.documents, config.path.parent
    if settings is None:
        return []
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    findings = [
        bad(f"documents: {' and '.join(missing)} not installed; pip install 'branchloop[documents]'")
        if missing
        else good("documents: the libraries are installed")
    ]
    public, of_key = _key(folder / settings.key_file)
    return [*findings, *of_key, *_certificate(folder / settings.cert_file, public, now or datetime.now(UTC))]


def _key(path: Path) -> tuple[bytes | None, list[Finding]]:
    """Its public half, as far as it can be read, and what is to be said of the file."""
    try:
        content, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        return None, [bad(f"document key {path} cannot be read: {error.strerror}; {_MAKE}")]
    findings = [
        bad(f"document key {path} may be read by others; guard it: chmod 600 {path}")
        if mode & 0o077
        else good(f"document key {path} is its owner's alone")
    ]
    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError):
        return None, [
            *findings,
            bad(f"document key {path} is no private key in PEM without password; {_MAKE}"),
        ]
    return key.public_key().public_bytes(*_ENCODING), [*findings, good(f"document key {path} can be read")]


def _certificate(path: Path, public: bytes | None, now: datetime) -> list[Finding]:
    """`public` is the key's own half; None when there is none to compare with."""
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        return [bad(f"document certificate {path} cannot be read: {error.strerror}; {_MAKE}")]
    except ValueError:
        return [bad(f"document certificate {path} is no certificate in PEM; {_MAKE}")]
    findings: list[Finding] = []
    if public is not None:
        own = chain[0].public_key().public_bytes(*_ENCODING) == public
        findings.append(
            good(f"document certificate {path} is that of the key")
            if own
            else bad(
                f"document certificate {path} is of another key; it must begin with the key's own certificate"
            )
        )
    first = min(chain, key=lambda each: each.not_valid_after_utc)
    begin, end = max(each.not_valid_before_utc for each in chain), first.not_valid_after_utc
    day = f"{end:%Y-%m-%d}"
    if now >= end:
        findings.append(
            bad(f"document certificate {path} expired on {day}: no document is believed; renew it")
        )
    elif now < begin:
        findings.append(
            bad(f"document certificate {path} is valid only from {begin:%Y-%m-%d}; is the clock right?")
        )
    elif now >= end - SOON:
        findings.append(warn(f"document certificate {path} expires on {day}; renew it before"))
    else:
        findings.append(good(f"document certificate {path} is valid until {day}"))
    return findings
