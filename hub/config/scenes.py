"""Scenes: the table by which a product manager says what a card opens with, and the words of tags.

The file is named by hub.toml (`scenes`) and read again when it changes; see docs/scenes.md.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from branchloop.config import Fault, Part, find_faults
from branchloop.errors import ConfigError
from branchloop.site.hours import spans_min
from branchloop.site.parts import Id, Text
from branchloop.text.catalogue import Language
from hub.loop.appointments import Outcome

DEFAULT = "default"
"""The scene of every card that stands in none, or in one that the table does not know."""
Purpose = Literal["suggest", "share"]
"""What a tag may be used for: the bank suggests a service by it; the partner whose user it is reads it."""
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_LOG = logging.getLogger(__name__)


class When(Part):
    """Conditions, all of which must hold; in the branch's time. Without any it always holds."""

    months: list[Annotated[int, Field(ge=1, le=12)]] = Field(default_factory=list, max_length=12)
    days: list[Annotated[int, Field(ge=-31, le=31)]] = Field(
        default_factory=list, max_length=62, description="of the month; -1 is its last day"
    )
    weekdays: list[Weekday] = Field(default_factory=list, max_length=7)
    hours: str | None = Field(default=None, description="as in a site's hours: 09:00-11:30 or several")
    languages: list[Language] = Field(default_factory=list, max_length=2)
    offers: list[Id] = Field(default_factory=list, max_length=20, description="services the branch also has")
    tags: list[Id] = Field(
        default_factory=list, max_length=20, description="the customer has them, by consent"
    )

    @field_validator("days")
    @classmethod
    def _no_day_0(cls, days: list[int]) -> list[int]:
        if 0 in days:
            raise ValueError("there is no day 0; count from 1, or from -1 at the end of the month")
        return days

    @field_validator("hours")
    @classmethod
    def _readable(cls, hours: str | None) -> str | None:
        if hours is not None:
            spans_min(hours)
        return hours


class Rule(Part):
    """One row of the table: when it holds, the service is suggested with the reason."""

    id: Id
    service: Id
    reason: Text = Field(description="shown to the customer")
    weight: Annotated[int, Field(ge=-1_000, le=1_000)] = Field(
        default=0, description="higher comes first; of equal ones the earlier in the file"
    )
    when: When = When()


class Scene(Part):
    """Where a card stands, and what it opens with there."""

    id: Id
    name: Text
    rules: Annotated[list[Rule], Field(min_length=1, max_length=50)] = Field(alias="rule")

    @field_validator("rules")
    @classmethod
    def _apart(cls, rules: list[Rule]) -> list[Rule]:
        _once("rules", (rule.id for rule in rules))
        return rules


class TagWord(Part):
    """A tag that may be written, and for which purposes."""

    id: Id
    name: Text
    purposes: Annotated[list[Purpose], Field(min_length=1, max_length=2)]
    most_days: Annotated[int, Field(ge=1, le=365)] = Field(default=90, description="it ends no later")


class Next(Part):
    """What may come after a visit: `after` and `outcome` of the visit, or tags."""

    id: Id
    after: list[Id] = Field(default_factory=list, max_length=20, description="services; any without it")
    outcomes: list[Outcome] = Field(default_factory=list, max_length=4, description="any without it")
    tags: list[Id] = Field(default_factory=list, max_length=20)
    service: Id
    reason: Text
    weight: Annotated[int, Field(ge=-1_000, le=1_000)] = 0

    @model_validator(mode="after")
    def _follows_something(self) -> Next:
        if not self.after and not self.outcomes and not self.tags:
            raise ValueError("follows nothing; give after, outcomes or tags")
        return self


