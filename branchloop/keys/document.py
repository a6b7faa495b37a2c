"""The key that signs documents, and its X.509 certificate: `branchloop keys document`.

A bank that has a certificate of a public authority names that one in hub.toml instead; this makes one that
its own root vouches for, or, without a root, one that vouches for itself.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEY_PEM = "document.pem"
CERTIFICATE_PEM = "document.crt"
ROOT_PEM = "document-root.crt"
_USAGE: Final = {
    "digital_signature": False, "content_commitment": False, "key_encipherment": False, "data_encipherment": False,
    "key_agreement": False, "key_cert_sign": False, "crl_sign": False, "encipher_only": False, "decipher_only": False,
}  # fmt: skip


def certify(
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    now_ms: int,
    days: float,
    root: ec.EllipticCurvePrivateKey | None,
) -> tuple[str, str]:
    """Certificates as PEM: the document key's, and the one whoever checks a document has to trust.

    Without `root` both are the same.
    """
    name = _name(issuer)
    above = name if root is None else _name(f"{issuer} root")
    signer = root or key
    begin, end = _at(now_ms - 300_000), _at(now_ms + round(days * 86_400_000))
    own = (
        _builder(name, above, key.public_key(), begin, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(**{**_USAGE, "digital_signature": True, "content_commitment": True}), critical=True
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    if root is None:
        return _pem(own), _pem(own)
    anchor = (
        _builder(above, above, root.public_key(), begin, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**_USAGE, "key_cert_sign": True, "crl_sign": True}), critical=True)
        .sign(root, hashes.SHA256())
    )
    return _pem(own), _pem(anchor)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    begin: dt.datetime,
    end: dt.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, text[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, text[:64]),
        ]
    )


def _at(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
