"""Faults of a site file in the reader's language: judged in English.

A fault that no rule knows is told in English under a line that says so: half a translation would mislead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from branchloop.config import Fault
from branchloop.text.catalogue import Language

UNKNOWN = "（暂无中文说明，原文如下）{message}"
_RULES: Sequence[tuple[str, str]] = (
    (r"is missing: add it", "缺少此项，请补充"),
    (r"is unknown: did you mean (`.+`)\?", "未知的键；是否应为 {0}？"),
    (r"is (.+), which is there already: choose that one, or take another id", "当前为 {0}，该编号已存在；请选择它进行修改，或换一个编号"),
    (r"is unknown: remove it, or use one of (.+)", "未知的键；请删除，或改用：{0}"),
    (r"is (.+): an id has 1 to 32 of a-z, 0-9 and '-'", "当前为 {0}，编号为 1 至 32 个 a-z、0-9 或 - 字符"),
    (r'(?:is|the text is) not valid TOML: Key (".+") already exists at line (\d+) col \d+\. .+', "文本第 {1} 行不是有效的 TOML：键 {0} 已存在，请更正或删除"),
    (r'(?:is|the text is) not valid TOML: Key (".+") already exists\. .+', "文本不是有效的 TOML：键 {0} 重复，请更正或删除"),
    (r"(?:is|the text is) not valid TOML: (.+) at line (\d+) col (\d+)\. .+", "文本第 {1} 行第 {2} 列不是有效的 TOML（{0}），请修正该行"),
    (r"(?:is|the text is) not valid TOML: (.+?)\.?(?: Mend that line\.)?", "文本不是有效的 TOML（{0}），请修正"),
    (r"is (.+): input should be greater than or equal to (\S+)", "当前为 {0}，应不小于 {1}"),
    (r"is (.+): input should be less than or equal to (\S+)", "当前为 {0}，应不大于 {1}"),
    (r"is (.+): input should be greater than (\S+)", "当前为 {0}，应大于 {1}"),
    (r"is (.+): input should be less than (\S+)", "当前为 {0}，应小于 {1}"),
    (r"is (.+): input should be (?:a valid number|a finite number).*", "当前为 {0}，应为数字"),
    (r"is (.+): input should be a valid integer.*", "当前为 {0}，应为整数"),
    (r"is (.+): input should be a valid string", "当前为 {0}，应为文本（加引号）"),
    (r"is (.+): input should be a valid boolean.*", "当前为 {0}，应为 true 或 false"),
    (r"is (.+): input should be a valid (?:list|tuple)", "当前为 {0}，应为列表"),
    (r"is (.+): input should be a valid (?:dictionary|table).*", "当前为 {0}，应为表"),
    (r"is (.+): input should be ('.+) or ('.+)", "当前为 {0}，应为下列之一：{1}, {2}"),
    (r"is (.+): input should be ('.+)", "当前为 {0}，应为 {1}"),
    (r"is (.+): string should have at least (\d+) characters?", "当前为 {0}，至少 {1} 个字符"),
    (r"is (.+): string should have at most (\d+) characters?", "当前为 {0}，至多 {1} 个字符"),
    (r"is (.+): (?:list|tuple) should have at least (\d+) items? after validation, not (\d+)", "当前为 {0}，至少 {1} 项，现有 {2} 项"),
    (r"is (.+): (?:list|tuple) should have at most (\d+) items? after validation, not (\d+)", "当前为 {0}，至多 {1} 项，现有 {2} 项"),
    (r"has (\d+) heat cells, more than (\d+); choose a larger cell_m", "热力格共 {0} 个，超过 {1} 个；请增大 cell_m"),
    (r"(\d+) calibration points fix no floor(?:; give at least 4, better 8, not on one line|\. Give at least 4 that span the floor\.)", "{0} 个标定点无法确定地面；请给出至少 4 个（最好 8 个）不共线的点"),
    (r"the calibration points lie on one line in (pixels|metres); choose marks that span the floor", "标定点在{0}坐标中共线；请选择铺开地面的标记点"),
    (r"the points lie on one line in (pixels|metres)\. Choose marks that span the floor\.", "标定点在{0}坐标中共线；请选择铺开地面的标记点"),
    (r"distortion needs focal_px; add the focal length in pixels", "畸变参数需要 focal_px；请补充以像素计的焦距"),
    (r"point (\d+) holds something that is no number\. Write .+", "第 {0} 点含有非数字；请写 x_px,y_px,x_m,y_m"),
    (r"pixels and metres look swapped\. .+", "像素与米疑似互换；列顺序为 x_px,y_px,x_m,y_m"),
    (r"point (.+) lies outside a picture of (\d+) × (\d+) px\. .+", "第 {0} 点在 {1} × {2} 像素的画面之外；请在分析所用码流的画面中量取，并填写该画面尺寸"),
    (r"points (\d+) and (\d+) are the same place in the picture\. .+", "第 {0} 点与第 {1} 点在画面中位置相同；请删除其一"),
    (r"points (\d+) and (\d+) are the same place on the floor\. .+", "第 {0} 点与第 {1} 点在地面上位置相同；请更正或删除其一"),
    (r"(\d+) of (\d+) marks lie beside the plan of (\S+) × (\S+) m\. Were they typed in feet\? .+", "{1} 个标记点中有 {0} 个在 {2} × {3} 米的平面图之外；是否误按英尺填写？请以米填写"),
    (r"(\d+) of (\d+) marks lie beside the plan of (\S+) × (\S+) m\. Were they typed in centimetres\? .+", "{1} 个标记点中有 {0} 个在 {2} × {3} 米的平面图之外；是否误按厘米填写？请以米填写"),
    (r"(\d+) of (\d+) marks lie beside the plan of (\S+) × (\S+) m\. Were they typed in millimetres\? .+", "{1} 个标记点中有 {0} 个在 {2} × {3} 米的平面图之外；是否误按毫米填写？请以米填写"),
    (r"(\d+) of (\d+) marks lie beside the plan of (\S+) × (\S+) m\. .+", "{1} 个标记点中有 {0} 个在 {2} × {3} 米的平面图之外；请自平面图左上角起量，x 向右，y 向下，以米计"),
    (r"by these marks the camera sees nothing of the plan\. .+", "按这些标记点，摄像头看不到平面图的任何部分；请自平面图左上角起量，x 向右，y 向下，以米计"),
    (r"a mark lies on or above the horizon that the others fix\. .+", "有标记点位于其余点所定的地平线上或其上方；所有标记点都须在地面上"),
    (r"is shorter than 0\.2 m; move `from` and `to` apart", "短于 0.2 米；请将 from 与 to 拉开"),
    (r"`inside` lies on the line; choose a point clearly on the inner side", "inside 落在计数线上；请选择明显位于内侧的点"),
    (r"crosses itself or runs along an edge twice; list the corners in order, once round the zone", "边界自相交或重复经过同一条边；请按环绕顺序列出角点，只绕一圈"),
    (r"has no area; give at least three corners that span it", "面积为零；请给出至少三个能围成区域的角点"),
    (r"(.+) is not a camera source; write .+", "{0} 不是摄像头来源；请写文件名、rtsp://…、http://… 或 usb:N"),
    (r"holds a login; put user:password .+", "其中含有登录信息；请将 user:password 放入环境变量，并以 credential_env 指明该变量；若摄像头只接受网址参数中的登录信息，请在参数处写 {{user}} 与 {{password}}"),
    (r"has credential_env beside a source that takes no login; .+", "来源不需要登录，却写有 credential_env；请将其删去，或改写为 rtsp://… 或 http://…"),
    (r"has \{user\} or \{password\} in its source; .+", "来源中有 {{user}} 或 {{password}}；请以 credential_env 指明存放登录信息的环境变量"),
    (r"(.+) is not a sensor source; write (.+)", "{0} 不是传感器来源；请写 {1}"),
    (r"(.+) names port (\d+); a port is 1 to (\d+)", "{0} 的端口为 {1}；端口应为 1 至 {2}"),
    (r"(.+) has the wildcard (\S) in its topic, .+", "{0} 的主题含有通配符 {1}，会混入多个传感器的读数；请写该传感器自己的主题"),
    (r"sensors (.+) and (.+) are both on (.+), which one alone can read; give each its own", "传感器 {0} 与 {1} 都使用 {2}，它只能由一个传感器使用；请分别指定"),
    (r"is no broker's address: write (\S+), such as (\S+), without a login", "不是 broker 地址；请写 {0}，例如 {1}，其中不含登录信息"),
    (r"(.+) is not a time zone; write one such as (\S+)", "{0} 不是时区；请写如 {1}"),
    (r"(.+) is not a weekday; use (.+)", "{0} 不是星期；请用 {1}"),
    (r"(.+) are not opening hours; write (.+)", "{0} 不是营业时间；请写如 09:00-17:00、09:00-12:00,13:00-17:00 或 closed"),
    (r"(.+) does not run forwards; write the spans in order, each earlier time first", "{0} 时间未递增；请按先后顺序书写各时段"),
    (r"the inline list (`.+`) has a remark after its last entry and no comma\. .+", "行内列表 {0} 的最后一项之后有注释而没有逗号；请在该项后加逗号"),
    (r"two (\w+)s are called (.+); every id must be used once", "有两个{0}名为 {1}；每个编号只能使用一次"),
    (r"counter (.+) serves (.+), which is no service of this site; add it or take it out", "柜台 {0} 办理 {1}，但本网点没有该业务；请添加该业务或去掉此项"),
    (r"zone (.+) has served_in but is no queue; set kind to queue", "区域 {0} 有 served_in 但不是排队区；请将 kind 设为 queue"),
    (r"zone (.+) is served in (.+), which is no counter, desk or self-service zone", "区域 {0} 的 served_in 为 {1}，它不是 counter、desk 或 self-service 区域"),
    (r"(\w+) (.+) has the point \((.+), (.+)\) outside the plan of (\S+) × (\S+) m; .+", "{0} {1} 的点（{2}，{3}）在 {4} × {5} 米的平面图之外；请移入，或增大 plan.width_m 与 plan.height_m"),
    (r"(.+) has the point \((.+), (.+)\) outside the plan of (\S+) × (\S+) m; .+", "{0} 的点（{1}，{2}）在 {3} × {4} 米的平面图之外；请移入，或增大 plan.width_m 与 plan.height_m"),
    (r"(?:it|the text) is for site (.+), (?:this is|not for) (.+?)\.", "该配置属于网点 {0}，而本网点为 {1}"),
    (r"the time zone is (.+), not (.+?)\. .+", "时区为 {0}，不能改为 {1}：网点的日界不可移动；若原值有误，请在盒子自身的文件中修改"),
    (r"camera (.+) has pictures of (\d+) × (\d+) px, not (\d+) × (\d+)\. .+", "摄像头 {0} 的画面为 {1} × {2} 像素，不是 {3} × {4}；码流在盒子自身的文件中选择"),
    (r"this branch has no (camera|sensor) (.+?)\. .+", "本网点没有{0} {1}；请先在盒子自身的文件中接入"),
    (r"(camera|sensor) (.+) has another `(.+)` in the box's own file\. .+", "{0} {1} 的 {2} 与盒子自身的文件不同；来源与登录信息须在盒子上修改"),
    (r"the core ended (\d+) times within (\d+) s of work by it, (?:the last time with (.+)|without a word)\.", "核心进程按此配置工作，在 {1} 秒内终止 {0} 次；盒子已退回上一个可用配置（最后的错误：{2}）"),
    (r"key (`.+`) is missing: add it\.?", "缺少键 {0}，请补充"),
    (r"the picture is (\d+) s old\. Ask again in (\d+) s\.", "现有画面才 {0} 秒；请在 {1} 秒后再次请求"),
    (r"(\d+) pictures of this branch are asked for and not answered yet\. Wait for them, or ask again in (\d+) s\.", "本网点有 {0} 幅画面已请求而未答复；请等待，或在 {1} 秒后再次请求"),
    (r"the hub knows of no box in this branch\. .+", "中心不知道本网点的盒子：其网点文件没有 [box]；请在中心补充"),
    (r"the configuration cannot be kept in (.+): (.+?)\. .+", "配置无法保存到 {0}：{1}；请检查该文件夹的写入权限与磁盘空间"),
    (r"the text has (\d+) characters, more than (\d+)\. .+", "文本有 {0} 个字符，超过 {1} 个；请缩短"),
)  # fmt: skip
_NAMES = {
    "pixels": "像素", "metres": "米", "camera": "摄像头", "sensor": "传感器", "line": "计数线", "zone": "区域",
    "kiosk": "终端", "counter": "柜台", "service": "业务",
}  # fmt: skip
_COMPILED = [(re.compile(pattern, re.DOTALL), words) for pattern, words in _RULES]


def told(message: str, spoken: Language) -> str:
    """A judged fault in the reader's language."""
    if spoken != "zh":
        return message
    for pattern, words in _COMPILED:
        match = pattern.fullmatch(message)
        if match is not None:
            return words.format(*(_NAMES.get(each, each) for each in match.groups("—")))
    return UNKNOWN.format(message=message)


def sentence(fault: Fault, spoken: Language) -> str:
    """A judged fault as a whole sentence; that of a key goes on from its name."""
    words = told(fault.message, spoken)
    if not words.endswith((".", "?", "!", "。", "？", "！")):
        words += "。" if spoken == "zh" else "."
    if spoken == "zh":
        return f"：{words}" if fault.key else words
    if fault.key:
        return f" {words}" if fault.goes_on else f": {words}"
    if fault.goes_on:
        return f"The text {words}"
    return re.sub(r"^[a-z]+(?= )", lambda first: first[0].capitalize(), words)  # not the name of a key
