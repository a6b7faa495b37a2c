"""The API's description as JSON: `python -m hub.api.openapi > docs/protocol/openapi.json`."""

from __future__ import annotations

import json
import sys

from hub.api.app import create_app


def text() -> str:
    """The OpenAPI document, stable byte for byte."""
    return json.dumps(create_app(None).openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
