"""What boxes say of their cameras and sensors, in the reader's language: said in English on the wire.

What no rule knows, such as an error of the system, is told as it is under a line that says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from branchloop.text.catalogue import Language
from branchloop.text.faults import UNKNOWN
from branchloop.text.rules import compiled, told_by

_MOVED = r"the view is off by (\d+) px"
_BACK = r"\. Put the camera back, or calibrate it anew\."
_ZH_BACK = "。请复位摄像头或重新标定"
_RULES: Sequence[tuple[str, str]] = (
    (r"the picture shows nothing\. Look at the lens and the light\.", "画面无内容，请检查镜头与照明"),
    (
        r"the picture has lost its detail\. Clean the lens or focus it(?:\.|; or it shows another place: .+)",
        "画面失去细节，请清洁镜头或重新对焦；若画面是另一处，是否两台摄像头互换？",
    ),
    (r"the very same picture for a minute\. Restart the camera\.", "画面持续一分钟完全相同，请重启摄像头"),
    (r"a recording is shown again and again\. Look at who feeds this camera's stream\.", "反复播放同一段录像，请检查该视频流的来源"),
    (r"this is not the view that was calibrated\. .+", "视野与标定时不符，是否两台摄像头互换，或画面倒置、镜像？请复位或重新标定"),
    (_MOVED + _BACK, "视野偏移 {0} 像素" + _ZH_BACK),
    (_MOVED + r", turned by (\d+)°" + _BACK, "视野偏移 {0} 像素，旋转 {1}°" + _ZH_BACK),
    (_MOVED + r", about ([\d.]+) m on the floor" + _BACK, "视野偏移 {0} 像素，地面上约 {1} 米" + _ZH_BACK),
    (
        _MOVED + r", turned by (\d+)°, about ([\d.]+) m on the floor" + _BACK,
        "视野偏移 {0} 像素，旋转 {1}°，地面上约 {2} 米" + _ZH_BACK,
    ),
    (_MOVED + r", zoomed by (\d+) %" + _BACK, "视野偏移 {0} 像素，缩放 {1} %" + _ZH_BACK),
    (
        _MOVED + r", zoomed by (\d+) %, about ([\d.]+) m on the floor" + _BACK,
        "视野偏移 {0} 像素，缩放 {1} %，地面上约 {2} 米" + _ZH_BACK,
    ),
    (
        r"its pictures are (\d+×\d+) px, its marks are of (\d+×\d+) px\. Set the stream to that size, or calibrate it anew\.",
        "画面为 {0} 像素，标定所用为 {1} 像素，请将视频流设为该尺寸或重新标定",
    ),
    (r"the picture is well again", "画面已恢复正常"),
    (r"(\S+) cannot be reached \((.+)\); check address, power and network\.", "{0} 无法连接（{1}），请检查地址、电源与网络"),
    (
        r"(\S+) answers but gives no video; check the path, the login and the stream's codec(?:\.|, and that it gives a picture in two seconds at least\.)",
        "{0} 有应答但没有视频，请检查路径、登录信息与编码格式，以及是否至少每两秒有一帧画面",
    ),
    (r"(\S+) sent nothing for (\d+) s; connecting anew\.", "{0} 在 {1} 秒内未发送任何数据，正在重新连接"),
    (r"(\S+) ended the stream; connecting anew\.", "{0} 结束了视频流，正在重新连接"),
    (r"no picture for (\d+) s", "{0} 秒无画面"),
    (r"no reading for (\d+) s", "{0} 秒无读数"),
    (
        r"no reading for (\d+) s; (\d+) lines that are no readings came: check baud rate and unit",
        "{0} 秒无读数；收到 {1} 行非读数内容，请检查波特率与单位",
    ),
    (
        r"no reading for (\d+) s; (\d+) lines that are no readings came: check what the sensor sends",
        "{0} 秒无读数；收到 {1} 行非读数内容，请检查传感器发送的内容",
    ),
    (
        r"no reading for (\d+) s; all that came was kept by the broker from before \(retained\), which is no reading of now",
        "{0} 秒无读数；仅收到代理服务器保留的旧消息（retained），不是当前读数",
    ),
    (r"(\S+): the device was unplugged, or another program reads it too", "{0}：设备已被拔出，或另有程序在读取"),
    (r"its process said nothing for (\d+) s", "其进程 {0} 秒无响应"),
    (r"its process ended with code (-?\d+); starting it anew", "其进程已终止（代码 {0}），正在重新启动"),
    (
        r"the environment variable (\S+) holds no login\. Set \S+ to user:password for this process\.",
        "环境变量 {0} 中没有登录信息，请为盒子进程设置为 user:password",
    ),
    (r"its reader failed \((.+)\); it is begun anew", "读取程序出错（{0}），正在重新开始"),
    (r"the clip is over", "录像已播完"),
    (r"the log is over", "记录已播完"),
    (r"neither the floor nor anybody for a minute: its readings are not believed", "一分钟内既未测到地面也未测到人，不予采信"),
    (
        r"ranges nearer to the ceiling than any head: check `unit`, `height_m` and what hangs before it; its readings are not believed",
        "读数比任何人的头顶都更靠近天花板，请检查 `unit`（单位）、`height_m` 以及传感器前有无遮挡物；读数不予采信",
    ),
    (r"the same range for a minute: its readings are not believed", "读数持续一分钟不变，不予采信"),
    (r"ranges (?:far off those around them|that stand out alone): its readings are not believed", "读数中有远离前后读数的跳变，不予采信"),
    (r"it hears a neighbour's pings: stagger them; its readings are not believed", "收到相邻传感器的回波，请错开触发；读数不予采信"),
    (
        r"much of what comes is no reading: check baud rate, unit and cable; its readings are not believed",
        "大量数据不是读数，请检查波特率、单位与线缆；读数不予采信",
    ),
    (r"the clock of (?P<b>\S+) is ([+-][\d.]+) s off that of (?P<a>\S+)", "{0} 的时钟与 {2} 相差 {1} 秒"),
    (r"the clock of (?P<b>\S+) is ([+-][\d.]+) s off that of (?P<a>\S+): people cannot be joined", "{0} 的时钟与 {2} 相差 {1} 秒，无法合并同一人"),
    (
        r"(?P<a>\S+) and (?P<b>\S+) see different people where both look \(([\d.]+) m apart\): .+",
        "{0} 与 {1} 在共同视野内所见的人不一致（相距 {2} 米）：其中一台被移动，或两台互换",
    ),
    (r"(?P<a>\S+) and (?P<b>\S+) place the same people ([\d.]+) m apart: calibrate again", "{0} 与 {1} 对同一人的定位相距 {2} 米，请重新标定"),
    (r"no more complaint about (?P<a>\S+) and (?P<b>\S+)", "{0} 与 {1} 之间的异常已消除"),
)  # fmt: skip
_COMPILED = compiled(_RULES)
_KIND = re.compile(r"(?:covered|blurred|frozen|looped|moved): ")


def told(detail: str, spoken: Language, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """A detail in the reader's language, with cameras by their names (id -> name).

    Without the fault's name before it: whoever shows it has said that.
    """
    text = _KIND.sub("", detail, count=1) if _KIND.match(detail) else detail
    by_rule = told_by(_COMPILED, text, spoken, names)
    if by_rule is not None:
        return by_rule
    return UNKNOWN.format(message=text) if spoken == "zh" else text
