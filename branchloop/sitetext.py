"""The text of a site file, edited: only what changes is touched, so that comments and order stay.

Nothing here judges what it writes: `branchloop.site.parse_site` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, Table

from branchloop.errors import ConfigError

OF_THE_BOX = ("box", "kiosk")
"""Tables that belong to the branch's machine: credentials, addresses, folders. They are never published."""
_ABOVE = re.compile(rf"(?m)^(?:[ \t]*#.*\n)+(?=[ \t]*\[\[?[ \t]*(?:{'|'.join(OF_THE_BOX)})\b)")
Listed = Literal["camera", "line", "zone", "sensor"]


def read(text: str) -> tomlkit.TOMLDocument:
    """The document. Raises ConfigError when the text is no TOML."""
    whole = (
        text if not text or text.endswith("\n") else text + "\n"
    )  # what is added is not added to the last line
    try:
        return tomlkit.parse(whole)
    except TOMLKitError as error:
        raise ConfigError(f"the text is not valid TOML: {error}.", hint="Mend that line.") from error


def publishable(text: str) -> str:
    """Without the tables of the box and of kiosks, and the remarks right above them: those are of the machine, too."""
    document = read(_ABOVE.sub("", text))
    for table in OF_THE_BOX:
        if table in document:
            document.remove(table)
    return tomlkit.dumps(document)


def joined(text: str, own: str) -> str:
    """A published text with the box and the kiosks of the branch's own file."""
    document, mine = read(publishable(text)), read(own)
    for table in OF_THE_BOX:
        if table in mine:
            document.append(table, mine.item(table))
    return tomlkit.dumps(document)


def with_version(text: str, version: int) -> str:
    """With another version number."""
    document = read(text)
    document["version"] = version
    return tomlkit.dumps(document)


def with_entry(text: str, kind: Listed, entry: Mapping[str, Any]) -> str:
    """With one `[[line]]`, `[[zone]]`, … added, or changed where its id is there already.

    Keys that the entry does not name stay as they are.
    """
    document = read(text)
    known = _find(document, kind, str(entry["id"]))
    if known is None:
        known = tomlkit.table()
        _update(known, entry)
        if kind in document:
            _list(document, kind).append(known)
        else:
            fresh = tomlkit.aot()
            fresh.append(known)
            document.append(kind, fresh)
    else:
        _update(known, entry)
    return tomlkit.dumps(document)


def without_entry(text: str, kind: Listed, entry_id: str) -> str:
    """Without the entry of that id; unchanged when there is none."""
    document = read(text)
    if kind not in document:
        return text
    entries = _list(document, kind)
    kept = [entry for entry in entries if entry.get("id") != entry_id]
    if len(kept) == len(entries):
        return text
    if not kept:
        document.remove(kind)
    else:
        for index in reversed(range(len(entries))):
            if entries[index].get("id") == entry_id:
                del entries[index]
    return tomlkit.dumps(document)


def with_calibration(text: str, camera: str, calibration: Mapping[str, Any]) -> str:
    """With these keys of a camera's `[camera.calibration]`. Raises ConfigError for an unknown camera."""
    document = read(text)
    known = _find(document, "camera", camera)
    if known is None:
        raise ConfigError(f"there is no camera {camera!r}.", hint="Name a [[camera]] of the file by its id.")
    if "calibration" not in known:
        known.append("calibration", tomlkit.table())
    _update(cast("Table", known["calibration"]), calibration)
    return tomlkit.dumps(document)


def _list(document: tomlkit.TOMLDocument, kind: str) -> AoT:
    found = document[kind]
    if not isinstance(found, AoT):
        raise ConfigError(f"`{kind}` is written as an inline list.", hint=f"Write [[{kind}]] tables instead.")
    return found


def _find(document: tomlkit.TOMLDocument, kind: str, entry_id: str) -> Table | None:
    if kind not in document:
        return None
    return next((entry for entry in _list(document, kind) if entry.get("id") == entry_id), None)


def _update(table: Any, values: Mapping[str, Any]) -> None:
    """Set what differs. A None removes its key."""
    for key, value in values.items():
        if value is None:
            if key in table:
                table.remove(key)
        elif key in table and _plain(table[key]) == _plain(value):
            continue
        elif key in table and isinstance(table[key], Array) and isinstance(value, Sequence):
            _refill(table[key], value)
        else:
            table[key] = _item(value)


def _refill(array: Array, values: Sequence[Any]) -> None:
    """Row by row, so that the remarks beside unchanged rows stay."""
    for index, value in enumerate(values):
        if index >= len(array):
            array.append(_item(value))
        elif _plain(array[index]) != _plain(value):
            array[index] = _item(value)
    while len(array) > len(values):
        del array[len(array) - 1]


def _item(value: Any) -> Any:
    """A value as an item; a list of lists takes one line per row."""
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update(value)
        return table
    if isinstance(value, Sequence) and not isinstance(value, str):
        array = tomlkit.array()
        array.extend(_item(each) for each in value)
        if len(value) > 4 and isinstance(value[0], Sequence):
            array.multiline(multiline=True)
        return array
    return value


def _plain(value: Any) -> Any:
    unwrapped = value.unwrap() if hasattr(value, "unwrap") else value
    if isinstance(unwrapped, Sequence) and not isinstance(unwrapped, str):
        return [_plain(each) for each in unwrapped]
    return unwrapped
