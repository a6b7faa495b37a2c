"""Which file of a TLS table cannot be used, and what to do about it: OpenSSL names no file."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_CERTIFICATE = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----\s?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TlsFault:
    """The key whose file it is, a sentence that names the file, and the remedy."""

    key: str
    said: str
    remedy: str

    @property
    def hint(self) -> str:
        """The remedy as a sentence."""
        return f"{self.remedy[0].upper()}{self.remedy[1:]}{'' if self.remedy.endswith('?') else '.'}"


def tls_fault(base: Path, ca: str, cert: str | None, key: str | None) -> TlsFault | None:
    """What keeps OpenSSL from using these PEM files, named from `base`; None where it can.

    Without `key` the private key lies in `cert`'s file.
    """
    ca_file = base / ca
    for name, file in (("ca_file", ca), ("cert_file", cert), ("key_file", key)):
        if file is not None and (fault := _unread(name, base / file)) is not None:
            return fault
    try:
        ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        held = _no_certificate("ca_file", ca_file)
        return held or TlsFault(
            "ca_file", f"{ca_file} holds a certificate that cannot be read ({error})", "copy it again"
        )
    if cert is None:
        return None
    cert_file, key_file = base / cert, base / (key or cert)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert_file, key_file, password=str)  # never asked for on a terminal
    except (OSError, ssl.SSLError) as error:
        return _of_the_pair(cert_file, key_file, error)
    return None


def _unread(key: str, path: Path) -> TlsFault | None:
    try:
        if path.is_dir():
            return TlsFault(key, f"{path} is a folder", "name the file in it")
        if path.exists() and not path.is_file():
            return TlsFault(key, f"{path} is no regular file", "name a PEM file")
        path.read_bytes()
    except FileNotFoundError:
        return TlsFault(key, f"there is no file {path}", "put it there, or name another file")
    except OSError as error:
        return TlsFault(
            key, f"{path} cannot be read: {error.strerror}", "let the account that this runs as read it"
        )
    return None


def _no_certificate(key: str, path: Path) -> TlsFault | None:
    held = path.read_bytes()
    if _CERTIFICATE.search(held):
        return None
    if _KEY.search(held):
        return TlsFault(
            key, f"{path} holds a private key and no certificate", "are two of the files swapped?"
        )
    return TlsFault(key, f"{path} holds no certificate", "put one there, in PEM")


def _of_the_pair(cert_file: Path, key_file: Path, error: Exception) -> TlsFault:
    if (fault := _no_certificate("cert_file", cert_file)) is not None:
        return fault
    found = _KEY.search(key_file.read_bytes())
    if found is None:
        if _CERTIFICATE.search(key_file.read_bytes()):
            said = f"{key_file} holds a certificate and no private key"
            return TlsFault("key_file", said, "are two of the files swapped?")
        return TlsFault("key_file", f"{key_file} holds no private key", "put the certificate's there, in PEM")
    if b"ENCRYPTED" in found[0]:
        return TlsFault("key_file", f"{key_file} is locked with a password", "write it without one")
    try:
        certificates = x509.load_pem_x509_certificates(cert_file.read_bytes())
    except ValueError:
        return TlsFault("cert_file", f"{cert_file} holds a certificate that cannot be read", "copy it again")
    try:
        own = load_pem_private_key(found[0], None).public_key()
    except (ValueError, TypeError):
        return TlsFault("key_file", f"{key_file} holds a private key that cannot be read", "copy it again")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fits = [each.public_key().public_bytes(*form) == own.public_bytes(*form) for each in certificates]
    if any(fits) and not fits[0]:
        return TlsFault(
            "cert_file", f"the certificate of {key_file} is not the first in {cert_file}", "put it first"
        )
    if not any(fits):
        return TlsFault("key_file", f"{key_file} is not the key of {cert_file}", "copy both")
    return TlsFault("cert_file", f"{cert_file} with {key_file}: {error}", "copy both")
