"""Pictures without people: asked of a branch's box, and the newest of each kept.

Works inside whatever transaction the connection is in. What a box sends is looked at before it is kept: it
must be what was asked for, of the size that was agreed, and hold nothing but the picture.
"""

from __future__ import annotations

import base64
import binascii
import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ValidationError

from branchloop.errors import InputError, LimitError
from branchloop.wire.commands import MAX_PICTURE_BYTES, Picture, Reply
from hub.store.commands import Asked, Commands

What = Literal["background", "birdseye"]
WHATS: tuple[What, ...] = ("background", "birdseye")
State = Literal["open", "done", "failed", "expired"]
AGAIN_MS = 600_000
"""A picture is renewed at most this often."""
EXPIRES_MS = 600_000
MOST_OPEN = 16
"""Of one branch at once; a box takes one after the other."""
LEFT_OVER_MS = 60_000
"""So long after its end ingest has told of a request; by then it is away, and whoever asks ends it."""
_MEDIA = {"background": "image/jpeg", "birdseye": "image/webp"}


class TooSoonError(LimitError):
    """The picture that is there is young enough."""

    kind: ClassVar[str] = "too-soon"


@dataclass(frozen=True, slots=True)
class Request:
    """The newest request for a picture, and what became of it."""

    what: What
    camera: str
    command: str
    actor: str
    at_ms: int
    state: State
    answered_ms: int | None
    code: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """One picture: `about` is its description; its bytes are `image`, empty where only the former was read."""

    what: What
    camera: str
    arrived_ms: int
    about: Picture
    image: bytes


