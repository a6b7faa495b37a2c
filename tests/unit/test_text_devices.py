"""What boxes really say of cameras and sensors, told in both languages; what no rule knows says that it is in English."""

from __future__ import annotations

from dataclasses import replace

import pytest

from branchloop.share import share
from branchloop.site.site import parse_site
from branchloop.text.catalogue import LANGUAGES
from branchloop.text.devices import told
from branchloop.text.faults import UNKNOWN
from edge.floor.fusion.agreement import Agreement
from edge.perceive.faults import SAID, judged, misfit, said_moved
from edge.perceive.ultrasonic_fault import DETAILS, TOO_NEAR
from edge.perceive.viewpoint import Motion

MARK = UNKNOWN.partition("{")[0]
SITE = parse_site(share("configs/demo.toml").read_text(encoding="utf-8"))
SOUND = Agreement(("hall", "door"), 0.1, 0.1, (0.0, 0.0), 0.0, 0.95)
MOTIONS = (
    Motion(0.0875, 0, 0),
    Motion(0.0875, 0, 5),
    Motion(0.9, 0, 0),
    Motion(0.9, 0.9, 40),
    Motion(0, 0, 0, scale=1.1),
    Motion(0.9, 0.9, 0, scale=0.8),
    Motion(0, 0, 0, found=False),
)
"""Onto the floor and past it, turned, zoomed and neither, and not to be found at all."""
AGREEMENTS = (
    replace(SOUND, clock_offset_s=0.8),
    replace(SOUND, clock_offset_s=-10.0, coherent=False),
    replace(SOUND, coherent=False),
    replace(SOUND, disagreement_m=1.4),
)


@pytest.mark.parametrize(
    "said",
    [
        *SAID.values(),
        *DETAILS.values(),
        TOO_NEAR,
        *(said_moved(motion, SITE.cameras[0], SITE.plan) for motion in MOTIONS),
        *(str(agreement.fault) for agreement in AGREEMENTS),
        "no more complaint about hall and door",
        judged(None, 0).detail,
        misfit((640, 360), SITE.cameras[0]),
        "http://10.0.0.9:80/v.mjpg cannot be reached (Connection refused); check address, power and network.",
        "rtsp://10.0.0.9:554 answers but gives no video; check the path, the login and the stream's codec.",
        "rtsp://10.0.0.9:554 answers but gives no video; check the path, the login and the stream's codec, and that it gives a picture in two seconds at least.",
        "rtsp://10.0.0.9:554 sent nothing for 4 s; connecting anew.",
        "rtsp://10.0.0.9:554 ended the stream; connecting anew.",
        "no picture for 3 s",
        "no reading for 5 s",
        "no reading for 5 s; 12 lines that are no readings came: check baud rate and unit",
        "no reading for 5 s; 12 lines that are no readings came: check what the sensor sends",
        "no reading for 5 s; all that came was kept by the broker from before (retained), which is no reading of now",
        "serial:/dev/ttyUSB0: the device was unplugged, or another program reads it too",
        "its process said nothing for 5 s",
        "its process ended with code -9; starting it anew",
        "the environment variable HALL_CAMERA_LOGIN holds no login. Set HALL_CAMERA_LOGIN to user:password for this process.",
        "the clip is over",
    ],
)
def test_whatever_a_box_says_has_chinese_words(said: str) -> None:
    """By the code that says it; no number is lost on the way, and the fault's name is not said twice."""
    chinese, english = told(said, "zh"), told(said, "en")
    assert MARK not in chinese
    assert not any(word in chinese for word in ("the", "camera", "reading"))
    assert [each for each in chinese if each.isdigit()] == [each for each in english if each.isdigit()]
    assert said.endswith(english)
    assert not english.startswith(("moved:", "covered:", "blurred:", "frozen:", "looped:"))


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_a_pair_is_told_by_its_cameras_names(agreement: Agreement) -> None:
    """In both languages; a number that looks like an id stays one."""
    names = {"hall": "Main hall", "door": "Front door", "1.4": "no camera", "0.8": "no camera"}
    for said in (str(agreement.fault), "no more complaint about hall and door"):
        for spoken in LANGUAGES:
            words = told(said, spoken, names)
            assert "Main hall" in words
            assert "Front door" in words
            assert "no camera" not in words
            anonymous = words.replace("Main hall", "hall").replace("Front door", "door")
            assert anonymous == told(said, spoken)


def test_all_faults_of_a_pair_are_among_them() -> None:
    assert {agreement.wrong for agreement in AGREEMENTS} == {
        "clocks_apart",
        "cameras_apart",
        "cameras_disagree",
    }


def test_what_no_rule_knows_is_told_as_it_is() -> None:
    """An error of the system, under a line that says so."""
    said = "/dev/ttyUSB0: No such file or directory"
    assert told(said, "en") == said
    assert told(said, "zh").startswith(MARK)
    assert said in told(said, "zh")


def test_a_picture_without_detail_may_be_another_cameras() -> None:
    """A swapped camera that shows a plain wall has lost its detail too; what an older box says is told as well."""
    said = SAID["blurred"]
    assert "swapped" in told(said, "en")
    assert "互换" in told(said, "zh")
    older = "blurred: the picture has lost its detail. Clean the lens or focus it."
    assert told(older, "zh") == told(said, "zh")
