"""What a kiosk does when the hub asks: make a template, erase, hand over, take over. The same answer again.

A photo is decrypted, embedded and dropped within one call; what is kept is a template under its own key.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from branchloop.errors import BranchloopError, InputError
from branchloop.keys.box import verify_box_key
from branchloop.keys.sealing import (
    decode,
    fingerprint,
    photo_context,
    raw_public,
    seal,
    template_context,
    unseal,
)
from branchloop.wire.commands import COMMANDS, Adopt, Command, Enrol, Erase, Reply, Reseal
from edge.checkin.vault import Vault
from edge.kiosk.protect import Protection
from edge.kiosk.threshold import template
from edge.perceive.faces.decode import decode_photo
from edge.perceive.faces.engine import FaceEngine
from edge.perceive.faces.quality import judge, largest

REPLIES_MS = 400 * 86_400_000
_FAULTS = {
    "too_far": "too_small", "turned_away": "turned", "occluded": "covered", "bright": "dark",
    "too_close": "ok", "off_centre": "ok",
}  # fmt: skip
_LOG = logging.getLogger(__name__)


class Ready(Protocol):
    """What answering needs of the kiosk."""

    site: str
    device: str
    key: ec.EllipticCurvePrivateKey
    root: str | None
    vault: Vault
    protection: Protection
    engine: FaceEngine


def answer(kiosk: Ready, command: Command, now_ms: int) -> Reply:
    """Carry out a command, or say again what became of it."""
    before = kiosk.vault.reply(command.id)
    if before is not None:
        made = Reply.model_validate_json(before)
    else:
        code, body = _carry_out(kiosk, command, now_ms)
        ok = code in {"done", "partial", "enrolled"}
        made = Reply(id=command.id, at_ms=now_ms, ok=ok, code=code, body=body)
        kiosk.vault.answered(command.id, made.to_json(), now_ms + REPLIES_MS)
    if command.what == "reseal" and made.ok:  # only once the sealed one is safe in the answer
        kiosk.vault.erase([str(command.body.get("consent"))])
    return made


def _carry_out(kiosk: Ready, command: Command, now_ms: int) -> tuple[str, dict[str, Any]]:
    if now_ms >= command.expires_ms:
        return "expired", {}
    try:
        asked = COMMANDS[command.what].model_validate(dict(command.body))
        match asked:
            case Enrol():
                return _enrol(kiosk, asked, now_ms), {}
            case Erase():
                kiosk.vault.erase(asked.consents)
                return "done", {}
            case Reseal():
                return _reseal(kiosk, asked, now_ms)
            case Adopt():
                return _adopt(kiosk, asked), {}
            case _:
                return "unknown", {}
    except ValidationError:
        return "unreadable", {}
    except InputError as error:
        _LOG.warning("a command was refused: %s", error)
        return ("old_key" if "another key" in error.message else "bad_seal"), {}


def _enrol(kiosk: Ready, asked: Enrol, now_ms: int) -> str:
    if now_ms >= asked.expires_ms:
        return "expired"
    raw = raw_public(kiosk.key.public_key())
    context = photo_context(
        site=kiosk.site, device=kiosk.device, customer=asked.customer, consent=asked.consent,
        key=fingerprint(raw), index=asked.index, expires_ms=asked.expires_ms,
    )  # fmt: skip
    content = unseal(kiosk.key, asked.photo, context)
    try:
        image = decode_photo(content)
    except BranchloopError:
        return "bad_image"
    faces = kiosk.engine.detect(image)
    aligned = kiosk.engine.align(image, largest(faces)) if faces else None
    verdict = judge(image, faces, aligned)
    fault = _FAULTS.get(verdict, verdict)
    if aligned is None or fault != "ok":
        return fault
    vector = kiosk.protection.apply(kiosk.engine.embed(aligned))
    if kiosk.vault.keep_part(asked.consent, asked.index, vector, asked.expires_ms) < asked.of:
        return "partial"
    kiosk.vault.keep(asked.consent, template(kiosk.vault.parts(asked.consent)), asked.expires_ms)
    return "enrolled"


def _reseal(kiosk: Ready, asked: Reseal, now_ms: int) -> tuple[str, dict[str, Any]]:
    if kiosk.root is None:
        return "no_root", {}
    raw = verify_box_key(decode(kiosk.root), asked.to, now_ms)
    held = next((each for each in kiosk.vault.templates(now_ms) if each.consent == asked.consent), None)
    if held is None:
        return "unknown", {}
    plain = kiosk.protection.undo(held.vector).astype(np.float32).tobytes()
    context = template_context(
        site=asked.to.site, device=asked.to.device, consent=asked.consent, key=fingerprint(raw)
    )
    return "done", {"template": seal(raw, plain, context).model_dump(mode="json")}


def _adopt(kiosk: Ready, asked: Adopt) -> str:
    context = template_context(
        site=kiosk.site, device=kiosk.device, consent=asked.consent,
        key=fingerprint(raw_public(kiosk.key.public_key())),
    )  # fmt: skip
    vector = np.frombuffer(unseal(kiosk.key, asked.template, context), np.float32)
    if vector.shape != (128,) or not np.isfinite(vector).all():
        return "bad_image"
    kiosk.vault.keep(asked.consent, kiosk.protection.apply(vector), asked.expires_ms)
    return "done"
