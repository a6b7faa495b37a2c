"""The kiosk's sealing key beside its data: made once, signed by the bank's offline root elsewhere.

`box.pem` is the private key (mode 0600), `box.request.json` what the root is to sign, `box.certificate.json`
what it signed. Rotation: delete box.pem, make another, have it signed; photos sealed to the old key are refused.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.errors import ConfigError, DependencyError, InputError
from branchloop.keys.box import new_private, private_pem, read_private, verify_box_key
from branchloop.keys.file import kept
from branchloop.keys.root import read_certificate
from branchloop.keys.sealing import decode, encode, raw_public
from branchloop.wire.arrivals import BoxCertificate

PRIVATE = "box.pem"
REQUEST = "box.request.json"
CERTIFICATE = "box.certificate.json"


def box_key(folder: Path, site: str, device: str) -> ec.EllipticCurvePrivateKey:
    """The key and its request, made when there is none. Raises ConfigError, DependencyError."""
    path = folder / PRIVATE
    try:
        key = read_private(kept(path, lambda: private_pem(new_private()), 0o700))
        request = {"site": site, "device": device, "public": encode(raw_public(key.public_key()))}
        (folder / REQUEST).write_text(json.dumps(request) + "\n", encoding="utf-8")
    except OSError as error:
        raise DependencyError(f"{path} cannot be used: {error.strerror}.", hint="Check the disk.") from error
    except InputError as error:
        raise ConfigError(f"{path}: {error.message}", hint="Delete it to make a new one.") from error
    return key


def certificate(
    folder: Path, key: ec.EllipticCurvePrivateKey, root: str | None, now_ms: int
) -> BoxCertificate | None:
    """What the root signed; None when there is nothing yet. Raises ConfigError when it is about another key."""
    path = folder / CERTIFICATE
    if not path.exists():
        return None
    try:
        found = read_certificate(path.read_text(encoding="utf-8"), path)
        if decode(found.public) != raw_public(key.public_key()):
            raise InputError("it is about another key.", hint="Have box.request.json signed again.")
        if root is not None:
            verify_box_key(decode(root), found, now_ms)
    except (InputError, OSError) as error:
        raise ConfigError(f"{path}: {error}", hint="Sign the request again: branchloop keys sign.") from error
    return found


def put_certificate(
    folder: Path, key: ec.EllipticCurvePrivateKey, signed: Path, root: str | None, now_ms: int
) -> None:
    """Put what the root signed beside the key, once it is seen to be about it. Raises ConfigError, InputError."""
    try:
        text = signed.read_text(encoding="utf-8")
        found = read_certificate(text, signed)
        if decode(found.public) != raw_public(key.public_key()):
            raise InputError(f"{signed} is about another key.", hint=f"Have {folder / REQUEST} signed.")
        if root is not None:
            verify_box_key(decode(root), found, now_ms)
        (folder / CERTIFICATE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DependencyError(f"{signed} cannot be taken over: {error.strerror}.") from error
