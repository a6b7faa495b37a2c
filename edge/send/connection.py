"""One MQTT 3.1.1 connection on paho, from connect to loss, driven by the thread that owns it.

Each connection has a client of its own: the last will names the connection that it belongs to, and a client
that is used again would resend batches by itself, behind the outbox's back. The session is clean for
the same reason: what is unacknowledged is resent from the outbox, and acknowledgements that a broker
kept would be old. No second thread runs in here, so no lock is ever held around a call into paho.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.send.boxlink import BoxLink

KEEPALIVE_S = 10
CONNECT_TIMEOUT_S = 5.0
_REFUSED_SUBSCRIPTION = 0x80
_NO_MQTT = "Protocol error"


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool


class Connection:
    """`accepted` by the broker, `ready` once the subscriptions stand, `lost` with a reason at the end."""

    def __init__(self, box: BoxLink, will: tuple[str, str] | None, filters: Sequence[str]) -> None:
        self.accepted = False
        self.ready = False
        self.lost: str | None = None
        self.refused = False
        """Whether it was lost for a reason that only somebody can mend."""
        self._box = box
        self._filters = filters
        self._received: list[Received] = []
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=box.client_id,
            protocol=mqtt.MQTTv311,
            clean_session=True,
            reconnect_on_failure=False,
        )
        client.username_pw_set(box.user, box.password)
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=True)
        client.max_inflight_messages_set(0)  # the outbox's own limit of batches in flight holds
        client.connect_timeout = CONNECT_TIMEOUT_S
        if box.tls is not None:
            client.tls_set_context(box.tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message

    def open(self) -> None:
        """Begin to connect; waits for TCP and TLS, not for the broker's answer."""
        try:
            self._client.connect(self._box.host, self._box.port, KEEPALIVE_S)
        except ssl.SSLCertVerificationError as error:
            self._refuse(
                f"its certificate is not believed ({error.verify_message}); check `ca_file`, and the name in `broker`"
            )
        except (OSError, ValueError) as error:
            self.lost = str(error)
            if isinstance(error, ssl.SSLError) or (self._box.tls and isinstance(error, ConnectionResetError)):
                self._refuse(
                    f"it speaks no TLS that this box takes ({error}); check scheme and port of `broker`"
                )

    def step(self, wake: socket.socket, timeout_s: float) -> list[Received]:
        """Exchange bytes for at most `timeout_s`, less if `wake` is readable; returns what came in."""
        sock = self._client.socket()
        if sock is None:
            self.lost = self.lost or "the connection is closed"
            return []
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0  # bytes that poll cannot see
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        poll.register(wake, select.POLLIN)
        events = dict(poll.poll(0 if pending else max(0.0, timeout_s) * 1000))
        happened = events.get(sock.fileno(), 0)
        if pending or happened & ~select.POLLOUT:
            self._client.loop_read()
        if happened & select.POLLOUT and self.lost is None:
            self._client.loop_write()
        self._client.loop_misc()
        received, self._received = self._received, []
        return received

    def publish(self, topic: str, payload: str, *, qos: int, retain: bool = False) -> None:
        """Send, or lose it with the connection: whoever needs it sends it again on the next one."""
        self._client.publish(topic, payload, qos=qos, retain=retain)

    def fileno(self) -> int:
        """Of its socket, for whoever waits for several connections at once; -1 when there is none."""
        sock = self._client.socket()
        return sock.fileno() if sock is not None else -1

    @property
    def congested(self) -> bool:
        """Whether bytes wait for the network to take them."""
        return bool(self._client.want_write())

    def close(self) -> None:
        """Part from the broker, which then does not publish the will."""
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()
        self.drop()

    def drop(self) -> None:
        """Close the socket at once."""
        sock = self._client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()
        client = self._client
        client.on_connect = client.on_subscribe = client.on_disconnect = client.on_message = None
        self.lost = self.lost or "closed"

    def _refuse(self, reason: str) -> None:
        self.lost, self.refused = reason, True

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if reason.is_failure:
            self._refuse(
                f"the broker refuses {self._box.user}: {reason}; carry its credential over from the hub again"
            )
            return
        self.accepted = True
        client.subscribe([(topic, 1) for topic in self._filters])

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, codes: list[Any], _props: Any) -> None:
        if any(code.value == _REFUSED_SUBSCRIPTION for code in codes):
            self._refuse(
                f"the broker does not let {self._box.user} subscribe to its own topics; check the broker's rules"
            )
            return
        self.ready = True

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if self.lost is None and not self.accepted and reason == _NO_MQTT:
            self._refuse(f"what answers there speaks no MQTT ({reason}); check `broker`, scheme and port")
        self.lost = self.lost or str(reason)

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._received.append(Received(message.topic, bytes(message.payload), message.retain))
