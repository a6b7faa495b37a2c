"""Booking codes: what a customer shows or types to open an appointment, and what a QR code holds.

The *code* (8 characters, 40 random bits) proves possession and opens the appointment by itself. The
*booking number* (4 digits) only names an appointment of a day; the face must then match.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from branchloop.errors import InputError
from branchloop.wire.topics import ID_PATTERN

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U."""
LENGTH = 8
QR_PREFIX = "branchloop:1"
_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V"})
_NUMBER = re.compile(r"^[0-9]{4}$")


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a QR code says: the branch it is for, and the code."""

    site: str
    code: str


def new_code() -> str:
    """A fresh code as people read it: XXXX-XXXX."""
    return shown("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)))


def shown(code: str) -> str:
    """A code in groups of four."""
    return f"{code[:4]}-{code[4:]}"


def read_code(text: str) -> str:
    """The 8 characters of a code as typed: case, blanks, hyphens and look-alikes do not matter.

    Raises InputError when it is none.
    """
    plain = text.strip().upper().replace("-", "").replace(" ", "").translate(_READ_AS)
    if len(plain) != LENGTH or any(letter not in ALPHABET for letter in plain):
        raise InputError("this is not a booking code.", hint="It has 8 characters, such as 7K2M-Q4XD.")
    return plain


def is_number(text: str) -> bool:
    """Whether it is a booking number of four digits."""
    return _NUMBER.fullmatch(text.strip()) is not None


def qr_text(site: str, code: str) -> str:
    """What the QR code of an appointment holds."""
    return f"{QR_PREFIX}:{site}:{read_code(code)}"


def read_qr(text: str) -> Scanned:
    """Read a QR code's text. Raises InputError when it is not one of ours."""
    prefix, _, rest = text.strip()[:200].rpartition(":")[0].rpartition(":")
    code = text.strip()[:200].rpartition(":")[2]
    if prefix != QR_PREFIX or not re.fullmatch(ID_PATTERN, rest):
        raise InputError("this is not the QR code of an appointment.", hint="Show the one of your booking.")
    return Scanned(rest, read_code(code))


def code_digest(salt: str, code: str) -> str:
    """By which a box knows a code without holding it: HMAC-SHA256 under the salt of its gallery."""
    return hmac.new(salt.encode(), read_code(code).encode(), hashlib.sha256).hexdigest()
