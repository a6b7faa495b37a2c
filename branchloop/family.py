"""The processes below one, as Linux lists them in /proc."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Relative:
    """A process: its number, what it was begun with, and whether it lives (a zombie does not)."""

    pid: int
    command: str
    alive: bool


def below(pid: int) -> list[Relative]:
    """Children, and theirs, of a process; those that end meanwhile are left out."""
    children: defaultdict[int, list[Relative]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (found := _read(entry)) is not None:
            children[found[0]].append(found[1])
    family: list[Relative] = []
    parents = [pid]
    while parents:
        those = children[parents.pop()]
        family += those
        parents += [each.pid for each in those]
    return family


def youngest(pid: int, words: str) -> Relative | None:
    """Of the living processes below one whose command holds `words`, that which was begun last."""
    found = [each for each in below(pid) if each.alive and words in each.command]
    return max(found, key=lambda each: each.pid, default=None)


def _read(entry: Path) -> tuple[int, Relative] | None:
    try:
        state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    return int(parent), Relative(int(entry.name), command.strip(), state != "Z")
