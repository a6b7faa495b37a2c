"""A sensor, or the gateway of several, that publishes to an MQTT broker: `mqtt:HOST:PORT/TOPIC`.

The client is driven by its one reader, without a thread of its own. What is published is what the other wires
carry: `R1234` or JSON. The broker stands in the branch; nothing of it leads to the hub.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from branchloop.site.site import Sensor
from edge.perceive.ultrasonic_wire import LineReader

CONNECT_S = 5.0
KEEPALIVE_S = 15


class MqttPort:
    """A subscription to one topic. Every method raises OSError when the broker is gone or refuses."""

    def __init__(self, sensor: Sensor) -> None:
        address, _, self._topic = sensor.source.removeprefix("mqtt:").partition("/")
        host, _, port = address.rpartition(":")
        self._payloads: list[bytes] = []
        self._kept = 0
        self._refused: str | None = None
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311, reconnect_on_failure=False
        )
        self._client.connect_timeout = CONNECT_S
        login = os.environ.get(sensor.credential_env, "") if sensor.credential_env is not None else ""
        if sensor.credential_env is not None:
            user, colon, password = login.partition(":")
            if not colon:
                raise OSError(f"the environment variable {sensor.credential_env} holds no user:password")
            self._client.username_pw_set(user, password)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._heard
        try:
            self._client.connect(host.strip("[]"), int(port), keepalive=KEEPALIVE_S)
        except ValueError as error:
            raise OSError(str(error)) from error

    def fileno(self) -> int:
        """The socket."""
        return int(self._socket().fileno())

    def readings(self, reader: LineReader) -> list[float | None]:
        """Of all messages that came."""
        self._socket()
        self._check(self._client.loop_read(100))
        self.idle()
        payloads, self._payloads = self._payloads, []
        reader.kept, self._kept = reader.kept + self._kept, 0
        return [reading for payload in payloads for reading in reader.whole(payload)]

    def idle(self) -> None:
        """Keep the connection alive."""
        if self._client.want_write():
            self._check(self._client.loop_write())
        self._check(self._client.loop_misc())
        if self._refused is not None:
            raise OSError(self._refused)

    def close(self) -> None:
        """Part in order, as far as the broker is still there."""
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()
            self._client.loop_write()
        with contextlib.suppress(OSError):
            connection = self._client.socket()
            if connection is not None:
                connection.close()

    def _socket(self) -> Any:
        connection = self._client.socket()
        if connection is None:
            raise OSError("the broker hung up")
        return connection

    def _check(self, code: int) -> None:
        if code != mqtt.MQTT_ERR_SUCCESS:
            raise OSError(self._refused or f"the broker is gone: {mqtt.error_string(code)}")

    def _connected(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            self._refused = f"the broker refuses the connection: {reason}"
        else:
            client.subscribe(self._topic, qos=0)

    def _heard(self, _c: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.retain:  # said before the subscription, nobody knows when: its sensor may be dead
            self._kept += 1
        else:
            self._payloads.append(bytes(message.payload))

    def _subscribed(self, _c: mqtt.Client, _data: Any, _mid: int, codes: Any, _more: Any) -> None:
        if any(code.is_failure for code in codes):
            self._refused = f"the broker refuses the subscription to {self._topic}"
