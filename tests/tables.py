"""Tables of site and hub files for tests: what things are called stands here once, a test says what it is about."""

from __future__ import annotations

import json
from typing import Any

NAMES = {
    "loan": ("Loans", "贷款"),
    "desk": ("Desk", "综合"),
    "advice": ("Advice", "咨询"),
    "proof": ("Proof of deposit", "存款证明"),
    "second": ("Second-class account", "二类户开户"),
    "c-1": ("Counter 1", "1 号柜台"),
    "c-2": ("Counter 2", "2 号柜台"),
    "travel": ("Travel page", "旅行网站"),
    "other": ("Other page", "其他网站"),
}
"""By id, in English and Chinese."""
IDENTITY_CARD = {"en": "Identity card", "zh": "身份证"}
DOCUMENTS = """
[documents]
issuer = { en = "Example Bank", zh = "示例银行" }
key_file = "keys/document.pem"
cert_file = "keys/document.crt"
"""


def service(identity: str, minutes: int = 15, name: tuple[str, str] | None = None, **keys: Any) -> str:
    """A service of a branch."""
    return table("service", identity, name, minutes=minutes, **keys)


def counter(identity: str, *services: str, name: tuple[str, str] | None = None, **keys: Any) -> str:
    """A counter, and the services it is for."""
    return table("counter", identity, name, services=list(services), **keys)


def partner(identity: str, *origins: str, name: tuple[str, str] | None = None, **keys: Any) -> str:
    """A partner with the origins of its pages."""
    return table("partner", identity, name, origins=list(origins), **keys)


def table(kind: str, identity: str, name: tuple[str, str] | None = None, **keys: Any) -> str:
    """One entry of an array of tables; without `name` that of its id."""
    english, chinese = name or NAMES[identity]
    held = {"id": identity, "name": {"en": english, "zh": chinese}, **keys}
    return f"\n[[{kind}]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in held.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)
