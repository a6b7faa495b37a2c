"""Messages of an outbox by kind, in batches that are acknowledged. Part of the wire.

An unknown *kind* or a newer major version of a body is quarantined, never guessed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any

from pydantic import Field, model_validator

from branchloop.wire.arrivals import Attempt, Checkin, ConsentGiven, Walkin
from branchloop.wire.messages import Notice, Window
from branchloop.wire.payload import WIRE_VERSION, Count, Hex, Seq, TimeMs, Wire

MAX_ITEMS = 200
MAX_BATCH_BYTES = 512 * 1024


class Dropped(Wire):
    """Stands under the seq of a message that a full outbox had to drop."""

    kind: str = Field(max_length=32)
    count: Count = 1
    first_ms: TimeMs
    last_ms: TimeMs


BODIES: dict[str, type[Wire]] = {
    "window": Window,
    "notice": Notice,
    "checkin": Checkin,
    "walkin": Walkin,
    "attempt": Attempt,
    "consent": ConsentGiven,
    "dropped": Dropped,
}


class Item(Wire):
    """One message of a batch; `body` is validated apart so that one bad body costs only itself."""

    seq: Seq
    kind: str = Field(max_length=32)
    v: Count = WIRE_VERSION
    body: dict[str, Any]


class Batch(Wire):
    """One MQTT payload of `data`: messages of one outbox in ascending seq."""

    v: Count = WIRE_VERSION
    epoch: Hex
    boot: Hex
    oldest: Seq = Field(description="lowest seq the box still holds")
    sent_ms: TimeMs
    items: list[Item] = Field(min_length=1, max_length=MAX_ITEMS)

    @model_validator(mode="after")
    def _ascending(self) -> Batch:
        seqs = [item.seq for item in self.items]
        if any(b <= a for a, b in itertools.pairwise(seqs)):
            raise ValueError("seqs must ascend")
        if self.oldest > seqs[0]:
            raise ValueError("oldest is above the first seq of the batch")
        return self


class Ack(Wire):
    """Everything of `epoch` up to and including `upto` is committed at the hub."""

    epoch: Hex
    upto: Count


def body_digest(kind: str, body: dict[str, Any]) -> str:
    """Digest of a message's content: the same `(device, epoch, seq)` with another one is a clone."""
    text = json.dumps([kind, body], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
