"""Words of the page on queue and service: (English, 中文)."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "page.service": ("Queue & service", "排队与服务"),
    "service.day": ("Day", "日期"),
    "service.none": ("Nobody came or was booked on this day.", "当日没有到店或预约。"),
    "service.all": ("All services", "全部业务"),
    "service.waiting": ("Waiting now", "当前等候"),
    "service.expected": ("Expected wait now", "当前预计等候"),
    "service.came": ("Came", "到店"),
    "service.served": ("Served", "已办理"),
    "service.wait": ("Median wait", "等候中位数"),
    "service.wait.p90": ("Wait, p90", "等候九成位"),
    "service.wait.p90.note": ("one of ten waits longer than {value}", "九成位 {value}"),
    "service.wait.none": ("no wait", "无需等候"),
    "service.served.of": ("of {count} who came", "共到店 {count} 人"),
    "service.length": ("Median service time", "办理时长中位数"),
    "service.length.p90": ("Service time, p90", "办理时长九成位"),
    "service.no_show": ("No-show", "爽约率"),
    "service.no_show.note": ("{count} did not come", "{count} 人未到"),
    "service.left": ("Left unserved", "未办离开"),
    "service.left.note": ("{count} went away", "{count} 人离开"),
    "service.outcome": ("Outcome", "办理结果"),
    "service.outcomes": ("What visits came to", "办理结果"),
    "service.count": ("Visits", "次数"),
    "service.by_service": ("By service", "分业务"),
    "service.forecast": ("The forecast and what came of it", "预计等候与实际"),
    "service.forecast.how": (
        "What was told at arrival against the wait until the call, over the last 28 days. Meant: 80 % within the interval.",
        "最近 28 天：签到时的预计与实际叫号等候之比较。目标：80% 落在区间内。",
    ),
    "service.forecast.waits": ("Waits", "次数"),
    "service.forecast.mae": ("Mean error", "平均误差"),
    "service.forecast.covered": ("Within the interval", "落在区间内"),
    "service.forecast.none": ("no wait has ended yet", "尚无已结束的等候"),
    "service.floor": ("Tickets beside the floor", "排队号与现场客流"),
    "service.floor.how": (
        "Both count people who came to be served, each in its own way. A clear difference means tickets not taken, or a queue that is not seen.",
        "两者各自统计前来办理的人数。差异明显时，可能有人未取号，或队列未被完整观测。",
    ),
    "service.floor.tickets": ("Tickets", "排队号"),
    "service.floor.joined": ("Joined a queue", "进入队列"),
    "service.floor.difference": ("Difference", "差异"),
    "service.floor.queue": ("Queue", "队列"),
    "service.floor.abandoned": ("Left the queue", "离队"),
    "service.floor.wait": ("Median wait seen", "实测等候中位数"),
    "service.floor.none": (
        "This branch has no queue zone, so the floor counts no queue.",
        "该网点未设排队区，现场不统计排队。",
    ),
    "service.small": ("withheld", "不予显示"),
    "service.small.why": (
        "Counts of 1 to 4 are withheld, and what would tell them.",
        "1 至 4 的计数及可推知它们的数据不予显示。",
    ),
}
