"""Pictures at the hub: who may ask for one and how often, and what is no picture to be kept."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hubworld import world

from branchloop.errors import InputError, LimitError
from branchloop.text.faults import told
from branchloop.wire.commands import Picture, Reply
from hub.store.branches.pictures import (
    AGAIN_MS,
    EXPIRES_MS,
    LEFT_OVER_MS,
    MOST_OPEN,
    WHATS,
    Pictures,
    TooSoonError,
    check_plain,
)
from hub.store.commands import Commands
from hub.store.connection import opened, prepare

PLAIN = b"\xff\xd8\xff" + b"." * 400 + b"\xff\xd9"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory, which is all that most of these need."""
    prepare(tmp_path)
    return tmp_path


def reply(command: str, image: bytes = PLAIN, **more: Any) -> Reply:
    picture = Picture(
        media="image/jpeg", image=base64.b64encode(image).decode(), made_ms=1, width_px=8, height_px=6,
        blank_share=0.0, camera_px=(80, 60),
    )  # fmt: skip
    body = {**json.loads(picture.to_json()), **more}
    return Reply(id=command, at_ms=1, ok=True, code="done", body=body)


def test_the_hub_keeps_the_newest_and_asks_seldom(folder: Path) -> None:
    """Ten minutes must pass after a picture; after a refusal it may be asked for again at once."""
    with opened(folder) as db:
        pictures = Pictures(db)
        first = pictures.ask("hall", "box", "background", "door", "mei", 1_000)
        asked = Commands(db).find(first.command)
        assert asked is not None
        refusal = Reply(id=first.command, at_ms=1, ok=False, code="camera_down", detail="no power")
        assert pictures.answered(asked, refusal, 2_000) is None
        after = pictures.asked("hall", "background", "door")
        assert after is not None
        assert (after.state, after.code, after.detail) == ("failed", "camera_down", "no power")
        second = pictures.ask("hall", "box", "background", "door", "mei", 3_000)
        assert second.command != first.command
        asked = Commands(db).find(second.command)
        assert asked is not None
        assert pictures.answered(asked, reply(second.command), 4_000) is None
        kept = pictures.find("hall", "background", "door", image=True)
        assert kept is not None
        assert kept.image == PLAIN
        with pytest.raises(TooSoonError, match="is 1 s old") as refused:
            pictures.ask("hall", "box", "background", "door", "mei", 5_000)
        assert told(str(refused.value), "zh") == "现有画面才 1 秒；请在 600 秒后再次请求"
        assert refused.value.retry_s == 600
        assert pictures.ask("hall", "box", "background", "door", "mei", 4_000 + AGAIN_MS).state == "open"
        pictures.forget_others("hall", ["window"], 5_000 + AGAIN_MS)
        assert not Commands(db).open_of("hall", WHATS, 5_000 + AGAIN_MS)
        assert pictures.find("hall", "background", "door") is None


def test_a_branch_has_a_bounded_number_of_open_requests(folder: Path) -> None:
    """One more is refused with when to ask again; another branch is not held up; what expired makes room."""
    with opened(folder) as db:
        pictures = Pictures(db)
        for index in range(MOST_OPEN):
            pictures.ask("hall", "box", "background", f"c{index}", "mei", 1_000 + index)
        with pytest.raises(LimitError, match=f"{MOST_OPEN} pictures") as refused:
            pictures.ask("hall", "box", "birdseye", "", "mei", 2_000)
        assert refused.value.http_status == 429
        assert refused.value.retry_s == (EXPIRES_MS - 1_000) // 1000 + 1
        assert f"{refused.value.retry_s} s" in refused.value.hint
        assert told(str(refused.value), "zh").startswith(f"本网点有 {MOST_OPEN} 幅画面")
        first = pictures.ask("hall", "box", "background", "c0", "mei", 2_000)  # it is open: no new one
        assert first.at_ms == 1_000
        assert pictures.ask("shop", "box", "birdseye", "", "mei", 2_000).state == "open"
        after_ms = 1_000 + EXPIRES_MS  # the first has just ended; nobody told of it yet
        again = pictures.ask("hall", "box", "background", "c0", "mei", after_ms)
        assert (again.state, again.command == first.command) == ("open", False)
        much_later_ms = after_ms + EXPIRES_MS + LEFT_OVER_MS + 1
        pictures.ask("hall", "box", "birdseye", "", "mei", much_later_ms)
        after = pictures.asked("hall", "background", "c5")
        assert after is not None
        assert after.state == "expired"
        states = db.execute("SELECT state, count(*) FROM command WHERE site='hall' GROUP BY state")
        assert dict(states.fetchall()) == {"expired": MOST_OPEN + 1, "open": 1}


@pytest.mark.parametrize(
    "spoiled",
    [
        {"image": PLAIN[:-2] + b"\x00\x00"},
        {"image": PLAIN[:10] + b"Exif\x00\x00" + PLAIN[10:]},
        {"image": PLAIN, "media": "image/webp"},
        {"image": PLAIN, "width_px": "wide"},
        {"image": b"<svg onload=alert(1)>"},
    ],
)
def test_what_is_no_plain_picture_is_not_kept(folder: Path, spoiled: dict[str, Any]) -> None:
    """Metadata, another kind than was asked for, rubbish: the request fails, nothing is shown."""
    with opened(folder) as db:
        pictures = Pictures(db)
        command = pictures.ask("hall", "box", "background", "door", "mei", 1_000).command
        asked = Commands(db).find(command)
        assert asked is not None
        assert pictures.answered(asked, reply(command, **spoiled), 2_000) is not None
        assert pictures.find("hall", "background", "door") is None
        after = pictures.asked("hall", "background", "door")
        assert after is not None
        assert (after.state, after.code) == ("failed", "bad_picture")


def test_a_webp_with_metadata_is_refused() -> None:
    """The bird's-eye picture is looked at as well."""
    check_plain("image/webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ....")
    with pytest.raises(InputError, match="not a plain"):
        check_plain("image/webp", b"RIFF\x00\x00\x00\x00WEBPVP8X....EXIF")


def test_a_branch_without_box_and_a_camera_that_is_not_there_are_told(tmp_path: Path) -> None:
    """404 with the reason, for those who may ask; staff may not."""
    with world(tmp_path) as hub:
        headers = hub.token("manager", "hall")
        base = f"{hub.api}/api/v1/branches/hall"
        answer = httpx.post(f"{base}/birdseye", headers=headers)
        assert (answer.status_code, "no box" in answer.json()["detail"]) == (404, True)
        said = told(f"{answer.json()['detail']} {answer.json()['hint']}", "zh")
        assert said.startswith("中心不知道本网点的盒子")
        answer = httpx.post(f"{base}/cameras/attic/background", headers=headers)
        assert (answer.status_code, "no camera" in answer.json()["detail"]) == (404, True)
        assert httpx.get(f"{base}/pictures", headers=hub.token("staff", "hall")).status_code == 403
        assert httpx.get(f"{base}/pictures", headers=headers).json()["items"][0]["asked"] is None
