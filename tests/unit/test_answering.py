"""What a kiosk answers to the hub's commands: with real weights, real seals, real files."""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.keys.box import new_private, sign_box_key
from branchloop.keys.sealing import encode, fingerprint, photo_context, raw_public, seal
from branchloop.wire.commands import Command, Reply
from edge.checkin.answering import answer
from edge.checkin.vault import Vault
from edge.kiosk.protect import Protection
from edge.perceive.faces.engine import FaceEngine

NOW_MS = 1_800_000_000_000
END_MS = NOW_MS + 86_400_000
CONSENT = "c" * 32
VIDEO = Path(__file__).parents[2] / "sample_video"
PHOTOS = [path.read_bytes() for path in sorted(VIDEO.glob("kiosk-*.jpg"))]


@dataclass
class Kiosk:
    """What answering needs."""

    site: str
    device: str
    key: ec.EllipticCurvePrivateKey
    root: str | None
    vault: Vault
    protection: Protection
    engine: FaceEngine


@pytest.fixture(scope="module")
def engine() -> FaceEngine:
    return FaceEngine()


@pytest.fixture(scope="module")
def root() -> ec.EllipticCurvePrivateKey:
    return new_private()


def make(folder: Path, site: str, root: ec.EllipticCurvePrivateKey, engine: FaceEngine) -> Kiosk:
    vault = Vault(folder, secrets.token_bytes(32))
    public = encode(raw_public(root.public_key()))
    return Kiosk(site, "kiosk-1", new_private(), public, vault, Protection(vault.turn_key), engine)


@pytest.fixture
def kiosk(tmp_path: Path, root: ec.EllipticCurvePrivateKey, engine: FaceEngine) -> Iterator[Kiosk]:
    made = make(tmp_path / "north", "north", root, engine)
    yield made
    made.vault.close()


def command(what: str, body: dict[str, Any], expires_ms: int = END_MS) -> Command:
    fields = {
        "id": secrets.token_hex(16),
        "what": what,
        "at_ms": NOW_MS,
        "expires_ms": expires_ms,
        "body": body,
    }
    return Command.model_validate(fields)


def enrol(
    kiosk: Kiosk,
    photo: bytes,
    index: int = 0,
    of: int = 3,
    key: ec.EllipticCurvePrivateKey | None = None,
    **more: Any,
) -> Reply:
    raw = raw_public((key or kiosk.key).public_key())
    context = photo_context(
        site=kiosk.site, device=kiosk.device, customer="c-1", consent=CONSENT, key=fingerprint(raw),
        index=more.get("sealed_index", index), expires_ms=END_MS,
    )  # fmt: skip
    sealed = seal(raw, photo, context).model_dump(mode="json")
    body = {
        "customer": "c-1", "consent": CONSENT, "index": index, "of": of, "expires_ms": END_MS, "photo": sealed,
    }  # fmt: skip
    return answer(kiosk, command("enrol", body), more.get("now_ms", NOW_MS))


def picture(image: np.ndarray[Any, Any]) -> bytes:
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())


def test_three_photos_make_a_template_of_the_same_person(kiosk: Kiosk) -> None:
    codes = [enrol(kiosk, photo, index).code for index, photo in enumerate(PHOTOS)]
    assert codes == ["partial", "partial", "enrolled"]
    (held,) = kiosk.vault.templates(NOW_MS)
    image = cv2.imdecode(np.frombuffer(PHOTOS[0], np.uint8), cv2.IMREAD_COLOR)
    probe = kiosk.engine.embed(
        kiosk.engine.align(np.asarray(image, np.uint8), kiosk.engine.detect(np.asarray(image, np.uint8))[0])
    )
    assert float(kiosk.protection.apply(probe) @ held.vector) > 0.8
    assert float(probe @ held.vector) < 0.4  # turned: without the key of this kiosk it says nothing


