"""Files for mosquitto: configuration, access list and password file ($7$: PBKDF2-SHA512)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from hub.broker.grants import Grant

ITERATIONS = 101
"""Mosquitto's own default; the passwords are 256 random bits, so stretching adds nothing."""


def config_text(folder: Path, *, listen: str, run_as: str, tls: tuple[str, str] | None = None) -> str:
    """mosquitto.conf: users only, each bound to its own client id, state saved as it changes.

    Started by root, mosquitto becomes `run_as` before it reads its files, which only their owner may read.
    Saving at every single change costs 13 parts of the throughput in 14; what a kill takes before the next
    save is resent by the boxes, which keep everything until the hub has committed it.
    """
    host, _, port = listen.rpartition(":")
    secure = f"certfile {tls[0]}\nkeyfile {tls[1]}\n" if tls else ""
    return f"""# Made by `branchloop broker-config mosquitto`; regenerate it rather than edit it.
user {run_as}
listener {port} {host.strip("[]")}
{secure}allow_anonymous false
password_file {folder / "passwd"}
acl_file {folder / "acl"}
use_username_as_clientid true
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1000
set_tcp_nodelay true
max_inflight_messages 100
max_queued_messages 100000
max_packet_size 1048576
"""


def acl_text(grants: Sequence[Grant]) -> str:
    """The access list: nothing is allowed that is not listed."""
    blocks = []
    for grant in grants:
        lines = [f"user {grant.user}"]
        lines += [f"topic write {topic}" for topic in grant.publish]
        lines += [f"topic read {topic}" for topic in grant.subscribe]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def passwd_text(passwords: Mapping[str, str], salt: bytes | None = None) -> str:
    """The password file of mosquitto 2."""
    return "".join(f"{user}:{_hash(password, salt)}\n" for user, password in sorted(passwords.items()))


def _hash(password: str, salt: bytes | None) -> str:
    salt = salt or secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