class Pictures:
    """The pictures of all branches, over a connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def ask(
        self, site: str, device: str, what: What, camera: str, actor: str, now_ms: int,
        within_ms: int = EXPIRES_MS,
    ) -> Request:  # fmt: skip
        """Queue the command, or return the request that is still open. It expires after `within_ms`.

        Raises TooSoonError when there is a picture younger than ten minutes, LimitError when many others
        of the branch are open.
        """
        commands = Commands(self._db)
        for left in commands.open_of(site, WHATS, now_ms - LEFT_OVER_MS, over=True):
            commands.settle(left.id, "expired", "expired", now_ms)
            self.expire(left, now_ms)
        waiting = commands.open_of(site, WHATS, now_ms)
        before = self.asked(site, what, camera)
        if before is not None and any(each.id == before.command for each in waiting):
            return before
        kept = self.find(site, what, camera)
        if kept is not None and now_ms - kept.arrived_ms < AGAIN_MS:
            wait_s = (AGAIN_MS - (now_ms - kept.arrived_ms)) // 1000 + 1
            raise TooSoonError(
                f"the picture is {(now_ms - kept.arrived_ms) // 1000} s old.",
                hint=f"Ask again in {wait_s} s.",
                retry_s=wait_s,
            )
        if len(waiting) >= MOST_OPEN:
            soonest_s = (min(each.expires_ms for each in waiting) - now_ms) // 1000 + 1
            raise LimitError(
                f"{len(waiting)} pictures of this branch are asked for and not answered yet.",
                hint=f"Wait for them, or ask again in {soonest_s} s.",
                retry_s=soonest_s,
            )
        command = commands.add(
            site, device, what, {"camera": camera} if camera else {},
            consent="", customer="", now_ms=now_ms, expires_ms=now_ms + within_ms,
        )  # fmt: skip
        self._db.execute(
            "INSERT OR REPLACE INTO picture_asked (site, what, camera, command, actor, at_ms, state) "
            "VALUES (?,?,?,?,?,?,'open')",
            (site, what, camera, command, actor, now_ms),
        )
        return Request(what, camera, command, actor, now_ms, "open", None, None, None)

    def answered(self, asked: Asked, reply: Reply, now_ms: int) -> str | None:
        """Take a box's answer, once; a sentence when it is not what was asked for."""
        if asked.state != "open":
            return None
        fault = None
        if reply.ok:
            try:
                self._keep(asked, reply, now_ms)
            except InputError as error:
                fault = str(error)
        done = reply.ok and fault is None
        code = "bad_picture" if fault is not None else reply.code
        Commands(self._db).settle(asked.id, "done" if done else "failed", code, now_ms)
        self._settle(asked.id, "done" if done else "failed", code, fault or reply.detail, now_ms)
        return fault

    def expire(self, asked: Asked, now_ms: int) -> None:
        """The box did not answer in time."""
        self._settle(asked.id, "expired", "expired", None, now_ms)

    def asked(self, site: str, what: What, camera: str) -> Request | None:
        """The newest request."""
        row = self._db.execute(
            "SELECT what, camera, command, actor, at_ms, state, answered_ms, code, detail FROM picture_asked "
            "WHERE site=? AND what=? AND camera=?",
            (site, what, camera),
        ).fetchone()
        return Request(*row) if row else None

    def find(self, site: str, what: What, camera: str, *, image: bool = False) -> Kept | None:
        """The newest picture, its bytes only when asked for."""
        row = self._db.execute(
            f"SELECT what, camera, arrived_ms, about, {'image' if image else 'NULL'} FROM picture "
            "WHERE site=? AND what=? AND camera=?",
            (site, what, camera),
        ).fetchone()
        if row is None:
            return None
        return Kept(row[0], row[1], row[2], Picture.model_validate_json(row[3]), bytes(row[4] or b""))

    def forget_others(self, site: str, cameras: Collection[str], now_ms: int) -> None:
        """Delete pictures of cameras that a branch no longer has, and ask for none of them any more."""
        commands = Commands(self._db)
        for camera, command in self._db.execute(
            "SELECT camera, command FROM picture_asked WHERE site=? AND state='open'", (site,)
        ).fetchall():
            if camera and camera not in cameras:
                commands.settle(command, "cancelled", "cancelled", now_ms)
        for table in ("picture", "picture_asked"):
            for (camera,) in self._db.execute(f"SELECT camera FROM {table} WHERE site=?", (site,)).fetchall():
                if camera and camera not in cameras:
                    self._db.execute(f"DELETE FROM {table} WHERE site=? AND camera=?", (site, camera))

    def _keep(self, asked: Asked, reply: Reply, now_ms: int) -> None:
        try:
            about = Picture.model_validate_json(json.dumps(reply.body))
            image = base64.b64decode(about.image, validate=True)
        except (ValidationError, binascii.Error, ValueError) as error:
            raise InputError("its picture cannot be read.") from error
        if about.media != _MEDIA[asked.what]:
            raise InputError(f"it sent {about.media} for `{asked.what}`.")
        check_plain(about.media, image)
        camera = str(asked.body.get("camera", ""))
        text = about.model_copy(update={"image": "AAAA"}).to_json()  # the bytes are kept apart
        self._db.execute(
            "INSERT OR REPLACE INTO picture (site, what, camera, command, arrived_ms, image, about) "
            "VALUES (?,?,?,?,?,?,?)",
            (asked.site, asked.what, camera, asked.id, now_ms, image, text),
        )

    def _settle(self, command: str, state: State, code: str, detail: str | None, now_ms: int) -> None:
        self._db.execute(
            "UPDATE picture_asked SET state=?, answered_ms=?, code=?, detail=? WHERE command=?",
            (state, now_ms, code, None if detail is None else detail[:300], command),
        )


def check_plain(media: str, image: bytes) -> None:
    """Raise InputError unless these bytes are one picture of that kind, without metadata, and small enough."""
    if len(image) > MAX_PICTURE_BYTES:
        raise InputError(f"its picture has {len(image)} bytes, more than {MAX_PICTURE_BYTES}.")
    if media == "image/jpeg":
        plain = image[:3] == b"\xff\xd8\xff" and image[-2:] == b"\xff\xd9" and b"Exif\x00" not in image
    else:
        plain = image[:4] == b"RIFF" and image[8:12] == b"WEBP" and b"EXIF" not in image
    if not plain:
        raise InputError(f"its picture is not a plain {media}.")
