"""Receipts: what happened to a consent, signed by the hub, for the customer to keep.

A receipt is canonical JSON (sorted keys, no blanks, UTF-8) of everything but `signature`, signed with
ECDSA P-256 and SHA-256; r and s travel as 64 bytes in base64url, as browsers read them. It names neither
the customer nor the pseudonym: the consent's random id is enough to find it again. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from branchloop.clock import iso
from branchloop.errors import InputError
from branchloop.keys.sealing import CURVE, decode, encode, fingerprint, raw_public
from hub.loop.consent import Consent

Event = Literal["given", "enrolled", "withdrawn", "erased", "moved", "expired"]
_ALGORITHM = ec.ECDSA(hashes.SHA256())
_HALF = 32


def receipt(
    key: ec.EllipticCurvePrivateKey,
    event: Event,
    consent: Consent,
    at_ms: int,
    *,
    box: tuple[str, str] | None = None,
) -> str:
    """A signed receipt as JSON text. `box` is the (site, device) that an event concerns."""
    raw = raw_public(key.public_key())
    body: dict[str, Any] = {
        "v": 1,
        "event": event,
        "consent": consent.id,
        "branch": consent.site,
        "purpose": consent.purpose,
        "text": {
            "version": consent.text_version,
            "language": consent.language,
            "sha256": consent.text_sha256,
        },
        "channel": consent.channel,
        "guardian": consent.guardian,
        "given": iso(consent.given_ms),
        "until": iso(consent.expires_ms),
        "at": iso(at_ms),
        "signed_by": fingerprint(raw),
        "signer": encode(raw),
    }
    if box is not None:
        body["box"] = f"{box[0]}/{box[1]}"
    r, s = decode_dss_signature(key.sign(canonical(body), _ALGORITHM))
    signature = encode(r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big"))
    return json.dumps({**body, "signature": signature}, ensure_ascii=False, sort_keys=True)


def verify(text: str, signer_raw: bytes) -> Mapping[str, Any]:
    """The receipt's content. Raises InputError unless `signer_raw` (65 bytes) signed exactly this."""
    try:
        body = json.loads(text)
        signature = decode(body.pop("signature"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("this is no receipt.", hint="Give the file as it was downloaded.") from error
    try:
        signer = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, signer_raw)
        r, s = (int.from_bytes(part, "big") for part in (signature[:_HALF], signature[_HALF:]))
        signer.verify(encode_dss_signature(r, s), canonical(body), _ALGORITHM)
    except (InvalidSignature, ValueError) as error:
        raise InputError("the receipt's signature does not hold.", hint="It was changed, or is another hub's.") from error  # fmt: skip
    found: Mapping[str, Any] = body
    return found


def canonical(body: Mapping[str, Any]) -> bytes:
    """What is signed."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
