"""Configuration from TOML text: frozen models, and faults that name file, key and remedy."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from branchloop.errors import ConfigError
from branchloop.topics import ID_PATTERN


class Part(BaseModel):
    """Base of all configuration: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


PartT = TypeVar("PartT", bound=Part)


def parse_config(text: str, file: str, model: type[PartT]) -> PartT:
    """Parse TOML text into a configuration model. Raises ConfigError naming file, key and remedy."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.", hint="Mend that line.") from error
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        faults = [_fault(fault, model) for fault in error.errors()]
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise ConfigError(f"{file}: " + "; ".join(faults[:5]) + more + ".") from error


def _fault(fault: Any, model: type[Part]) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    where = f"key `{key}`" if key else "the file"
    if fault["type"] == "extra_forbidden":
        known = _keys_at(model, fault["loc"][:-1])
        near = get_close_matches(str(fault["loc"][-1]), known, n=1)
        remedy = (
            f"did you mean `{near[0]}`?" if near else f"remove it, or use one of {', '.join(sorted(known))}"
        )
        return f"{where} is unknown: {remedy}"
    if fault["type"] == "missing":
        return f"{where} is missing: add it"
    if fault["type"] == "value_error":
        return f"{where}: {fault['ctx']['error']}"
    if fault["type"] == "string_pattern_mismatch" and fault["ctx"]["pattern"] == ID_PATTERN:
        return f"{where} is {fault['input']!r}: an id has 1 to 32 of a-z, 0-9 and '-'"
    given = repr(fault["input"])
    return f"{where} is {given[:60]}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


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
