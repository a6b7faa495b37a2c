"""Configuration files, and their TOML text: frozen models, and faults that name file, key and remedy."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from branchloop.errors import ConfigError
from branchloop.wire.topics import ID_PATTERN


class Part(BaseModel):
    """Base of all configuration: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


KINDS: Mapping[str, str] = {"hub": "hub", "dashboard": "dashboard", "plan": "box"}
"""Table that only one kind of configuration has -> whose that is."""
PartT = TypeVar("PartT", bound=Part)
_OF_ITS_KEY = ("is ", "has ", "holds ", "crosses ")
"""So begins what is said of a key itself; all else has a subject of its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file: the key it is at (empty: the file as a whole) and a sentence with the remedy."""

    key: str
    message: str

    @property
    def goes_on(self) -> bool:
        """Whether the message goes on from the key's name, which is its subject."""
        return self.message.startswith(_OF_ITS_KEY)

    def __str__(self) -> str:
        """As one clause of an error."""
        where = f"key `{self.key}`" if self.key else "the file"
        return f"{where} {self.message}" if self.goes_on else f"{where}: {self.message}"


def read_text(path: Path) -> str:
    """A configuration file, without the mark that Windows puts before UTF-8. Raises ConfigError when it cannot be read."""
    try:
        mode = path.stat().st_mode
        # A pipe that nobody writes to would be waited for without end.
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise ConfigError(f"{path} is no regular file.", hint="Give a file.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text.", hint="Save it as UTF-8.") from error


def parse_config(text: str, file: str, model: type[PartT]) -> PartT:
    """Parse TOML text into a configuration model. Raises ConfigError naming file, key and remedy."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.", hint="Mend that line.") from error
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        wanted, given = _kind(model.model_fields), _kind(tree)
        if wanted is not None and given is not None and wanted not in tree:
            raise ConfigError(
                f"{file} is the configuration of a {KINDS[given]}, not of a {KINDS[wanted]}.",
                hint="Give the other file.",
            ) from error
        faults = [str(_fault(fault, model)) for fault in error.errors()]
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise ConfigError(f"{file}: " + "; ".join(faults[:5]) + more + ".") from error


def _kind(keys: Container[str]) -> str | None:
    return next((key for key in KINDS if key in keys), None)


def find_faults(text: str, model: type[Part]) -> list[Fault]:
    """Every fault of a TOML text, by key; empty when it is right."""
    try:
        model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return [Fault("", f"is not valid TOML: {error}")]
    except ValidationError as error:
        return [_fault(fault, model) for fault in error.errors()]
    return []


def _fault(fault: Any, model: type[Part]) -> Fault:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    if fault["type"] == "extra_forbidden":
        known = _keys_at(model, fault["loc"][:-1])
        near = get_close_matches(str(fault["loc"][-1]), known, n=1)
        remedy = (
            f"did you mean `{near[0]}`?" if near else f"remove it, or use one of {', '.join(sorted(known))}"
        )
        return Fault(key, f"is unknown: {remedy}")
    if fault["type"] == "missing":
        return Fault(key, "is missing: add it")
    if fault["type"] == "value_error":
        return Fault(key, str(fault["ctx"]["error"]))
    given = repr(fault["input"])
    if fault["type"] == "string_pattern_mismatch" and fault["ctx"]["pattern"] == ID_PATTERN:
        return Fault(key, f"is {given}: an id has 1 to 32 of a-z, 0-9 and '-'")
    return Fault(key, f"is {given[:60]}: {fault['msg'][0].lower()}{fault['msg'][1:]}")


def _keys_at(model: type[Part], loc: Sequence[int | str]) -> list[str]:
    here: Any = model
    for step in loc:
        if isinstance(step, int):
            continue
        field = (
            next((f for n, f in here.model_fields.items() if step in (n, f.alias)), None)
            if hasattr(here, "model_fields")
            else None
        )
        here = _part_in(field.annotation) if field else None
    if here is None:
        return []
    return [field.alias or name for name, field in here.model_fields.items()]


def _part_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    return next((part for arg in getattr(annotation, "__args__", ()) if (part := _part_in(arg))), None)
