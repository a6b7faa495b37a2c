"""The wire as documents: JSON Schemas and AsyncAPI, generated. `python -m branchloop.wire.schema docs/protocol`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from branchloop import __version__
from branchloop.wire import topics
from branchloop.wire.batches import BODIES, Ack, Batch
from branchloop.wire.commands import (
    Adopt,
    Background,
    Birdseye,
    Command,
    Enrol,
    Erase,
    Gallery,
    Picture,
    Reply,
    Reseal,
    Sealed,
)
from branchloop.wire.desired import Desired
from branchloop.wire.messages import Live
from branchloop.wire.payload import Wire
from branchloop.wire.status import HubStatus, Status

SCHEMAS: dict[str, type[Wire]] = {
    "batch": Batch,
    **BODIES,
    "sealed": Sealed,
    "gallery": Gallery,
    "command": Command,
    "enrol": Enrol,
    "erase": Erase,
    "reseal": Reseal,
    "adopt": Adopt,
    "background": Background,
    "birdseye": Birdseye,
    "picture": Picture,
    "reply": Reply,
    "ack": Ack,
    "desired": Desired,
    "status": Status,
    "hub-status": HubStatus,
    "live": Live,
}
CHANNELS: dict[str, tuple[str, str, str]] = {
    "data": ("batch", "receive", "QoS 1, not retained: messages of a box's outbox"),
    "status": ("status", "receive", "QoS 1, retained: birth and last will of a box"),
    "live": ("live", "receive", "QoS 0, not retained: anonymous places right now"),
    "reply": ("reply", "receive", "QoS 1, not retained: what became of a command, by its id"),
    "command": (
        "command",
        "send",
        "QoS 1, not retained: enrol, erase, reseal, adopt, background, birdseye; again until replied",
    ),
    "desired": ("desired", "send", "QoS 1, retained: the configuration that the box is to run"),
    "gallery": ("sealed", "send", "QoS 1, not retained: the day's `gallery`, sealed to the kiosk's key"),
    "ack": ("ack", "send", "QoS 1, not retained: what the hub has committed"),
}
"""Topic kind -> (schema, what the hub does, how)."""


def documents() -> dict[str, str]:
    """File name -> text of every generated document, stable byte for byte."""
    files = {f"{name}.schema.json": _text(_schema(name, model)) for name, model in SCHEMAS.items()}
    return {**files, "asyncapi.json": _text(asyncapi())}


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 of the wire, seen from the hub."""
    channels: dict[str, Any] = {
        kind: {
            "address": f"{topics.ROOT}/{{site}}/{{device}}/{kind}",
            "parameters": {"site": {}, "device": {}},
            "messages": {schema: {"$ref": f"#/components/messages/{schema}"}},
            "description": how,
        }
        for kind, (schema, _, how) in CHANNELS.items()
    }
    channels["hub-status"] = {
        "address": topics.HUB_STATUS,
        "messages": {"hub-status": {"$ref": "#/components/messages/hub-status"}},
        "description": "QoS 1, retained: birth and last will of the hub",
    }
    operations = {
        kind: {"action": action, "channel": {"$ref": f"#/channels/{kind}"}}
        for kind, (_, action, _) in CHANNELS.items()
    }
    operations["hub-status"] = {"action": "send", "channel": {"$ref": "#/channels/hub-status"}}
    used = sorted({schema for schema, _, _ in CHANNELS.values()} | {"hub-status"})
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "branchloop wire", "version": __version__},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": {name: {"payload": {"$ref": f"./{name}.schema.json"}} for name in used}},
    }


def _schema(name: str, model: type[Wire]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:branchloop:1:{name}",
        **model.model_json_schema(by_alias=True),
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, content in documents().items():
        (folder / file_name).write_text(content, encoding="utf-8")
