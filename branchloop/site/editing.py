"""The text of a site file, edited: only what changes is touched, so that comments and order stay.

Nothing here judges what it writes: `branchloop.site.site.parse_site` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Literal, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array, InlineTable, Table

from branchloop.errors import ConfigError
from branchloop.site import pieces, rows
from branchloop.site.pieces import Piece

OF_THE_BOX = ("box", "kiosk")
"""Tables that belong to the branch's machine: credentials, addresses, folders. They are never published."""
Listed = Literal["camera", "line", "zone", "sensor"]
_CALIBRATION = ("camera", "calibration")


def read(text: str) -> tomlkit.TOMLDocument:
    """The document. Raises ConfigError when the text is no TOML."""
    try:
        return tomlkit.parse(_ended(text))
    except TOMLKitError as error:
        what, at, line = str(error).rpartition(" at line ")
        said = f"{what.rstrip('.')}{at}{line.rstrip('.')}"
        raise ConfigError(f"the text is not valid TOML: {said}.", hint="Mend that line.") from error


def publishable(text: str) -> str:
    """Without the tables of the box and of kiosks, and the remarks that are theirs, for these may tell of the machine.

    A remark belongs to what it stands right above. Any other below one of these tables goes with it.
    """
    read(text)
    kept: list[Piece] = []
    for table in pieces.tables(_ended(text)):
        path = table.path
        if path and path[0] in OF_THE_BOX:
            _drop_above(kept)
            kept += _set_apart(table.below)
            continue
        for piece in table.pieces:
            if piece.kind == "key" and not path and piece.path[0] in OF_THE_BOX:
                _drop_above(kept)
            else:
                kept.append(piece)
    return pieces.joined(kept)


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

    Keys that the entry does not name stay as they are. Raises ConfigError for an inline list that nothing
    can be added to.
    """
    document = read(text)
    known = _find(document, kind, str(entry["id"]))
    listed = document.get(kind)
    if known is not None:
        _update(known, entry)
    elif isinstance(listed, Array):
        listed.append(_item({key: value for key, value in entry.items() if value is not None}))
        _still_read(document, kind)
    else:
        fresh = tomlkit.table()
        _update(fresh, entry)
        if listed is None:
            listed = tomlkit.aot()
            listed.append(fresh)
            document.append(kind, listed)
        else:
            listed.append(fresh)
    return tomlkit.dumps(document)


def without_entry(text: str, kind: Listed, entry_id: str) -> str:
    """Without the entry of that id; unchanged when there is none. Remarks that stand below it stay."""
    document = read(text)
    ids = [entry.get("id") for entry in document.get(kind, ())]
    if entry_id not in ids:
        return text
    if isinstance(document[kind], Array):
        del document[kind][ids.index(entry_id)]
        return tomlkit.dumps(document)
    kept: list[Piece] = []
    at = -1
    for table in pieces.tables(_ended(text)):
        path = table.path
        at += path == (kind,)
        if path[:1] == (kind,) and ids[at] == entry_id:
            below = list(table.below)
            while below and below[0].kind == "blank" and (not kept or kept[-1].kind == "blank"):
                del below[0]
            kept += below
        else:
            kept += table.pieces
    return pieces.joined(kept)


def with_calibration(text: str, camera: str, calibration: Mapping[str, Any]) -> str:
    """With these keys of a camera's `[camera.calibration]`, which is made where it has none. Raises ConfigError for an unknown camera."""
    document = read(text)
    known = _find(document, "camera", camera)
    if known is None:
        raise ConfigError(f"there is no camera {camera!r}.", hint="Name a [[camera]] of the file by its id.")
    tables = pieces.tables(_ended(text))
    at = _calibration_in(tables, [entry.get("id") for entry in document["camera"]].index(camera))
    if isinstance(known, InlineTable) or (tables[at].path != _CALIBRATION and "calibration" in known):
        if "calibration" not in known:
            known.append("calibration", tomlkit.inline_table())
        _update(known["calibration"], calibration)
        return tomlkit.dumps(document)
    # Its table by itself: tomlkit adds keys and tables below the remarks of whatever comes next.
    own, rest = _parted(tables[at])
    if tables[at].path == _CALIBRATION:
        above, edited = "", tomlkit.parse(pieces.joined(own))
    else:
        above, edited = pieces.joined(own), tomlkit.parse("\n[camera.calibration]\n")
    _update(cast("dict[str, Any]", edited["camera"])["calibration"], calibration)
    before, after = (
        pieces.joined([*chain(*(t.pieces for t in some))]) for some in (tables[:at], tables[at + 1 :])
    )
    return "".join((before, above, tomlkit.dumps(edited), pieces.joined(rest), after))


def _calibration_in(tables: Sequence[pieces.Table], index: int) -> int:
    """Where the `[camera.calibration]` of that `[[camera]]` stands, else that itself; the first where cameras are no tables."""
    heads = [at for at, table in enumerate(tables) if table.path == ("camera",)]
    if not heads:
        return 0
    below = range(heads[index], [*heads, len(tables)][index + 1])
    return next((at for at in below if tables[at].path == _CALIBRATION), heads[index])


def _parted(table: pieces.Table) -> tuple[Sequence[Piece], Sequence[Piece]]:
    """A table with the remarks right below it, and what stands above whatever comes next."""
    end = len(table.pieces) - len(table.below)
    while end < len(table.pieces) and table.pieces[end].kind == "remark":
        end += 1
    return table.pieces[:end], table.pieces[end:]


def _ended(text: str) -> str:
    """With an end to its last line: what is added would be added to that line."""
    return text if not text or text.endswith("\n") else text + "\n"


def _drop_above(kept: list[Piece]) -> None:
    """Drop the remarks right above what comes next."""
    while kept and kept[-1].kind == "remark":
        kept.pop()


def _set_apart(below: Sequence[Piece]) -> list[Piece]:
    """The remarks right above what comes next, where a blank line parts them from the table before."""
    apart = len(below)
    while apart and below[apart - 1].kind == "remark":
        apart -= 1
    return list(below[apart:]) if apart else []


def _find(document: tomlkit.TOMLDocument, kind: str, entry_id: str) -> Table | InlineTable | None:
    return next((entry for entry in document.get(kind, ()) if entry.get("id") == entry_id), None)


def _still_read(document: tomlkit.TOMLDocument, kind: str) -> None:
    """Raise where the list lacks a comma: tomlkit sets none between its last entry and a remark below."""
    try:
        tomlkit.parse(tomlkit.dumps(document))
    except TOMLKitError as error:
        raise ConfigError(
            f"the inline list `{kind}` has a remark after its last entry and no comma.",
            hint=f"Put a comma after that entry, or write [[{kind}]] tables.",
        ) from error


def _update(table: Any, values: Mapping[str, Any]) -> None:
    """Set what differs. A None removes its key."""
    for key, value in values.items():
        if value is None:
            if key in table:
                table.remove(key)
        elif key in table and _plain(table[key]) == _plain(value):
            continue
        elif key in table and isinstance(table[key], Array) and isinstance(value, Sequence):
            table[key] = _refilled(table[key], value)
        else:
            table[key] = _item(value)


def _refilled(array: Array, values: Sequence[Any]) -> Any:
    """With other values; rows that stay keep the remarks beside them, and those that are removed take theirs along."""
    wanted = [_plain(value) for value in values]
    fresh = [tomlkit.item(_item(value)).as_string() for value in values]
    return tomlkit.value(rows.refilled(array.as_string(), _plain(array), wanted, fresh))


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
