"""The envelope of events out as a JSON Schema: `python -m hub.api.event_schema > docs/protocol/event.schema.json`."""

from __future__ import annotations

import json
import sys
from typing import Any

from hub.api.models.events import Event


def text() -> str:
    """The schema of one event, of webhooks and of the feed alike; stable byte for byte."""
    described = _open(Event.model_json_schema(by_alias=True, mode="serialization"))
    described["$defs"]["EventData"]["required"].remove("appointment")  # a partner's receiver is not told it
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:branchloop:1:event",
        **described,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _open(schema: Any) -> Any:
    """Without `additionalProperties: false`: a receiver must bear keys that come within a version."""
    if isinstance(schema, list):
        return [_open(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _open(value)
        for key, value in schema.items()
        if not (key == "additionalProperties" and value is False)
    }


if __name__ == "__main__":
    sys.stdout.write(text())
