"""What consent needs of the book and of the keyring: whose appointment it is, and a key per customer."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Booked:
    """Whose appointment it is; `minor` when the customer is known to be under 14."""

    customer: str
    masked_name: str
    minor: bool = False


class Appointments(Protocol):
    """The book, as far as consent asks it."""

    def booked(self, db: sqlite3.Connection, site: str, appointment: str) -> Booked | None:
        """Whose appointment of a branch it is; None when there is none, or it was cancelled."""
        ...

    def forget(self, db: sqlite3.Connection, customer: str, now_ms: int) -> bool:
        """Delete what names a customer; whether anything was known."""
        ...


class Wrapping(Protocol):
    """One data key per customer, outside the database: what it wraps is gone when the key is."""

    def wrap(self, customer: str, plain: bytes, context: str) -> bytes:
        """Encrypt under the customer's key, which is made when there is none."""
        ...

    def unwrap(self, customer: str, wrapped: bytes, context: str) -> bytes | None:
        """Decrypt; None when the key is gone or it is not what was wrapped."""
        ...

    def forget(self, customer: str) -> bool:
        """Delete the customer's key; whether there was one."""
        ...

    def mac(self, text: str) -> str:
        """By which a text is found again without being kept: a digest under the hub's key."""
        ...


@dataclass(frozen=True, slots=True)
class People:
    """The book and the keyring of a hub."""

    appointments: Appointments
    wrapping: Wrapping


PHOTO = "enrolment photo"
GUARDIAN = "guardian's name"
