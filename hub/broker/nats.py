"""Configuration of nats-server as MQTT broker: JetStream on disk, one user per device with its subjects.

MQTT's `a/b/+` is NATS's `a.b.*`. No `$MQTT` subject needs to be granted, and none can be subscribed to.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from branchloop.errors import DependencyError
from hub.broker.grants import Grant

CHECK_S = 30.0
CONSUMERS = 1_000
"""So many subscriptions are kept beyond twice those that all users have: some 50 MB of the broker's memory."""
FORGOTTEN_AFTER = "10m"


def config_text(
    grants: Sequence[Grant],
    passwords: Mapping[str, str],
    *,
    listen: str,
    folder: Path,
    tls: tuple[str, str] | None = None,
) -> str:
    """The whole of nats.conf; it holds passwords, so keep it readable by the owner alone.

    Every subscription of a box is a consumer of one stream, of which nats-server by itself admits a thousand: 250 boxes.
    Who has one credential may open ever new sessions, so their number is bounded, and what nobody listens to is
    forgotten: ingest's own as well, after which the boxes send again what was not acknowledged.
    The log beside the store is rotated by the server itself: three files of 10 MB at most.
    """
    most = CONSUMERS + 2 * sum(len(grant.subscribe) for grant in grants)
    users = ",\n".join(_user(grant, passwords[grant.user]) for grant in grants)
    secure = ""
    if tls is not None:
        secure = f"\n  tls {{ cert_file: {_quoted(tls[0])}, key_file: {_quoted(tls[1])} }}"
    return f"""# Made by `branchloop broker-config nats`; regenerate it rather than edit it.
server_name: branchloop
listen: "127.0.0.1:-1"
log_file: {_quoted(str(folder / "nats.log"))}
logfile_size_limit: 10MB
logfile_max_num: 3
jetstream {{ store_dir: {_quoted(str(folder / "jetstream"))}, max_file_store: 4GB, limits {{ default_max_consumers: {most} }} }}
max_payload: 1MB
mqtt {{
  listen: {_quoted(listen)}
  ack_wait: "30s"
  max_ack_pending: 5000
  consumer_inactive_threshold: "{FORGOTTEN_AFTER}"{secure}
}}
authorization {{
  timeout: 5
  users: [
{users}
  ]
}}
"""


def forget_sessions(folder: Path) -> None:
    """Before the server starts: all it knew but what is retained. It keeps what it knows of a session for ever.

    Nothing is lost by it: boxes, kiosks and the hub send again what was not acknowledged.
    """
    for name in ("$MQTT_sess", "$MQTT_msgs"):
        for stream in (folder / "jetstream").glob(f"jetstream/*/streams/{name}"):
            shutil.rmtree(stream, ignore_errors=True)


def executable() -> Path:
    """The nats-server of the installed wheel. Raises DependencyError when it is not there."""
    beside = Path(sys.executable).with_name("nats-server")
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise DependencyError(
            "nats-server is not installed.", hint="Install it: pip install 'branchloop[hub]'."
        )
    return Path(found)


def check(conf: Path) -> None:
    """Raise DependencyError, with the broker's own line, where nats-server rejects a configuration file."""
    try:
        judged = subprocess.run(
            [str(executable()), "-t", "-c", str(conf)], capture_output=True, check=False, timeout=CHECK_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DependencyError(f"nats-server does not run: {error}.") from error
    if judged.returncode:
        said = judged.stderr.decode(errors="replace").strip().splitlines() or ["it does not say why."]
        raise DependencyError(
            f"the broker rejects its configuration: {said[-1].removeprefix('nats-server: ')}",
            hint="Mend what it names in hub.toml, or move the data directory.",
        )


def subject(topic_filter: str) -> str:
    """MQTT filter -> NATS subject; our ids hold no dots."""
    return topic_filter.replace("/", ".").replace("+", "*")


def _quoted(value: object) -> str:
    """As JSON has it, save that nats-server knows no such escapes: what is not ASCII stands for itself."""
    return json.dumps(value, ensure_ascii=False)


def _user(grant: Grant, password: str) -> str:
    return (
        f"    {{ user: {_quoted(grant.user)}, password: {_quoted(password)}, "
        'allowed_connection_types: ["MQTT"], permissions: { '
        f"publish: {_permission(grant.publish)}, subscribe: {_permission(grant.subscribe)} }} }}"
    )


def _permission(topics: Sequence[str]) -> str:
    if not topics:
        return '{ deny: ">" }'  # an empty list of what is allowed allows everything
    return f"{{ allow: {_quoted([subject(topic) for topic in topics])} }}"
