"""From bytes to something that can be applied: everything that can be refused is refused here. Pure.

Nothing is written before a payload has been read and validated as a whole, so a hostile one cannot
spoil the transaction it shares with others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from branchloop.errors import InputError
from branchloop.wire.arrivals import Attempt, Checkin, ConsentGiven, Walkin
from branchloop.wire.batches import BODIES, MAX_BATCH_BYTES, Batch, Dropped, Item
from branchloop.wire.commands import Reply
from branchloop.wire.messages import Flow, Heat, Notice, Window
from branchloop.wire.payload import WIRE_VERSION, Wire
from branchloop.wire.status import Status
from branchloop.wire.topics import Topic, parse
from hub.store.figures.rollup import check_plausible
from hub.store.figures.sums import GRID_KINDS

MAX_SHAPES = 4
"""Grids of one kind and so many shapes may share a batch: each costs a dense grid per level to add."""
Shape = tuple[str, int, int, int]
Body = Window | Notice | Dropped | ConsentGiven | Checkin | Walkin | Attempt


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a message cannot be applied: `cause` is one of a few, `reason` a sentence."""

    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """One message, read: `body` or `fault` is set, never both. `text` is its JSON."""

    seq: int
    kind: str
    digest: str
    text: str
    body: Body | None = None
    fault: Fault | None = None
    v: int = WIRE_VERSION


@dataclass(frozen=True, slots=True)
class Delivery:
    """One batch, read."""

    site: str
    device: str
    epoch: str
    oldest: int
    arrived_ms: int
    sent_ms: int
    """By the box's clock."""
    messages: tuple[Prepared, ...]
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One status, read."""

    site: str
    device: str
    arrived_ms: int
    status: Status


@dataclass(frozen=True, slots=True)
class Refused:
    """A payload that cannot be read; `site` and `device` are empty when the topic tells neither."""

    site: str
    device: str
    arrived_ms: int
    reason: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Replied:
    """A box's answer to a command, read."""

    site: str
    device: str
    arrived_ms: int
    reply: Reply


Work = Delivery | Report | Replied | Refused


def read_payload(topic: str, payload: bytes, arrived_ms: int, sites: Collection[str]) -> Work:
    """Read one MQTT payload; never raises."""
    try:
        place = parse(topic)
    except InputError as error:
        return Refused("", "", arrived_ms, str(error).encode(errors="replace").decode(), payload)
    try:
        return _read(place, payload, arrived_ms, sites)
    except (InputError, ValueError, RecursionError) as error:
        return Refused(place.site, place.device, arrived_ms, _sentence(error), payload)


def read_batch(site: str, device: str, batch: Batch, arrived_ms: int, sites: Collection[str]) -> Delivery:
    """Read the messages of a batch. Raises InputError when the whole of it must be refused.

    A batch of a newer version is refused, not guessed: it stays unacknowledged, so the box keeps it
    until the hub understands it.
    """
    if batch.v > WIRE_VERSION:
        raise InputError(
            f"a batch of version {batch.v} is newer than this hub's {WIRE_VERSION}.", hint="Upgrade the hub."
        )
    shapes: set[Shape] = set()
    unknown_site = None if site in sites else site
    messages = tuple(_prepare(item, unknown_site, shapes) for item in batch.items)
    return Delivery(site, device, batch.epoch, batch.oldest, arrived_ms, batch.sent_ms, messages, batch.boot)


def read_again(item: Item, site: str, sites: Collection[str]) -> Prepared:
    """A message that was put aside, as this hub reads it."""
    return _prepare(item, None if site in sites else site, set())


def event_ms(body: Body) -> int:
    """When it happened: the start of a window, the end of what was dropped."""
    match body:
        case Window():
            return body.start_ms
        case Notice() | ConsentGiven() | Checkin() | Walkin() | Attempt():
            return body.at_ms
        case Dropped():
            return body.last_ms


def _read(place: Topic, payload: bytes, arrived_ms: int, sites: Collection[str]) -> Work:
    if len(payload) > MAX_BATCH_BYTES:
        raise InputError(f"a payload of {len(payload)} bytes exceeds {MAX_BATCH_BYTES}.")
    if place.kind == "data":
        batch = Batch.model_validate_json(payload)
        return read_batch(place.site, place.device, batch, arrived_ms, sites)
    if place.kind == "status":
        if place.site not in sites:
            raise InputError(f"site {place.site!r} is not known here.", hint="Add its file to hub.sites.")
        return Report(place.site, place.device, arrived_ms, Status.model_validate_json(payload))
    if place.kind == "reply" and place.site in sites:
        return Replied(place.site, place.device, arrived_ms, Reply.model_validate_json(payload))
    raise InputError(f"this hub takes nothing on {place.kind!r}.")


def canonical(kind: str, body: dict[str, Any]) -> tuple[str, str]:
    """JSON text of a body with sorted keys, and `branchloop.wire.messages.body_digest` without encoding twice."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    whole = f"[{json.dumps(kind, ensure_ascii=False)},{text}]"
    return text, hashlib.sha256(whole.encode()).hexdigest()[:32]


def _prepare(item: Item, unknown_site: str | None, shapes: set[Shape]) -> Prepared:
    text, digest = canonical(item.kind, item.body)
    try:
        if unknown_site is not None:
            return _faulty(item, digest, text, "unknown site", f"site {unknown_site!r} is not known here.")
        if item.kind not in BODIES:
            return _faulty(item, digest, text, "unknown kind", f"kind {item.kind!r} is not known here.")
        if item.v > WIRE_VERSION:
            reason = f"{item.kind} of version {item.v} is newer than this hub's {WIRE_VERSION}."
            return _faulty(item, digest, text, "newer version", reason)
        body = BODIES[item.kind].model_validate_json(text)
        return Prepared(item.seq, item.kind, digest, text, body=_checked(body, shapes))
    except (ValidationError, InputError) as error:
        return _faulty(item, digest, text, "invalid body", _sentence(error))


def _checked(body: Wire, shapes: set[Shape]) -> Body:
    if isinstance(body, Window):
        check_plausible(body)
        for kind in GRID_KINDS:
            grid: Heat | Flow | None = getattr(body, kind)
            if grid is None:
                continue
            shape = (kind, grid.cell_mm, grid.rows, grid.cols)
            if shape not in shapes and sum(other[0] == kind for other in shapes) >= MAX_SHAPES:
                raise InputError(f"the batch holds {kind} grids of more than {MAX_SHAPES} shapes.")
            shapes.add(shape)
    if not isinstance(body, Body):
        raise InputError(f"{type(body).__name__} cannot be applied here.", hint="Upgrade the hub.")
    return body


def _faulty(item: Item, digest: str, text: str, cause: str, reason: str) -> Prepared:
    return Prepared(item.seq, item.kind, digest, text, fault=Fault(cause, reason), v=item.v)


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        text = f"{where}: {first['msg']}" if where else first["msg"]
    else:
        text = str(error)
    return text[:500].encode(errors="replace").decode()
