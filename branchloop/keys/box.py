"""A box's sealing key and the offline root that vouches for it.

The root (ECDSA P-256) never touches a networked machine: `branchloop keys root` makes it, `branchloop
keys sign` signs a box's public key with it. Hub, box and the customer's browser check the certificate.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from branchloop.errors import InputError
from branchloop.keys.sealing import CURVE, decode, encode, fingerprint, raw_public
from branchloop.wire.arrivals import BoxCertificate

_ALGORITHM = ec.ECDSA(hashes.SHA256())
_HALF = 32


def certificate_text(site: str, device: str, public: str, not_after_ms: int) -> str:
    """What the root signs."""
    return "\n".join(["branchloop/1/boxkey", site, device, public, str(not_after_ms)])


def sign_box_key(
    root: ec.EllipticCurvePrivateKey, site: str, device: str, public_raw: bytes, not_after_ms: int
) -> BoxCertificate:
    """Vouch for a box's public key until `not_after_ms`."""
    public = encode(public_raw)
    signature = sign_bytes(root, certificate_text(site, device, public, not_after_ms).encode())
    return BoxCertificate(
        site=site, device=device, public=public, not_after_ms=not_after_ms, signature=signature
    )


def verify_box_key(root_raw: bytes, certificate: BoxCertificate, now_ms: int) -> bytes:
    """The box's public key (65 bytes). Raises InputError when the root does not vouch for it now."""
    text = certificate_text(
        certificate.site, certificate.device, certificate.public, certificate.not_after_ms
    )
    where = f"the key of {certificate.site}/{certificate.device}"
    if not holds(root_raw, decode(certificate.signature), text.encode()):
        raise InputError(
            f"{where} is not signed by the bank's root.", hint="Sign it again: branchloop keys sign."
        )
    if now_ms >= certificate.not_after_ms:
        raise InputError(f"{where} has expired.", hint="Renew it: branchloop keys sign.")
    return decode(certificate.public)


def sign_bytes(key: ec.EllipticCurvePrivateKey, content: bytes) -> str:
    """ECDSA with SHA-256: r and s, 64 bytes in base64url, as WebCrypto reads them."""
    r, s = decode_dss_signature(key.sign(content, _ALGORITHM))
    return encode(r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big"))


def holds(public_raw: bytes, signature: bytes, content: bytes) -> bool:
    """Whether a key (65 bytes) made this signature (64 bytes) of exactly this content."""
    if len(signature) != 2 * _HALF:
        return False
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, public_raw)
        r, s = (int.from_bytes(part, "big") for part in (signature[:_HALF], signature[_HALF:]))
        public.verify(encode_dss_signature(r, s), content, _ALGORITHM)
    except (InvalidSignature, ValueError):
        return False
    return True


def new_private() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(CURVE)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PEM (PKCS #8, not encrypted: its file's mode guards it)."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a private key. Raises InputError when it is no P-256 key in PEM."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise InputError("it is no private key in PEM.", hint="Make one: branchloop keys root.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InputError("it is no P-256 key.", hint="Make one: branchloop keys root.")
    return key


def name(key: ec.EllipticCurvePrivateKey) -> str:
    """Fingerprint of a private key's public half."""
    return fingerprint(raw_public(key.public_key()))
