"""A large simulated branch, message by message, to be played at any time as any box: what load is made of.

It ships as `sample_history/load.ndjson.xz`, made by `tools/make_load_branch.py`; its site is `configs/load.toml`.
"""

from __future__ import annotations

import itertools
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from branchloop.clock import WINDOW_MS
from branchloop.share import share

SITE = "configs/load.toml"
FILE = "sample_history/load.ndjson.xz"


@dataclass(frozen=True, slots=True)
class Told:
    """One message of a box: when the box has it (UTC ms), its kind and its body."""

    at_ms: int
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """Messages in the order in which the box had them; times count from the recording's start."""

    messages: tuple[Told, ...]
    length_ms: int

    @classmethod
    def read(cls) -> Recording:
        """The one that ships with the house."""
        text = lzma.decompress(share(FILE).read_bytes()).decode()
        messages = tuple(Told(**json.loads(line)) for line in text.splitlines())
        windows = sum(each.kind == "window" for each in messages)
        return cls(messages, windows * WINDOW_MS)

    def play(self, from_ms: int, *, skip: int = 0, prefix: str) -> Iterator[Told]:
        """Without end, what a box has from `from_ms` (a multiple of 5 s) on; windows are told 6 s after they began.

        `skip` windows are left out at first, so that boxes differ. `prefix` makes the ids of notices the box's own.
        """
        ordered = sorted(
            (((each.at_ms - skip * WINDOW_MS) % self.length_ms, each) for each in self.messages),
            key=lambda pair: pair[0],
        )
        for turn in itertools.count():
            begun_ms = from_ms + turn * self.length_ms
            for since_ms, each in ordered:
                shift_ms = begun_ms + since_ms - each.at_ms
                yield _shifted(each, shift_ms, f"{prefix}-{turn}-")


def _shifted(told: Told, shift_ms: int, prefix: str) -> Told:
    body = dict(told.body)
    if told.kind == "notice":
        body |= {key: body[key] + shift_ms for key in ("at_ms", "seen_ms")} | {"id": prefix + body["id"]}
    else:
        body["start_ms"] += shift_ms
        body["lines"] = [
            line
            | {
                fate: [prefix + notice for notice in line[fate]]
                for fate in ("confirmed", "withdrawn")
                if line[fate]
            }
            for line in body["lines"]
        ]
    return Told(told.at_ms + shift_ms, told.kind, body)