class SceneTable(Part):
    """The whole of a scenes file."""

    scenes: list[Scene] = Field(default_factory=list, max_length=200, alias="scene")
    tags: list[TagWord] = Field(default_factory=list, max_length=200, alias="tag")
    next: list[Next] = Field(default_factory=list, max_length=200)

    @model_validator(mode="after")
    def _consistent(self) -> SceneTable:
        _once("scenes", (scene.id for scene in self.scenes))
        _once("tags", (tag.id for tag in self.tags))
        _once("next", (each.id for each in self.next))
        words = {tag.id for tag in self.tags if "suggest" in tag.purposes}
        for name, tags in (
            *(
                (f"{s.id}/{rule.id}, key `when.tags`", rule.when.tags)
                for s in self.scenes
                for rule in s.rules
            ),
            *((f"next/{each.id}, key `tags`", each.tags) for each in self.next),
        ):
            for tag in tags:
                if tag not in words:
                    raise ValueError(
                        f"rule {name}: no [[tag]] table with the purpose suggest is called {tag!r}; add one"
                    )
        return self

    def tag(self, name: str) -> TagWord | None:
        """A tag of the vocabulary."""
        return next((tag for tag in self.tags if tag.id == name), None)

    def services(self) -> Iterator[tuple[str, str]]:
        """Every rule's name and the service it suggests."""
        for scene in self.scenes:
            for rule in scene.rules:
                yield f"{scene.id}/{rule.id}", rule.service
        for each in self.next:
            yield f"next/{each.id}", each.service


def parse_scenes(text: str, file: str) -> SceneTable:
    """Parse a scenes file. Raises ConfigError naming rule, key and remedy."""
    faults = find_faults(text, SceneTable)
    if faults:
        tree = _tree(text)
        told = "; ".join(_told(fault, tree) for fault in faults[:5])
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise ConfigError(f"{file}: {told}{more}.", hint="Mend it; until then the last good table counts.")
    return SceneTable.model_validate(tomllib.loads(text))


def unserved(table: SceneTable, offered: Iterable[str]) -> list[str]:
    """A sentence for each service that rules suggest and no branch has: those rules never count."""
    known = set(offered)
    rules: dict[str, list[str]] = {}
    for rule, service in table.services():
        if service not in known:
            rules.setdefault(service, []).append(rule)
    return [
        f"no branch offers service {service!r}, so these rules never count: {', '.join(names)}."
        for service, names in rules.items()
    ]


@dataclass(slots=True)
class SceneFile:
    """A scenes file as it is now: read again when it changed; a bad one leaves the last good table in force."""

    path: Path | None = None
    fault: str | None = None
    """What is wrong with the file that lies there now."""
    _seen: tuple[int, int, int] | None = None
    _table: SceneTable = field(default_factory=SceneTable)

    @classmethod
    def read(cls, path: Path) -> SceneFile:
        """Read it for the first time. Raises ConfigError: a hub does not start with a bad table."""
        made = cls(path)
        seen = made._mark()
        made._table = parse_scenes(_text(path), str(path))
        made._seen = seen
        return made

    @property
    def table(self) -> SceneTable:
        """The table in force. Never raises."""
        if self.path is None:
            return self._table
        try:
            seen = self._mark()
            if seen != self._seen:
                self._seen = seen  # a bad file is told once, not at every question
                self._table = parse_scenes(_text(self.path), str(self.path))
                self.fault = None
        except ConfigError as error:
            if not self.path.exists():
                self._seen = None
            if self.fault != str(error):
                _LOG.warning("%s", error)
            self.fault = str(error)
        return self._table

    def _mark(self) -> tuple[int, int, int] | None:
        if self.path is None:
            return None
        try:
            found = self.path.stat()
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return found.st_mtime_ns, found.st_size, found.st_ino


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text.", hint="Save it as UTF-8.") from error


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path} cannot be read: {error.strerror}.", hint="Check `hub.scenes` in hub.toml.")


def _tree(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _told(fault: Fault, tree: dict[str, Any]) -> str:
    """A fault with its rule by name: a product manager does not count tables."""
    found = re.fullmatch(r"(scene|tag|next)\[(\d+)\](?:\.rule\[(\d+)\])?\.?(.*)", fault.key)
    if found is None:
        return str(fault)
    kind, index, rule, key = found.groups()
    where = _name(tree.get(kind), int(index))
    if rule is not None:
        rules = tree[kind][int(index)].get("rule")
        name = f"rule {where}/{_name(rules, int(rule))}"
    else:
        name = f"rule next/{where}" if kind == "next" else f"{kind} {where}"
    return f"{name}, {Fault(key, fault.message)}" if key else f"{name}: {fault.message}"


def _name(tables: Any, index: int) -> str:
    table = tables[index] if isinstance(tables, list) and index < len(tables) else None
    found = table.get("id") if isinstance(table, dict) else None
    return found if isinstance(found, str) else f"number {index + 1}"


def _once(what: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            raise ValueError(f"two {what} are called {each!r}; every id must be used once")
        seen.add(each)
