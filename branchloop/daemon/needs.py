"""What a program of the house touches when it runs as a service: each room says it of its own configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from branchloop.config import Part

_SECRET = ("credential_file", "key_file", "secret_file", "token_file")


@dataclass(frozen=True, slots=True)
class Needs:
    """Absolute paths, names of environment variables, and the ports that are listened on."""

    writes: list[str]
    reads: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    """Files that are refused, or should be, where others may read them too."""
    devices: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    @classmethod
    def of_json(cls, text: str) -> Needs:
        """What `to_json` wrote. Raises ValueError and TypeError for anything else."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """As one line, from a room's process to the one that asked."""
        return json.dumps(asdict(self))


def gather(
    parts: Sequence[Part],
    base: Path,
    *,
    writes: Sequence[str] = (),
    reads: Sequence[str] = (),
    devices: Sequence[str] = (),
    listens: Sequence[str] = (),
) -> Needs:
    """The needs of a configuration's tables: files are their keys `…_file`, variables their keys `…_env`.

    `base` is the folder that relative names start from; `listens` are addresses HOST:PORT.
    """
    found = {"reads": list(reads), "secrets": [], "variables": []}
    for part in parts:
        for key, value in _named(part):
            if key.endswith("_env"):
                found["variables"].append(value)
            elif key.endswith("_file"):
                found["secrets" if key.endswith(_SECRET) else "reads"].append(value)
    return Needs(
        writes=_absolute(writes, base),
        reads=_absolute(found["reads"], base),
        secrets=_absolute(found["secrets"], base),
        devices=sorted(set(devices)),
        variables=sorted(set(found["variables"])),
        ports=sorted({int(address.rpartition(":")[2]) for address in listens}),
    )


def _absolute(names: Sequence[str], base: Path) -> list[str]:
    return sorted({os.path.normpath(base.absolute() / name) for name in names})


def _named(part: Part) -> Iterator[tuple[str, str]]:
    """Every key that holds a text, with it, in a table and those below."""
    for key in type(part).model_fields:
        value = getattr(part, key)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Part):
                yield from _named(each)
            elif isinstance(each, str):
                yield key, each
