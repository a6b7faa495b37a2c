"""Certificates of any dates, for tests: a CA, and what it signs for 127.0.0.1 and localhost."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Authority:
    """Whose certificate lies in `FOLDER/ca.pem`."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, folder: Path, days: float = 3_650) -> Authority:
        """Valid for so many days from now on, begun two years ago."""
        key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=Bank CA")
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = (
            _begun(name, name, key, -730, days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return cls(folder, key, made)

    def sign(self, *, begin: float = -365, end: float = 365) -> None:
        """A broker's `cert.pem` and `key.pem` beside it, valid between so many days from now."""
        key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=hub.bank")
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        made = (
            _begun(subject, self.certificate.subject, key, begin, end)
            .add_extension(names, critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (self.folder / "key.pem").write_bytes(plain)


def day(days: float) -> str:
    """The date so many days from now, as a doctor writes it."""
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begin: float, end: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begin))
        .not_valid_after(now + timedelta(days=end))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
