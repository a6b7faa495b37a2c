"""Sealing to a box's key: ECDH P-256 (ephemeral), HKDF-SHA-256, AES-256-GCM.

Browsers do the same with WebCrypto (hub/api/static/enrol.js); `tests/browser` holds both to each other.
Numbers travel as unpadded base64url, points uncompressed (65 bytes). The HKDF salt is the ephemeral point
followed by the recipient's, its info is `INFO`.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from branchloop.errors import InputError
from branchloop.wire.commands import Sealed

INFO = b"branchloop/1/seal"
CURVE = ec.SECP256R1()


def photo_context(
    *, site: str, device: str, customer: str, consent: str, key: str, index: int, expires_ms: int
) -> str:
    """What an enrolment photo is bound to (associated data); `key` is the recipient's fingerprint."""
    return "\n".join(["photo", site, device, customer, consent, key, str(index), str(expires_ms)])


def gallery_context(site: str, device: str) -> str:
    """What a gallery is bound to."""
    return f"gallery\n{site}\n{device}"


def template_context(*, site: str, device: str, consent: str, key: str) -> str:
    """What a template on its way to another box is bound to."""
    return f"template\n{site}\n{device}\n{consent}\n{key}"


def raw_public(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def fingerprint(raw: bytes) -> str:
    """Short name of a public key: the first 128 bits of its SHA-256, in hex."""
    return hashlib.sha256(raw).hexdigest()[:32]


def shown_fingerprint(fingerprint_hex: str) -> str:
    """A fingerprint in groups of four, for people to compare."""
    return " ".join(fingerprint_hex[i : i + 4] for i in range(0, len(fingerprint_hex), 4))


def seal(recipient_raw: bytes, plain: bytes, context: str) -> Sealed:
    """Encrypt for the holder of a key; `context` must be given again to open it.

    Raises InputError when the key is no point of P-256.
    """
    ephemeral = ec.generate_private_key(CURVE)
    own_raw = raw_public(ephemeral.public_key())
    key = _derive(ephemeral.exchange(ec.ECDH(), _point(recipient_raw)), own_raw, recipient_raw)
    iv = secrets.token_bytes(12)
    return Sealed(
        to=fingerprint(recipient_raw),
        epk=encode(own_raw),
        iv=encode(iv),
        ct=encode(AESGCM(key).encrypt(iv, plain, context.encode())),
    )


def unseal(private: ec.EllipticCurvePrivateKey, sealed: Sealed, context: str) -> bytes:
    """Decrypt. Raises InputError when it is for another key, about something else, or changed."""
    raw = raw_public(private.public_key())
    if sealed.to != fingerprint(raw):
        raise InputError("it is sealed to another key.", hint="Enrol again: the box's key has changed.")
    own_raw = decode(sealed.epk)
    key = _derive(private.exchange(ec.ECDH(), _point(own_raw)), own_raw, raw)
    try:
        return AESGCM(key).decrypt(decode(sealed.iv), decode(sealed.ct), context.encode())
    except (InvalidTag, ValueError) as error:
        raise InputError(
            "its seal does not hold.", hint="It was changed, or is about something else."
        ) from error


def encode(data: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Read unpadded base64url. Raises InputError when it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InputError("it is not base64url.", hint="Send it as it was made.") from error


def _point(raw: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, raw)
    except ValueError as error:
        raise InputError("it holds no P-256 public key.", hint="Send it as it was made.") from error


def _derive(shared: bytes, ephemeral_raw: bytes, recipient_raw: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=ephemeral_raw + recipient_raw, info=INFO).derive(shared)