def test_the_same_command_gets_the_same_answer(kiosk: Kiosk) -> None:
    asked = command("erase", {"consents": [CONSENT]})
    first = answer(kiosk, asked, NOW_MS)
    assert answer(kiosk, asked, NOW_MS + 5_000) == first
    assert (first.ok, first.code) == (True, "done")


def bomb() -> bytes:
    """A PNG whose header promises 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("what", ["empty", "bomb", "torn", "text", "nobody", "two", "dark", "small"])
def test_a_photo_that_does_not_do_is_answered_with_its_reason(kiosk: Kiosk, what: str) -> None:
    """And nothing is kept of it."""
    image = np.asarray(cv2.imdecode(np.frombuffer(PHOTOS[0], np.uint8), cv2.IMREAD_COLOR), np.uint8)
    content, codes = {
        "empty": (b"", {"bad_image"}),
        "bomb": (bomb(), {"bad_image"}),
        "torn": (PHOTOS[0][:300], {"bad_image"}),
        "text": (b"<svg/>", {"bad_image"}),
        "nobody": (picture(np.full((480, 640, 3), 128, np.uint8)), {"no_face"}),
        "two": (picture(np.hstack([image, image])), {"two_faces"}),
        "dark": (picture((image * 0.08).astype(np.uint8)), {"dark", "no_face"}),
        "small": (picture(cv2.resize(image, None, fx=0.2, fy=0.2)), {"too_small", "no_face"}),
    }[what]
    reply = enrol(kiosk, content)
    assert reply.code in codes, reply
    assert not reply.ok
    assert kiosk.vault.consents() == []


def test_what_is_sealed_to_an_old_key_or_about_something_else_is_refused(kiosk: Kiosk) -> None:
    assert enrol(kiosk, PHOTOS[0], key=new_private()).code == "old_key"
    assert enrol(kiosk, PHOTOS[0], index=1, sealed_index=0).code == "bad_seal"
    assert enrol(kiosk, PHOTOS[0], now_ms=END_MS).code == "expired"
    assert answer(kiosk, command("enrol", {"customer": 1}), NOW_MS).code == "unreadable"
    assert kiosk.vault.consents() == []


def test_a_template_moves_to_another_branch_and_matches_there(
    kiosk: Kiosk, tmp_path: Path, root: ec.EllipticCurvePrivateKey, engine: FaceEngine
) -> None:
    """Sealed from box to box: gone here once the answer is safe, turned by the other key there."""
    enrol(kiosk, PHOTOS[0], of=1)
    (before,) = kiosk.vault.templates(NOW_MS)
    south = make(tmp_path / "south", "south", root, engine)
    to = sign_box_key(root, "south", "kiosk-1", raw_public(south.key.public_key()), END_MS)
    asked = command("reseal", {"consent": CONSENT, "to": to.model_dump(mode="json")})
    first = answer(kiosk, asked, NOW_MS)
    assert (first.ok, kiosk.vault.consents()) == (True, [])
    assert answer(kiosk, asked, NOW_MS) == first
    body = {"consent": CONSENT, "customer": "c-1", "expires_ms": END_MS, "template": first.body["template"]}
    assert answer(south, command("adopt", body), NOW_MS).code == "done"
    (after,) = south.vault.templates(NOW_MS)
    assert abs(float(after.vector @ before.vector)) < 0.4
    same = south.protection.apply(kiosk.protection.undo(before.vector))
    assert float(after.vector @ same) > 0.999
    south.vault.close()


def test_nothing_is_handed_to_a_box_that_the_root_does_not_vouch_for(kiosk: Kiosk) -> None:
    enrol(kiosk, PHOTOS[0], of=1)
    raw = raw_public(new_private().public_key())
    forged = sign_box_key(new_private(), "south", "kiosk-1", raw, END_MS)
    asked = command("reseal", {"consent": CONSENT, "to": forged.model_dump(mode="json")})
    assert answer(kiosk, asked, NOW_MS).ok is False
    assert kiosk.vault.consents() == [CONSENT]
