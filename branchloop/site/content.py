"""What a site file says of the branch, however it is written: by it a hub and a box compare their copies."""

from __future__ import annotations

import hashlib
import json
import tomllib
from typing import Any

from branchloop.site.editing import OF_THE_BOX

_LEFT_OUT = (*OF_THE_BOX, "version")


def content_hash(text: str) -> str:
    """Digest (16 hex digits) of a valid TOML text without the box's own tables and its version.

    Remarks, order of keys, line ends and the way a number is written (4, 4.0) change nothing.
    """
    said = {key: value for key, value in tomllib.loads(text).items() if key not in _LEFT_OUT}
    return hashlib.sha256(json.dumps(_plain(said), sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, bool | int | float | str) else value.isoformat()
