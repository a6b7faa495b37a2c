"""Why a picture without people was not made, in the reader's language: the box and the hub say it in English.

What no rule knows is told in the box's own words.
"""

from __future__ import annotations

from collections.abc import Mapping

from branchloop.text import devices as text_devices
from branchloop.text.catalogue import WORDS, Language, say
from branchloop.text.faults import UNKNOWN
from branchloop.text.rules import compiled, told_by

_RULES = compiled(
    (
        (r"it was not ready in time: it was still being laid out", "未及时完成：仍在拼合俯视图"),
        (r"it was not ready in time: it was still being made by (?P<cameras>.+)", "未及时完成：仍在等待摄像头 {0} 的画面"),
        (r"(?P<camera>\S+) had no background ready in time", "摄像头 {0} 未及时生成无人画面"),
        (r"the box has another configuration", "盒子已改用其他配置，请重新请求"),
        (r"the box has no such camera", "盒子没有该摄像头"),
        (r"a box does not know `(.+)`", "盒子不支持该请求（{0}）"),
        (r"its process is not running", "该摄像头的进程未运行"),
        (r"it ended without a word", "拼合进程意外终止，未留下说明"),
        (r"the pictures could not be laid out: (.+)", "无法拼合俯视图：{0}"),
        (r"no picture could be made", "未能生成画面"),
        (r"no picture could be made: (.+)", "未能生成画面：{0}"),
        (r"no picture came\. Look at the camera's light\.", "没有收到画面，请查看该摄像头的状态"),
        (r"only (\d+) frames came\. Look at the camera's light\.", "仅收到 {0} 帧画面，请查看该摄像头的状态"),
        (r"the camera's pictures have changed their size\. Ask again\.", "摄像头的画面尺寸有变化，请重新请求"),
        (
            r"the picture cannot be made without what looks like a person\. Ask again at another time\.",
            "无法去除画面中疑似人形之处，请换个时间再请求",
        ),
        (
            r"(\S+) of the picture was never seen without people\. Ask again when fewer people are there\.",
            "画面的 {0} 始终有人遮挡，请在人少时再请求",
        ),
        (r"this is no picture\. Report this fault\.", "数据不是图片，请报告此故障"),
        (r"the picture does not fit as JPEG\. Use a smaller stream of the camera\.", "画面过大，请改用该摄像头较小的码流"),
        (
            r"camera (?P<camera>\S+) is calibrated for pictures of (\S+) px, but sends (\S+)\. Calibrate with a picture of this size\.",
            "摄像头 {0} 按 {1} 像素标定，实际画面为 {2} 像素，请用该尺寸的画面重新标定",
        ),
        (r"no camera sees the plan\. Check the calibrations and the plan's size\.", "没有摄像头拍到平面图范围，请检查标定与平面图尺寸"),
        (r"the bird's-eye picture does not fit\. Make the plan smaller\.", "俯视图过大，请缩小平面图"),
        (r"internal fault; the lines above belong into a bug report\.", "盒子内部故障，请连同其日志一并报告"),
        (r"its picture cannot be read\.", "中心无法读取盒子发来的画面"),
        (r"it sent (\S+) for `(.+)`\.", "盒子发来的是 {0}，与请求（{1}）不符"),
        (r"its picture has (\d+) bytes, more than (\d+)\.", "盒子发来的画面为 {0} 字节，超过 {1} 字节"),
        (r"its picture is not a plain (\S+)\.", "盒子发来的画面不是单纯的 {0}"),
    )
)  # fmt: skip


def told(code: str | None, detail: str | None, spoken: Language, names: Mapping[str, str]) -> str:
    """The reason, with cameras by their names (id -> name)."""
    if detail:
        return told_by(_RULES, detail, spoken, names) or text_devices.told(detail, spoken, names)
    key = f"picture.{code}"
    if key in WORDS:
        return say(key, spoken)
    return UNKNOWN.format(message=code) if spoken == "zh" and code else code or ""
