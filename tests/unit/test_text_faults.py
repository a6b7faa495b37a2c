"""Faults as they are really judged, told in Chinese; what no rule knows says that it is in English."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from branchloop.config import Fault, find_faults
from branchloop.errors import ConfigError
from branchloop.share import share
from branchloop.site.editing import publishable
from branchloop.site.site import Site, parse_site
from branchloop.text.catalogue import LANGUAGES
from branchloop.text.faults import UNKNOWN, sentence, told
from branchloop.wire.desired import RefusedError, judge, make, marks_fault
from dashboard.setup import work as setup_work

OWN = share("configs/demo.toml").read_text(encoding="utf-8")
TEXT = publishable(OWN)
MARK = UNKNOWN.partition("{")[0]
TWO_ON_ONE_PORT = "".join(
    f'\n[[sensor]]\nid = "s{i}"\nsource = "udp:10.0.0.9:5005"\nx_m = 1\ny_m = 1\nheight_m = 3\n'
    for i in (1, 2)
)


def swap(old: str, new: str) -> Callable[[str], str]:
    def turn(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return turn


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (swap("width_m = 22.5", "widht_m = 22.5"), "是否应为 `width_m`"),
        (swap("width_m = 22.5", "width_m = -1"), "应大于 0"),
        (swap("width_m = 22.5", 'width_m = "wide"'), "应为数字"),
        (swap("width_m = 22.5", "width_m = 2.0"), "平面图之外"),
        (swap('id = "plaza"', 'id = "Plaza Nord"'), "编号为 1 至 32 个"),
        (swap("Asia/Shanghai", "Asia/Atlantis"), "不是时区"),
        (swap('kind = "waiting"', 'kind = "quay"'), "应为下列之一"),
        (swap('id = "hall"', 'id = "hall"\nnaem = 3'), "未知的键"),
        (swap("source = ", "sauce = "), "缺少此项"),
        (swap('source = "../sample_video/plaza.mp4"', 'source = "rtsps://camera/1"'), "不是摄像头来源"),
        (
            swap('source = "../sample_video/plaza.mp4"', 'source = "http://10.0.0.9/v?pwd=x"'),
            "credential_env",
        ),
        (
            swap('source = "../sample_video/plaza.mp4"', 'source = "http://10.0.0.9/v?pwd={password}"'),
            "{user}",
        ),
        (
            swap('source = "../sample_video/plaza.mp4"', 'source = "usb:0"\ncredential_env = "X"'),
            "不需要登录",
        ),
        (swap("log:../sample_video/ultrasonic.csv", "udp:127.0.0.1:0"), "端口应为 1 至 65535"),
        (swap("log:../sample_video/ultrasonic.csv", "mqtt:10.0.0.9:1883/floor/#"), "通配符 #"),
        (lambda text: text + TWO_ON_ONE_PORT, "都使用 udp port 5005"),
        (swap("[plan]", "[plan"), "不是有效的 TOML"),
        (
            swap("[plan]", '[box]\nid = "box"\nbroker = "127.0.0.1"\ndata_dir = "data"\n[plan]'),
            "例如 mqtts://hub.example.bank:8883",
        ),
    ],
)
def test_faults_of_a_text(turn: Callable[[str], str], words: str) -> None:
    """By the model and the validators themselves; every one of them has Chinese words."""
    found = [told(fault.message, "zh") for fault in find_faults(turn(TEXT), Site)]
    assert any(words in each for each in found), found
    assert not [each for each in found if each.startswith(MARK)]


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ([(0, 0, 0, 0), (100, 0, 1, 0), (100, 100, 1, 1), (9_000, 100, 0, 1)], "画面之外"),
        ([(0, 0, 0, 0), (0, 0, 1, 0), (100, 100, 1, 1), (0, 100, 0, 1)], "画面中位置相同"),
        ([(0, 0, 0, 0), (100, 0, 0, 0), (100, 100, 1, 1), (0, 100, 0, 1)], "地面上位置相同"),
        ([(0, 0, 90, 90), (100, 0, 91, 90), (100, 100, 91, 91), (0, 100, 90, 91)], "自平面图左上角起量"),
        ([(0, 0, 0, 0), (100, 0, 60, 0), (100, 100, 60, 40), (0, 100, 0, 40)], "误按英尺"),
        ([(0, 0, 0, 0), (700, 0, 2000, 0), (700, 500, 2000, 1000), (0, 500, 0, 1000)], "误按厘米"),
    ],
)
def test_faults_of_marks(marks: list[tuple[float, ...]], words: str) -> None:
    site = parse_site(TEXT)
    camera = site.cameras[0]
    moved = camera.calibration.model_copy(update={"points": marks})
    wrong = marks_fault(camera.model_copy(update={"calibration": moved}), site.plan)
    assert wrong is not None
    assert words in told(" ".join(wrong), "zh")
    assert told(" ".join(wrong), "en") == " ".join(wrong)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (swap('id = "plaza"', 'id = "plazza"'), "而本网点为"),
        (swap("Asia/Shanghai", "Asia/Tokyo"), "日界不可移动"),
        (swap("[768, 576]", "[1280, 720]"), "1280 × 720"),
        (swap("plaza.mp4", "other.mp4"), "与盒子自身的文件不同"),
        (swap('id = "hall"', 'id = "attic"'), "没有摄像头 'attic'"),
    ],
)
def test_refusals_of_the_box(turn: Callable[[str], str], words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        judge(make(turn(TEXT), "plaza", 2, 0, 1), OWN)
    assert words in told(str(refused.value), "zh")


def test_what_no_rule_knows_is_told_whole() -> None:
    """And braces in it harm nothing."""
    assert told("something {new} happened", "zh") == f"{MARK}something {{new}} happened"
    assert (
        told("two lines are called '{x}'; every id must be used once", "zh")
        == "有两个计数线名为 '{x}'；每个编号只能使用一次"
    )
    assert told("two lines are called '{x}'; every id must be used once", "en").startswith("two")
    assert "IndexError: {0}" in told(
        "the core ended 3 times within 600 s of work by it, the last time with IndexError: {0}.", "zh"
    )


@pytest.mark.parametrize(("key", "message", "english", "chinese"), [
    ("plan.width_m", "is -1: input should be greater than 0", " is -1: input should be greater than 0.", "：当前为 -1，应大于 0。"),
    ("plan.widht_m", "is unknown: did you mean `width_m`?", " is unknown: did you mean `width_m`?", "：未知的键；是否应为 `width_m`？"),
    ("zone[0].polygon", "has no area; give at least three corners that span it", " has no area; give at least three corners that span it.", "：面积为零；请给出至少三个能围成区域的角点。"),
    ("timezone", "'X' is not a time zone; write one such as Asia/Shanghai", ": 'X' is not a time zone; write one such as Asia/Shanghai.", "：'X' 不是时区；请写如 Asia/Shanghai。"),
    ("", "points 14 and 15 are the same place in the picture. Remove one of them.", "Points 14 and 15 are the same place in the picture. Remove one of them.", "第 14 点与第 15 点在画面中位置相同；请删除其一。"),
    ("", "this branch has no camera 'a'. Wire it into the box's own file first.", "This branch has no camera 'a'. Wire it into the box's own file first.", "本网点没有摄像头 'a'；请先在盒子自身的文件中接入。"),
    ("", "is not valid TOML: Cannot overwrite a value", "The text is not valid TOML: Cannot overwrite a value.", "文本不是有效的 TOML（Cannot overwrite a value），请修正。"),
    ("", "zone 'w' has the point (9, 8) outside the plan of 2 × 25 m; move it inside", "Zone 'w' has the point (9, 8) outside the plan of 2 × 25 m; move it inside.", "区域 'w' 的点（9，8）在 2 × 25 米的平面图之外；请移入，或增大 plan.width_m 与 plan.height_m。"),
    ("", "plan.walls[0] has the point (9, 8) outside the plan of 2 × 25 m; move it inside", "plan.walls[0] has the point (9, 8) outside the plan of 2 × 25 m; move it inside.", "plan.walls[0] 的点（9，8）在 2 × 25 米的平面图之外；请移入，或增大 plan.width_m 与 plan.height_m。"),
    ("zone[0].kind", "is 'q': input should be 'queue', 'desk' or 'staff'", " is 'q': input should be 'queue', 'desk' or 'staff'.", "：当前为 'q'，应为下列之一：'queue', 'desk', 'staff'。"),
])  # fmt: skip
def test_a_fault_is_a_whole_sentence(key: str, message: str, english: str, chinese: str) -> None:
    """What is said of a key goes on from its name; all else begins as a sentence does."""
    assert (sentence(Fault(key, message), "en"), sentence(Fault(key, message), "zh")) == (english, chinese)


@pytest.mark.parametrize(("turn", "english", "chinese"), [
    (swap("[plan]", "[plan"), "The text is not valid TOML: Unexpected character: '\\n' at line 20 col 5. Mend that line.", "文本第 20 行第 5 列不是有效的 TOML（Unexpected character: '\\n'），请修正该行。"),
    (swap("width_m = 22.5", "width_m = 2\nwidth_m = 3"), 'The text is not valid TOML: Key "width_m" already exists. Mend that line.', '文本不是有效的 TOML：键 "width_m" 重复，请更正或删除。'),
    (lambda text: f"a = 1\na.b = 2\n{text}", 'The text is not valid TOML: Key "a" already exists at line 3 col 0. Mend that line.', '文本第 3 行不是有效的 TOML：键 "a" 已存在，请更正或删除。'),
])  # fmt: skip
def test_a_text_that_cannot_be_read_is_one_sentence(
    turn: Callable[[str], str], english: str, chinese: str
) -> None:
    with pytest.raises(ConfigError) as error:
        publishable(turn(TEXT))
    fault = Fault("", str(error.value))
    assert (sentence(fault, "en"), sentence(fault, "zh")) == (english, chinese)


def test_the_page_tells_them_in_its_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the Chinese page a missing key is missing in Chinese; on the English one in English."""
    shown: list[str] = []
    monkeypatch.setattr(setup_work.st, "html", shown.append)
    for spoken in LANGUAGES:
        setup_work.faults([Fault("plan.width_m", "is missing: add it")], spoken)
    assert ["缺少此项" in each for each in shown] == [spoken == "zh" for spoken in LANGUAGES]
    assert ["is missing" in each for each in shown] == [spoken == "en" for spoken in LANGUAGES]
    setup_work.faults(
        [Fault("", "points 1 and 2 are the same place in the picture. Remove one of them.")], "en"
    )
    assert "<li>Points 1 and 2 are" in shown[-1]
