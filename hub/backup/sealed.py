"""A file sealed to a public key, written and read as a stream: ECDH P-256 (ephemeral), HKDF-SHA-256, AES-256-GCM.

After the head come pieces of 1 MiB, each with its tag. A piece's number and whether it is the last are its nonce, so that
none can be left out, put elsewhere or cut off. Who writes knows no private key, so a stolen hub opens no former backup.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from branchloop.errors import ConfigError, InputError
from branchloop.keys.sealing import CURVE, fingerprint, raw_public

MAGIC = b"branchloop backup sealed 1\n"
_INFO = b"branchloop/1/backup"
_PIECE = 1 << 20
_TAG = 16
_POINT = 65


class SealedWriter(io.RawIOBase):
    """Encrypts what is written into `out`, which stays open. `key` opens it again, for whoever checks it at once."""

    def __init__(self, out: BinaryIO, recipient_raw: bytes) -> None:
        """Raises ConfigError when the recipient is no point of P-256."""
        ephemeral = ec.generate_private_key(CURVE)
        own = raw_public(ephemeral.public_key())
        self.key = _derive(ephemeral.exchange(ec.ECDH(), _point(recipient_raw)), own, recipient_raw)
        self._cipher = AESGCM(self.key)
        self._out = out
        self._held = bytearray()
        self._number = 0
        self._head = MAGIC + own + bytes.fromhex(fingerprint(recipient_raw))
        out.write(self._head)

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self._held += content
        while len(self._held) > _PIECE:  # the last piece, if full, is held until it is known to be the last
            self._put(bytes(self._held[:_PIECE]), last=False)
            del self._held[:_PIECE]
        return len(content)

    def finish(self) -> None:
        """Write the last piece; without it nobody takes the file for whole."""
        self._put(bytes(self._held), last=True)

    def _put(self, piece: bytes, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._number, last=last), piece, self._head))
        self._number += 1


class SealedReader(io.RawIOBase):
    """Decrypts what a SealedWriter wrote. Raises InputError where it was changed or cut off."""

    def __init__(self, file: BinaryIO, key: bytes | ec.EllipticCurvePrivateKey, name: str) -> None:
        """`key`: the writer's own, or the recipient's private one. Raises InputError when it is another's."""
        self._file = file
        self._name = name
        self._head = file.read(len(MAGIC) + _POINT + 16)
        if len(self._head) < len(MAGIC) + _POINT + 16:
            raise self._damaged()
        own, to = self._head[len(MAGIC) : -16], self._head[-16:].hex()
        if isinstance(key, ec.EllipticCurvePrivateKey):
            raw = raw_public(key.public_key())
            if fingerprint(raw) != to:
                raise InputError(
                    f"{name} is sealed to the key {to}, not to this one.", hint="Give the key of its time."
                )
            try:
                key = _derive(key.exchange(ec.ECDH(), _point(own)), own, raw)
            except ConfigError as error:
                raise self._damaged() from error
        self._cipher = AESGCM(key)
        self._next = file.read(_PIECE + _TAG)
        self._plain = b""
        self._number = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = [self._plain]
        have = len(self._plain)
        while not self._ended and (size < 0 or have < size):
            parts.append(self._piece())
            have += len(parts[-1])
        content = b"".join(parts)
        cut = len(content) if size < 0 else size
        self._plain = content[cut:]
        return content[:cut]

    def _piece(self) -> bytes:
        piece, self._next = self._next, self._file.read(_PIECE + _TAG)
        self._ended = not self._next
        try:
            plain = self._cipher.decrypt(_nonce(self._number, last=self._ended), piece, self._head)
        except (InvalidTag, ValueError) as error:
            raise self._damaged() from error
        self._number += 1
        return plain

    def _damaged(self) -> InputError:
        return InputError(
            f"{self._name} is damaged: its seal does not hold.", hint="Take another copy, or another backup."
        )


def _derive(shared: bytes, own: bytes, recipient: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=own + recipient, info=_INFO).derive(shared)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _point(raw: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, raw)
    except ValueError as error:
        raise ConfigError(
            "key `backup.public` is no P-256 public key.", hint="Write what `branchloop keys backup` printed."
        ) from error
