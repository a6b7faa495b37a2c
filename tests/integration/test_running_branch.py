"""A running box and its hub over a real broker, with the demo's camera: pictures asked for, configurations taken over."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import psutil
import pytest
from brokers import until
from test_hub_run import Hub, hub as hub_running
from unseen import nobody_in

from branchloop.share import share
from branchloop.site import editing
from edge.perceive.backdrop import SCORE_FLOOR, unpacked
from edge.perceive.people import load_detector
from hub.config.hub import read_config
from hub.store.branches.configurations import Configurations
from hub.store.connection import opened

TAKEOVER_S = 40.0
LINE = {"id": "new-line", "from": [9.0, 6.0], "to": [9.0, 12.0], "inside": [7.0, 9.0]}


@dataclass
class Branch:
    """A hub and its one branch's box, both running."""

    hub: Hub
    site: Path
    api: str
    token: str
    box: subprocess.Popen[bytes] = field(init=False)
    before: int = field(init=False)
    """The last message of the box before it began."""

    @property
    def folder(self) -> Path:
        return self.hub.config.parent

    def begin(self) -> None:
        """Start the box."""
        with sqlite3.connect(self.folder / "data" / "hub.db") as db:
            (self.before,) = db.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()
        with (self.folder / "box.log").open("ab") as log:
            self.box = subprocess.Popen(
                [sys.executable, "-m", "edge.main", "run", str(self.site)], stdout=log, stderr=log
            )

    def end(self) -> None:
        """Stop the box."""
        self.box.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.box.wait(20)
        self.box.kill()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return httpx.request(
            method, f"{self.api}/api/v1/branches/plaza{path}", json=body, timeout=20,
            headers={"Authorization": f"Bearer {self.token}"},
        )  # fmt: skip

    def configuration(self) -> dict[str, Any]:
        told: dict[str, Any] = self.ask("GET", "/configuration").json()
        return told

    def runs(self, version: int) -> bool:
        told = self.configuration()["reported"]
        return told is not None and told["version"] == version

    def save(self, text: str, base: int) -> httpx.Response:
        return self.ask("POST", "/configuration", {"text": text, "base": base, "publish": True})

    def windows(self) -> list[dict[str, Any]]:
        """Since the box began: the slot in which it was stopped and started has one of each run."""
        with sqlite3.connect(self.folder / "data" / "hub.db") as db:
            rows = db.execute(
                "SELECT body FROM message WHERE kind='window' AND id > ? ORDER BY event_ms", (self.before,)
            ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def camera(self, camera: str) -> psutil.Process:
        children = psutil.Process(self.core().pid).children()
        return next(p for p in children if "edge.perceive.watch" in p.cmdline() and camera in p.cmdline())

    def core(self) -> psutil.Process:
        return next(p for p in psutil.Process(self.box.pid).children() if "core" in p.cmdline())


@pytest.fixture(scope="module")
def branch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branch]:
    """The demo's branch without its kiosk, seen by two cameras: real footage, real broker, hub and box."""
    folder = tmp_path_factory.mktemp("desired")
    shutil.copytree(share("sample_video"), folder / "sample_video")
    (folder / "configs").mkdir()
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    site = folder / "configs" / "demo.toml"
    start, end = text.index("# A check-in kiosk."), text.index("[box]")
    hall = text[text.index("[[camera]]") : text.index("[[line]]")]
    back = hall.replace('id = "hall"', 'id = "back"').replace("analysed_fps = 7.0", "analysed_fps = 2.0")
    text = text[:start] + text[end:]
    site.write_text(text.replace("[[line]]", f"{back}[[line]]", 1), encoding="utf-8")
    config = folder / "hub.toml"
    config.write_text(
        '[hub]\ndata_dir = "data"\nlisten = "127.0.0.1:0"\nbroker_listen = "127.0.0.1:0"\n'
        'sites = ["configs/demo.toml"]\n[rollout]\nrings = [["plaza"]]\n',
        encoding="utf-8",
    )
    with hub_running(config) as hub:
        ready = hub.ready()
        assert ready is not None
        site.write_text(
            site.read_text(encoding="utf-8")
            .replace("mqtt://127.0.0.1:1883", ready["broker"])
            .replace('"data/box-1"', '"../box"')
            .replace('"data/hub/', '"../data/'),
            encoding="utf-8",
        )
        made = subprocess.run(
            [sys.executable, "-m", "hub.main", "token", str(config), "office", "--role", "head_office", "--json"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        running = Branch(hub, site, ready["api"], json.loads(made.stdout)["token"])
        running.begin()
        try:
            until(lambda: len(running.windows()) >= 1 and running.runs(1), "a first window", wait_s=60)
            yield running
        finally:
            running.end()


def test_a_background_and_the_birdseye_picture_reach_the_hub(branch: Branch) -> None:
    """Asked for by POST, made by the box from real footage with people in it, and nobody is in what arrives.

    Both are asked for at once: the hall's camera looks once for both. The box is away then, and makes them when it is back.
    """
    there = "/cameras/hall/background"
    assert branch.ask("GET", there).status_code == 404
    assert branch.configuration()["device"]["online"]
    branch.end()
    until(lambda: not branch.configuration()["device"]["online"], "it is gone", wait_s=30)
    asked = branch.ask("POST", f"{there}?within_s=90")
    assert (asked.status_code, asked.json()["state"]) == (202, "open")
    again = branch.ask("POST", there)
    assert again.json()["command"] == asked.json()["command"], "what is under way is not asked for twice"
    assert branch.ask("POST", "/birdseye?within_s=150").json()["state"] == "open"
    branch.begin()
    until(lambda: shown(branch, "background")["asked"]["state"] != "open", "an answer", wait_s=95)
    about = shown(branch, "background")
    assert about["asked"]["state"] == "done", about["asked"]["detail"] or about["asked"]["code"]
    assert about["camera_px"] == [768, 576]
    answer = branch.ask("GET", there)
    assert answer.headers["content-type"] == "image/jpeg"
    assert len(answer.content) <= 300_000
    assert answer.headers["x-camera-px"] == "768x576"
    picture = unpacked(answer.content)
    assert picture.shape == (576, 768, 3)
    nobody_in(picture, load_detector("nanodet", score_floor=SCORE_FLOOR))
    again = branch.ask("POST", there)
    assert again.status_code == 429
    assert 0 < int(again.headers["Retry-After"]) <= 600

    until(lambda: shown(branch, "birdseye")["asked"]["state"] != "open", "an answer", wait_s=155)
    about = shown(branch, "birdseye")
    assert about["asked"]["state"] == "done", about["asked"]["detail"] or about["asked"]["code"]
    assert about["bounds_m"] == [0, 0, 22.5, 25]
    floor = branch.ask("GET", "/birdseye")
    assert floor.headers["content-type"] == "image/webp"
    image = cv2.imdecode(np.frombuffer(floor.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.shape == (about["height_px"], about["width_px"], 4)
    with sqlite3.connect(branch.folder / "data" / "audit.db") as db:
        lines = [
            row[0] for row in db.execute("SELECT detail FROM audit WHERE action='read picture' ORDER BY seq")
        ]
    assert lines.count("background of hall: ask for it") == 3
    assert "background of hall" in lines
    assert "bird's-eye picture" in lines


def shown(branch: Branch, what: str) -> dict[str, Any]:
    items: list[dict[str, Any]] = branch.ask("GET", "/pictures").json()["items"]
    return next(item for item in items if item["what"] == what)


def test_a_box_takes_over_without_losing_a_window(branch: Branch) -> None:
    """A line more, a camera's rate and a sensor's threshold: windows follow on without a hole, each of one version; the API shows it.

    Only the camera that changed is started anew.
    """
    now = branch.configuration()
    hall, back = branch.camera("hall"), branch.camera("back")
    text = editing.with_entry(now["text"], "line", LINE)
    text = text.replace("analysed_fps = 2.0", "analysed_fps = 3.0")
    text = text.replace("present_below_m = 2.2", "present_below_m = 2.5")
    answer = branch.save(text, now["version"])
    assert answer.status_code == 201, answer.text
    assert answer.json()["wanted"]["version"] == 2
    assert answer.json()["wanted"]["ring"] == 0
    until(lambda: branch.runs(2), "the box runs version 2", wait_s=TAKEOVER_S)
    told = branch.configuration()["reported"]
    assert told["known"] is True
    assert branch.configuration()["differs"] is None
    assert told["refused"] is None
    until(lambda: branch.windows()[-1]["config_version"] == 2, "a window of version 2", wait_s=TAKEOVER_S)
    windows = branch.windows()
    assert all(b["start_ms"] - a["start_ms"] == 5_000 for a, b in itertools.pairwise(windows))
    versions = [window["config_version"] for window in windows]
    assert versions == sorted(versions)
    seen = [window["cameras"][0]["frames"] > 0 and window["sensors"][0]["readings"] > 0 for window in windows]
    for window in windows[1:]:
        assert ("new-line" in {line["line"] for line in window["lines"]}) == (window["config_version"] == 2)
    assert versions[seen.index(True)] == 1
    assert all(seen[seen.index(True) :])  # they went on: their own settings did not change
    assert hall.is_running()
    assert not back.is_running()
    assert branch.camera("back").is_running()
    assert "new-line" in {line["id"] for line in branch.ask("GET", "").json()["lines"]}


def test_a_bad_one_is_refused_and_the_old_one_goes_on(branch: Branch) -> None:
    """The API refuses what it can see; what reaches the box nevertheless is refused there, with its reason."""
    now = branch.configuration()
    bad = now["text"].replace('source = "../sample_video/plaza.mp4"', 'source = "/etc/passwd"')
    checked = branch.ask("POST", "/configuration/check", {"text": bad}).json()
    assert checked["ok"] is False
    assert "source" in checked["faults"][0]["message"]
    assert branch.save(bad, now["version"]).status_code == 422
    assert branch.save(now["text"], now["version"] - 1).status_code == 409
    two = branch.ask(
        "POST",
        "/configuration/check",
        {"text": now["text"].replace("width_m = 22.5", "width_m = 5.0\nwidht_m = 4")},
    ).json()
    assert "plan.widht_m" in {fault["key"] for fault in two["faults"]}
    settings = read_config(branch.hub.config)
    with opened(settings.data_dir) as db:  # as a hub would that checks nothing
        saved = Configurations(db).save(
            "plaza", bad, above=1, base=now["version"], author="test", note="", ring=0, now_ms=1
        )
        Configurations(db).publish(saved, 1)
    until(lambda: branch.configuration()["reported"]["refused"], "the refusal", wait_s=20)
    told = branch.configuration()["reported"]
    assert (told["version"], told["refused"]["version"]) == (now["version"], saved.version)
    assert told["refused"]["code"] == "wiring_changed"
    count = len(branch.windows())
    until(lambda: len(branch.windows()) > count, "counting goes on", wait_s=20)
    assert branch.windows()[-1]["config_version"] == now["version"]


def test_a_box_that_is_killed_while_taking_over_comes_back_with_the_new_one(branch: Branch) -> None:
    """`kill -9` after it was kept and before the border: the next core runs the new one, whole."""
    now = branch.configuration()
    text = editing.without_entry(_text(branch, 2), "line", "new-line")
    answer = branch.save(text, now["version"])
    assert answer.status_code == 201, answer.text
    version = answer.json()["wanted"]["version"]
    kept = branch.folder / "box" / "desired.json"
    until(lambda: json.loads(kept.read_text())["version"] == version, "it is kept", wait_s=20)
    core = branch.core()
    os.kill(core.pid, signal.SIGKILL)
    until(lambda: branch.runs(version), "the new core runs it", wait_s=TAKEOVER_S)
    until(lambda: branch.windows()[-1]["config_version"] == version, "a window of it", wait_s=TAKEOVER_S)
    windows = branch.windows()
    starts = [window["start_ms"] for window in windows]
    assert starts == sorted(set(starts))
    assert "new-line" not in {line["line"] for line in windows[-1]["lines"]}
    assert branch.configuration()["reported"]["refused"] is None


def test_rolling_back_is_a_new_version(branch: Branch) -> None:
    """From the command line: the text of version 2 comes back under a higher number; an old publish is refused."""
    before = branch.configuration()["version"]
    done = subprocess.run(
        [sys.executable, "-m", "hub.main", "desired", "rollback", str(branch.hub.config), "plaza", "2", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    version = json.loads(done.stdout)["version"]
    assert version > before
    assert branch.ask("POST", "/configuration/2/publish").status_code == 409
    listed = subprocess.run(
        [sys.executable, "-m", "hub.main", "desired", "list", str(branch.hub.config), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(listed.stdout)["plaza"]
    assert (told["ring"], told["saved"], told["published"]) == (0, version, version)
    assert branch.configuration()["text"] == editing.with_version(_text(branch, 2), version)


def _text(branch: Branch, version: int) -> str:
    with sqlite3.connect(branch.folder / "data" / "hub.db") as db:
        return str(
            db.execute(
                "SELECT text FROM configuration WHERE site='plaza' AND version=?", (version,)
            ).fetchone()[0]
        )
