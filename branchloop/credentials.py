"""Who is who at the broker: one user per device, and a client id that only its holder can know.

A broker drops the older of two connections with one client id. Deriving the id from the password
keeps a box with a credential of its own from evicting another.
"""

from __future__ import annotations

import hashlib
import secrets

HUB_INGEST = "hub/ingest"
HUB_API = "hub/api"


def username(site: str, device: str) -> str:
    """Broker user of a box."""
    return f"{site}/{device}"


def client_id(user: str, password: str) -> str:
    """MQTT client id bound to the credential."""
    digest = hashlib.sha256(f"{user}\n{password}".encode()).hexdigest()[:16]
    return f"{user.replace('/', '-')}-{digest}"


def new_password() -> str:
    """A broker password or bearer token of 256 random bits."""
    return secrets.token_urlsafe(32)
