"""Live dots: the API's own MQTT subscription. Kept in memory for seconds, never stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from branchloop.credentials import HUB_API, client_id
from branchloop.errors import InputError
from branchloop.site.site import Site
from branchloop.wire import topics
from branchloop.wire.messages import Live
from hub.broker.passwords import ensure_password
from hub.config.hub import HubConfig
from hub.runtime import Runtime

FRESH_MS = 5_000
"""Dots that are older, or that far ahead of the hub's clock, are not shown."""
FARTHEST_MM = 1_000_000


class Dots:
    """The last dots of every site."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, Live] = {}
        self._told: Callable[[str, Live], None] | None = None
        self._client: mqtt.Client | None = None
        self._sites: Mapping[str, Site] = {}

    @property
    def connected(self) -> bool:
        """Whether the broker is reached right now."""
        return self._client is not None and self._client.is_connected()

    def connect(self, config: HubConfig, runtime: Runtime) -> None:
        """Subscribe, and keep subscribing for as long as the process lives."""
        self._sites = config.sites
        password = ensure_password(config.credentials_dir, HUB_API)
        client = self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id(HUB_API, password),
            protocol=mqtt.MQTTv311,
        )
        client.username_pw_set(HUB_API, password)
        certificates = runtime.certificates(config)
        if certificates is not None:
            client.tls_set_context(certificates)
        client.reconnect_delay_set(1, 20)
        client.on_connect = self._subscribe
        client.on_message = self._take
        client.connect_async(runtime.broker_dial, runtime.broker_port, keepalive=15)
        client.loop_start()

    def close(self) -> None:
        """Leave the broker."""
        if self._client is not None:
            self._client.disconnect()
            # paho forgets its thread as that ends, even while it is waited for
            with suppress(AttributeError):
                self._client.loop_stop()

    def tell(self, told: Callable[[str, Live], None] | None) -> None:
        """Call `told` (from the MQTT thread) for every message; None ends that."""
        self._told = told

    def of(self, site: str, now_ms: int) -> Live | None:
        """The dots of a site, unless they are old."""
        with self._lock:
            live = self._last.get(site)
        return live if live is not None and abs(now_ms - live.at_ms) < FRESH_MS else None

    def _subscribe(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(f"{topics.ROOT}/+/+/live", 0)

    def _take(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            place = topics.parse(message.topic)
            live = Live.model_validate_json(message.payload)
        except (InputError, ValidationError):
            return  # dots are a courtesy: what cannot be read is not shown
        site = self._sites.get(place.site)
        if site is None or site.has_kiosk(place.device):
            return  # a kiosk sees no floor
        if any(abs(mm) > FARTHEST_MM for dot in live.dots_mm for mm in dot):
            return
        with self._lock:
            self._last[site.id] = live
        told = self._told
        if told is not None:
            told(site.id, live)
